"""Gate `shortcut`: what an audit found to be answered by the wording."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from qa_engine.generation.gates.base import Gate, Known, Verdicts


class Shortcut(Gate):
    """Refuses what `qa-engine audit --prune` dropped.

    No model is asked: a forest over the text tells, and only so much is dropped that of the rest it knows little more
    than chance, so that likely answers do not become rare.
    """

    about: ClassVar[str] = "answered by its wording, as 'audit --prune' found"

    def judge(self, questions: pl.DataFrame, known: Known) -> Verdicts:
        """Judge by the iteration of pruning in which a question was dropped."""
        joined = questions.select("question_id").join(known.bias, on="question_id", how="left", maintain_order="left")
        return Verdicts.of(
            joined,
            refused=pl.col("dropped_in") > 0,
            judged=pl.col("dropped_in").is_not_null(),
            detail=pl.format(
                "a forest over the text scores {}, a guess {}", pl.col("bias").round(2), pl.col("chance").round(2)
            ),
        )
