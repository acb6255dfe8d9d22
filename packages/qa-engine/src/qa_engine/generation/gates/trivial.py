"""Gate `trivial`: what the model knows already and does not even look for."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from qa_engine.generation.gates.base import Gate, Known, Verdicts

RIGHT = 0.5
"""Score from which on the answer without frames counts as right."""


class Trivial(Gate):
    """Refuses what is labelled easy and is answered right without frames as well."""

    about: ClassVar[str] = "easy, and right without frames"

    def judge(self, questions: pl.DataFrame, known: Known) -> Verdicts:
        """Judge by the clean pass with and without frames."""
        return Verdicts.of(
            known.of(questions),
            refused=(pl.col("label") == "easy") & (pl.col("blind_score") >= RIGHT),
            judged=pl.col("label").is_not_null() & pl.col("blind_score").is_not_null(),
            detail=pl.format(
                "expected score {} above chance; without frames it scored {}",
                pl.col("corrected").round(2),
                pl.col("blind_score").round(2),
            ),
        )
