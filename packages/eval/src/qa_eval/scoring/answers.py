"""Answers to score, and the scores: one frame that goes from the files through the scorers to the summaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

SCHEMA: dict[str, Any] = {
    "question_type": pl.String,
    "ground_truth": pl.String,
    "prediction": pl.String,
    "options": pl.List(pl.String),
    "scene_name": pl.String,
    "references": pl.List(pl.String),
    "frames": pl.String,
    "group": pl.String,
}
"""Columns of an answer beside its `id`, which is a number or text, as in the file it comes from."""


class Answers:
    """Rows to score.

    Parameters
    ----------
    ids : sequence of str or int
    question_type, ground_truth, prediction : sequence of str or None
        The prediction is the raw completion; None where the model gave none.
    options : sequence of (sequence of str or None), optional
        ``"A. text"`` per option; None for numbers.
    scene_name : sequence of str, optional
    references : sequence of (sequence of str or None), optional
        All right answers of a free-text question; without them `ground_truth` is the only one.
    frames : sequence of str or None, optional
        Frame set or number of frames of each row.
    group : sequence of str or None, optional
        What else a benchmark averages by: source, level, or the question that a row is a variant of.

    Attributes
    ----------
    frame : DataFrame
        A row per answer with the columns of `SCHEMA` and `id`; others are carried along.

    Examples
    --------
    >>> Answers([1, 2], ["size", "side"], ["4", "B"], ["3", "b."]).frame["prediction"].to_list()
    ['3', 'b.']
    """

    def __init__(
        self,
        ids: Sequence[str | int],
        question_type: Sequence[str],
        ground_truth: Sequence[str | None],
        prediction: Sequence[str | None],
        options: Sequence[Sequence[str] | None] | None = None,
        scene_name: Sequence[str] | None = None,
        references: Sequence[Sequence[str] | None] | None = None,
        frames: Sequence[str | None] | None = None,
        group: Sequence[str | None] | None = None,
    ) -> None:
        given = (question_type, ground_truth, prediction, options, scene_name, references, frames, group)
        columns = {name: values for name, values in zip(SCHEMA, given, strict=True) if values is not None}
        self.frame = answer_frame({"id": ids, **columns})

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Answers:
        """Take a frame that has the columns already."""
        answers = cls.__new__(cls)
        answers.frame = frame
        return answers

    @property
    def question_type(self) -> list[str]:
        """Question type of every row."""
        return self.frame["question_type"].to_list()


@dataclass(frozen=True)
class Scored:
    """Scores of rows.

    Attributes
    ----------
    frame : DataFrame
        The answers with `score` (0 to 1; null where the row could not be scored), `parsed` (the answer as the parser
        read it, whole numbers without a decimal point; null where it read none), `parse_failed` (the completion held
        no answer in the parser's eyes; such a row scores 0) and `reason` (a code of `REASONS`, for rows without a
        score).
    """

    frame: pl.DataFrame

    @cached_property
    def score(self) -> NDArray[np.float64]:
        """Score of every row, shape (n,), NaN where there is none."""
        return self.frame["score"].fill_null(np.nan).to_numpy()

    @cached_property
    def parse_failed(self) -> NDArray[np.bool_]:
        """Whether the completion held no answer, shape (n,)."""
        return self.frame["parse_failed"].to_numpy()

    @cached_property
    def parsed(self) -> list[str | None]:
        """The answer of every row as it was read."""
        return self.frame["parsed"].to_list()

    @cached_property
    def reason(self) -> dict[int, str]:
        """Row to reason code, for the rows without a score."""
        rows = self.frame.select("reason").with_row_index().drop_nulls()
        return dict(rows.iter_rows())

    @property
    def question_type(self) -> list[str]:
        """Question type of every row."""
        return self.frame["question_type"].to_list()


def answer_frame(columns: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
    """Build the frame of answers; columns of `SCHEMA` that are missing are null."""
    known = [name for name in columns if name in SCHEMA]
    frame = pl.DataFrame([pl.Series(name, columns[name], dtype=SCHEMA[name]) for name in known])
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in SCHEMA.items() if name not in columns]
    return frame.with_columns(missing).select(id_series(columns["id"]), *SCHEMA)


def id_series(values: Sequence[Any]) -> pl.Series:
    """Hold ids as numbers where all are whole numbers, else as text.

    Examples
    --------
    >>> id_series([1, 2]).dtype, id_series([1, "a"]).to_list()
    (Int64, ['1', 'a'])
    """
    if all(type(value) is int and abs(value) < 2**63 for value in values):
        return pl.Series("id", values, dtype=pl.Int64)
    return pl.Series("id", [None if value is None else str(value) for value in values], dtype=pl.String)
