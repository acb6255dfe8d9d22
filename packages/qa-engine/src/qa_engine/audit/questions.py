"""Questions as the audit sees them: text, options and the right answer, from our table or in VSI-Bench's schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
from qa_contract.scoring import metric_of

from qa_engine.errors import QAEngineError
from qa_engine.replay.external import read_question_rows

COLUMNS = ("scene_name", "question_type", "question", "options", "ground_truth")
"""Columns that the audit needs beside `id` or `question_id`."""

_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class AuditItem:
    """One question.

    Attributes
    ----------
    id, scene_name, question_type, question : str
    options : tuple of str
        Texts without their letters; empty for a number.
    right : int
        Place of the right option; -1 for a number.
    value : float
        The right number; NaN for a choice.
    """

    id: str
    scene_name: str
    question_type: str
    question: str
    options: tuple[str, ...]
    right: int
    value: float

    @cached_property
    def words(self) -> frozenset[str]:
        """Words of the question."""
        return frozenset(_WORD.findall(self.question.lower()))


def read_table_of(source: Path) -> pl.DataFrame:
    """Read a file of questions as it is, with the columns that the audit needs.

    Raises
    ------
    QAEngineError
        The file is missing, unreadable or lacks a column.
    """
    table = read_question_rows(source)
    missing = [name for name in COLUMNS if name not in table.columns]
    if not {"id", "question_id"} & set(table.columns):
        missing.insert(0, "id")
    if missing:
        raise QAEngineError(f"{source}: lacks {', '.join(missing)}; found {', '.join(table.columns)}.")
    return table


def has_structure(table: pl.DataFrame) -> pl.Series:
    """Tell which questions are answered by JSON, which no predictor here guesses; (n,) bool."""
    rows = table.select("ground_truth", "options").iter_rows()
    return pl.Series([metric_of(str(truth), options) == "json" for truth, options in rows], dtype=pl.Boolean)


def read_items(table: pl.DataFrame) -> list[AuditItem]:
    """Turn a table of questions into items.

    Raises
    ------
    QAEngineError
        A right answer is neither the letter of an option nor a number.

    Examples
    --------
    >>> table = pl.DataFrame({"id": [1], "scene_name": ["s"], "question_type": ["t"], "question": ["Left or right?"],
    ...                       "options": [["A. left", "B. right"]], "ground_truth": ["B"]})
    >>> read_items(table)[0].options, read_items(table)[0].right
    (('left', 'right'), 1)
    """
    name = "question_id" if "question_id" in table.columns else "id"
    return [_item(row, str(row[name])) for row in table.select(name, *COLUMNS).iter_rows(named=True)]


def _item(row: dict[str, object], key: str) -> AuditItem:
    given = row["options"]
    options = [str(option) for option in given] if isinstance(given, (list, tuple)) else []
    letters = [option.partition(".")[0].strip() for option in options]
    texts = tuple(option.partition(".")[2].strip() for option in options)
    right, value, truth = -1, float("nan"), str(row["ground_truth"])
    try:
        if options:
            right = letters.index(truth)
        else:
            value = float(truth)
    except ValueError:
        what = f"the letter of an option ({', '.join(letters)})" if options else "a number"
        raise QAEngineError(f"Question {key}: the right answer {truth!r} is not {what}.") from None
    return AuditItem(key, str(row["scene_name"]), str(row["question_type"]), str(row["question"]), texts, right, value)
