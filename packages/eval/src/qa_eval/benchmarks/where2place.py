"""Where2Place: point at the free place that a phrase describes."""

from __future__ import annotations

from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, unique_ids
from qa_eval.benchmarks.points import REQUEST, mask_text, tuples_score
from qa_eval.files import Columns, read_published
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.official import OFFICIAL

KIND = "placement"


def read_where2place(path: Path) -> Columns:
    """Read the Parquet file, whose masks are pictures."""
    rows = read_published(path, ("question_id", "question", "mask"), pictures=[("image",)])
    return {
        "id": unique_ids(rows["question_id"], path),
        "question": rows["question"],
        "question_type": [KIND] * len(rows["question"]),
        "ground_truth": [mask_text(mask) for mask in rows["mask"]],
        "pictures": rows["pictures"],
    }


WHERE2PLACE = Benchmark(
    name="where2place",
    description="Where2Place: share of the points inside the mask; overall = mean of all questions",
    source="arXiv 2406.10721 (RoboPoint); wentaoyuan/where2place; lmms-eval, lmms_eval/tasks/where2place",
    metrics={KIND: "special"},
    overall="rows",
    file="Parquet: question_id, question, mask",
    read=read_where2place,
    request=REQUEST,
    official=OFFICIAL,
    harnesses=lmms_eval(OFFICIAL),
    special={KIND: tuples_score},
)
