"""Chance: what a guess scores, and a confidence corrected for it."""

from __future__ import annotations

import polars as pl


def chance() -> pl.Expr:
    """Give the score of a guess from the columns `answer_type` and `options`: 1 / k among k options, else 0.

    Examples
    --------
    >>> rows = pl.DataFrame({"answer_type": ["choice", "number"], "options": [["A. a", "B. b"], None]})
    >>> rows.select(chance()).to_series().to_list()
    [0.5, 0.0]
    """
    k = pl.col("options").list.len()
    return pl.when((pl.col("answer_type") == "choice") & (k > 0)).then(1 / k).otherwise(0.0).alias("chance")


def corrected(confidence: str) -> pl.Expr:
    """Correct an expected score for chance, (p - chance) / (1 - chance), and cut it to [0, 1].

    A question with a single option has nothing to be learned: its corrected confidence is 1.

    Examples
    --------
    >>> rows = pl.DataFrame({"confidence": [0.25, 0.7, 0.1, 1.0], "chance": [0.25, 0.25, 0.25, 1.0]})
    >>> rows.select(corrected("confidence")).to_series().round(3).to_list()
    [0.0, 0.6, 0.0, 1.0]
    """
    p, guess = pl.col(confidence), pl.col("chance")
    return pl.when(guess < 1).then(((p - guess) / (1 - guess)).clip(0, 1)).otherwise(1.0)
