"""Difficulty labels from confidence: easy, frontier, hard, by profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_confidence.errors import InputError

LABELS = ("easy", "frontier", "hard", "suspect")
"""The closed list of labels."""

PAPER_EASY = 0.9
PAPER_HARD = 0.1
"""Cuts of the published recipe: above the first easy, below the second hard, both borders frontier."""


def threshold_labels(confidence: ArrayLike, *, easy: float = PAPER_EASY, hard: float = PAPER_HARD) -> NDArray[np.str_]:
    """Cut confidence at two thresholds: above `easy`, below `hard`, frontier between and on the borders.

    Parameters
    ----------
    confidence : (n,) array_like
        Values in [0, 1].

    Raises
    ------
    InputError
        A value is NaN.

    Examples
    --------
    >>> threshold_labels([0.95, 0.9, 0.1, 0.05]).tolist()
    ['easy', 'frontier', 'frontier', 'hard']
    """
    values = np.asarray(confidence, dtype=np.float64)
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        raise InputError(f"Confidence is NaN in {len(missing)} rows, first {missing[:5].tolist()}.")
    return np.where(values > easy, "easy", np.where(values < hard, "hard", "frontier"))
