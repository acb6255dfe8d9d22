"""VSTI-Bench: distances, displacements and directions over the frames of a moving camera."""

from __future__ import annotations

from pathlib import Path

from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.benchmarks.figures import by_types
from qa_eval.files import Columns, read_published

CHOICES = {
    "camera movement direction": ("camera_movement_direction",),
    "camera-object relative distance": tuple(f"camera_obj_rel_dist_v{n}" for n in (1, 2, 3)),
    "object-object relative position": tuple(f"obj_obj_relative_pos_{way}" for way in ("nf", "ud", "lr")),
}
NUMBERS = ("camera_obj_abs_dist", "camera_displacement", "camera_obj_dist_change")
CHOICE_TYPES = tuple(name for names in CHOICES.values() for name in names)


def read_vsti(path: Path) -> Columns:
    """Read the rows; a choice has its letter in `mc_answer`. The id is the position from 0 where there is none."""
    names = ("question_type", "question", "ground_truth", "mc_answer")
    rows = read_published(path, names, optional=("id", "options", "scene_name"))
    n = len(rows["question"])
    truths = zip(rows["question_type"], rows["ground_truth"], rows["mc_answer"], strict=True)
    found = {
        "id": rows.get("id") or list(range(n)),
        "question": rows["question"],
        "question_type": rows["question_type"],
        "ground_truth": [letter if kind in CHOICE_TYPES else str(value) for kind, value, letter in truths],
        "options": rows.get("options") or [None] * n,
    }
    return found | ({"scene_name": rows["scene_name"]} if "scene_name" in rows else {})


VSTI_BENCH = Benchmark(
    name="vsti-bench",
    description="VSTI-Bench: accuracy and mean relative accuracy; overall = mean of the types; 3 tasks beside",
    source="arXiv 2505.20279 (VLM-3R); Journey9ni/vstibench; VITA-Group/VLM-3R, thinking-in-space, tasks/vstibench",
    metrics={**dict.fromkeys(CHOICE_TYPES, "choice"), **dict.fromkeys(NUMBERS, "mra")},
    file="rows with question_type, question, options, ground_truth, mc_answer",
    read=read_vsti,
    figures=by_types(CHOICES, macro=True),
    log=LogColumns(ground_truth=("mc_answer", "ground_truth")),
)
