"""Names under which the files of other tools hold a row of answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LogColumns:
    """For each column of a row, the names it may have; the first name under which a record holds something counts.

    `derive_type` tells the question type of a record that names none, `derive_id` the id where no column is one.

    Examples
    --------
    >>> LogColumns().find({"index": 3, "category": "left"}, "question_type")
    'left'
    """

    id: tuple[str, ...] = ("id", "question_id", "index", "idx", "pid", "doc_id")
    question_type: tuple[str, ...] = (
        *("question_type", "sub_task", "l2_category", "type", "task", "task_type", "category", "subcategory"),
    )
    ground_truth: tuple[str, ...] = ("ground_truth", "gt_content", "gt_answer", "answer", "target")
    prediction: tuple[str, ...] = ("filtered_resps", "prediction", "pred", "completion", "response")
    log_score: tuple[str, ...] = (
        *("score", "is_correct", "hit", "correct", "accuracy", "acc", "MRA:.5:.95:.05", "vci_metric", "exact_match"),
    )
    options: tuple[str, ...] = ("options", "candidates", "choices")
    scene_name: tuple[str, ...] = ("scene_name", "scene_id")
    group: tuple[str, ...] = ("group",)
    derive_type: Callable[[Mapping[str, Any]], str | None] = lambda _: None
    derive_id: Callable[[Mapping[str, Any]], str | None] = lambda _: None

    def find(self, record: Mapping[str, Any], column: str) -> Any:
        """Find the value of a column in a record, None where it has none."""
        return next((record[name] for name in getattr(self, column) if record.get(name) is not None), None)


UNTOLD = "untold"
"""Question type of a row whose file does not tell it."""

PLAIN = LogColumns()
"""The usual names."""
