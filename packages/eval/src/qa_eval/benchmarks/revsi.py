"""ReVSI: VSI-Bench annotated anew, with ground truths for what 16, 32, 64 or all frames show."""

from __future__ import annotations

from pathlib import Path

from qa_contract.answers import first_number, first_token

from qa_eval.benchmarks.base import Benchmark, Metric, unique_ids
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import Parser
from qa_eval.parsers.lmms_eval import lmms_eval

TASKS: dict[str, tuple[str, ...]] = {
    "object_abs_distance": ("object_abs_distance",),
    "object_size_estimation": ("object_size_estimation",),
    "route_planning": ("route_planning",),
    "object_rel_direction": tuple(
        f"object_rel_direction_{way}_{level}" for level in ("easy", "hard") for way in ("forward", "backward")
    ),
    "object_rel_distance": ("object_rel_distance_closest", "object_rel_distance_farthest"),
    "object_counting": ("object_counting_single", "object_counting_multiple"),
    "room_size_estimation": ("room_size_estimation_single", "room_size_estimation_multiple"),
}
CHOICES = ("route_planning", "object_rel_direction", "object_rel_distance")
METRICS: dict[str, Metric] = {
    name: "choice" if task in CHOICES else "mra" for task, names in TASKS.items() for name in names
}


def read_revsi(path: Path) -> Columns:
    """Read the file of one frame budget, or of several, where an id stands once per budget.

    The same question has another ground truth in another budget. Without a column `id` the position in the file, from
    0, is the id.
    """
    names = ("scene_id", "question_type", "ground_truth", "num_frames", "question", "options")
    rows = read_published(path, names, optional=("id",))
    ids = rows.get("id") or list(range(len(rows["scene_id"])))
    unique_ids([None if value is None else (value, n) for value, n in zip(ids, rows["num_frames"], strict=True)], path)
    return {
        "id": ids,
        "question": rows["question"],
        "question_type": rows["question_type"],
        "ground_truth": rows["ground_truth"],
        "options": rows["options"],
        "scene_name": rows["scene_id"],
        "num_frames": rows["num_frames"],
    }


OFFICIAL = Parser(
    "official",
    lambda text: first_token(text.strip()),
    lambda text: first_number(text.strip()),
    "lmms-eval, lmms_eval/tasks/revsi/utils.py: the first token of the stripped text; VLMEvalKit, revsi.py, alike",
)

REVSI = Benchmark(
    name="revsi",
    description="ReVSI, by frame budget (--frames picks one of a mixed file): accuracy and mean relative accuracy; "
    "overall = mean of 7 tasks, a task = mean of its question types",
    source="3dlg-hcvc/ReVSI; lmms-eval, lmms_eval/tasks/revsi",
    metrics=METRICS,
    tasks=TASKS,
    file="Parquet of one budget (16, 32, 64, all frames): scene_id, num_frames, question_type, question, options, "
    "ground_truth",
    read=read_revsi,
    official=OFFICIAL,
    harnesses={**lmms_eval(OFFICIAL), "vlmevalkit": OFFICIAL},
)
