"""Gate `blind`: what the text alone answers."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from qa_engine.generation.gates.base import Gate, Known, Verdicts

SURE = 0.8
"""Expected score without frames, corrected for chance, from which on a question counts as answerable without looking.

The rule is about the expected score and not about the answer at hand: dropping whatever a guess happens to hit would
leave questions whose likely answers are wrong, and teach the model to avoid them."""


class Blind(Gate):
    """Refuses what the model is expected to answer right without frames."""

    about: ClassVar[str] = "answerable without frames"

    def judge(self, questions: pl.DataFrame, known: Known) -> Verdicts:
        """Judge by the calibrated answer without frames, corrected for chance."""
        guess = pl.col("chance").fill_null(0.0)
        corrected = ((pl.col("blind_confidence") - guess) / (1 - guess)).clip(0, 1)
        return Verdicts.of(
            known.of(questions),
            refused=(corrected >= SURE) & (guess < 1),
            judged=pl.col("blind_confidence").is_not_null(),
            detail=pl.format("expected score {} above chance without frames", corrected.round(2)),
        )
