"""What calibrated confidence stands for: the expected score, or the probability of reaching a threshold."""

from __future__ import annotations

import re

import polars as pl

from qa_confidence.errors import QAConfidenceError

EXPECTED_SCORE = "score"
_THRESHOLD = re.compile(r"threshold:(\d*\.?\d+)")


def threshold_of(target: str) -> float | None:
    """Read a target: None for `score`, T for `threshold:T`.

    Raises
    ------
    QAConfidenceError
        The text is neither, or T is not above 0 and at most 1.

    Examples
    --------
    >>> threshold_of("score"), threshold_of("threshold:0.5")
    (None, 0.5)
    """
    if target == EXPECTED_SCORE:
        return None
    found = _THRESHOLD.fullmatch(target)
    if found is None or not 0 < float(found[1]) <= 1:
        raise QAConfidenceError(f"Unknown target '{target}'. Expected 'score', or 'threshold:T' with 0 < T <= 1.")
    return float(found[1])


def target_text(target: str) -> str:
    """Say what a calibrated confidence is.

    Examples
    --------
    >>> target_text("threshold:0.5")
    'probability of score >= 0.5'
    """
    threshold = threshold_of(target)
    return "expected score" if threshold is None else f"probability of score >= {threshold:g}"


def target_score(target: str) -> pl.Expr:
    """Give the column `score` as the target counts it."""
    threshold = threshold_of(target)
    return pl.col("score") if threshold is None else (pl.col("score") >= threshold).cast(pl.Float64)
