"""SPBench: VSI-Bench's questions about single images and about several."""

from __future__ import annotations

from pathlib import Path

from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.vsi_bench import VSI_METRICS, VSI_TASKS
from qa_eval.files import Columns, read_published
from qa_eval.parsers.vlmevalkit import VLMEVALKIT

PICTURES = [("images",), ("image",), ("image_path",)]


def read_spbench(path: Path) -> Columns:
    """Read ``SPBench-SI.json`` or ``SPBench-MV.json``; the id is the position from 0 where there is none."""
    names = ("question_type", "question", "ground_truth")
    rows = read_published(path, names, optional=("id", "options", "scene_name"), pictures=PICTURES)
    n = len(rows["question"])
    found = {
        "id": rows.get("id") or list(range(n)),
        "question": rows["question"],
        "question_type": rows["question_type"],
        "ground_truth": [str(value) for value in rows["ground_truth"]],
        "options": rows.get("options") or [None] * n,
        "pictures": rows["pictures"],
    }
    return found | ({"scene_name": rows["scene_name"]} if "scene_name" in rows else {})


SPBENCH = Benchmark(
    name="spbench",
    description="SPBench: accuracy and mean relative accuracy as VSI-Bench; overall = mean of the tasks present",
    source="arXiv 2510.08531 (SpatialLadder); hongxingli/SPBench; VLMEvalKit, vlmeval/dataset/spbench.py",
    harnesses={"vlmevalkit": VLMEVALKIT},
    metrics=VSI_METRICS,
    tasks=VSI_TASKS,
    file="SPBench-SI.json or SPBench-MV.json: question_type, question, options, ground_truth",
    read=read_spbench,
)
