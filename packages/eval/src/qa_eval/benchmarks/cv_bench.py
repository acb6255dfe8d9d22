"""CV-Bench: relations and counts in two dimensions, depth and distance in three."""

from __future__ import annotations

from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, lettered, unique_ids
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.benchmarks.embspatial import first_letter
from qa_eval.benchmarks.figures import by_group
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval


def read_cv_bench(path: Path) -> Columns:
    """Read ``test_2d.parquet``, ``test_3d.parquet`` or the folder of both."""
    rows = read_published(path, ("idx", "task", "question", "choices", "answer", "source"), pictures=[("image",)])
    return {
        "id": unique_ids(rows["idx"], path),
        "question": rows["question"],
        "question_type": rows["source"],
        "ground_truth": [str(text).strip("()") for text in rows["answer"]],
        "options": [lettered(choices) for choices in rows["choices"]],
        "group": rows["task"],
        "pictures": rows["pictures"],
    }


OFFICIAL = letters_only("official", first_letter, "lmms-eval, lmms_eval/tasks/cv_bench/utils.py")

CV_BENCH = Benchmark(
    name="cv-bench",
    description="CV-Bench: accuracy; overall = mean of 2D (mean of ADE20K and COCO) and 3D (Omni3D); 4 tasks beside it",
    source="arXiv 2406.16860 (Cambrian-1); nyu-visionx/CV-Bench; lmms-eval, lmms_eval/tasks/cv_bench",
    every_type="choice",
    tasks={"2D": ("ADE20K", "COCO"), "3D": ("Omni3D",)},
    columns={name: name for name in ("2D", "Count", "Relation", "3D", "Depth", "Distance")},
    file="test_2d.parquet, test_3d.parquet: idx, task, question, choices, answer, source",
    read=read_cv_bench,
    official=OFFICIAL,
    harnesses=lmms_eval(OFFICIAL),
    figures=by_group(),
    log=LogColumns(question_type=("source",), group=("task",)),
)
