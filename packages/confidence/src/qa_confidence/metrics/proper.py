"""Proper losses: they are smallest in expectation when the confidence is the expected score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from qa_confidence.arrays import Floats, Rows, check_rows
from qa_confidence.errors import InputError
from qa_confidence.metrics.cells import Cells, Metric, one_cell, ratio, sums
from qa_confidence.metrics.ece import BINS, equal_width_codes

CLIP = 1e-6
"""Confidence is kept this far from 0 and 1 in the cross-entropy, which would be infinite there."""


@dataclass(frozen=True)
class Mean(Metric):
    """Mean over rows of a loss, or of the confidence or score itself."""

    of_what: Literal["brier", "cross_entropy", "confidence", "score"]

    def cells(self, rows: Rows, *, max_cells: int | None = None) -> Cells:
        """Put the rows into cells."""
        if self.of_what == "brier":
            value = (rows.confidence - rows.score) ** 2
        elif self.of_what == "cross_entropy":
            value = cross_entropy_rows(rows.confidence, rows.score)
        else:
            value = rows.confidence if self.of_what == "confidence" else rows.score
        return one_cell(np.ones(len(value)), value)

    def value(self, totals: Floats) -> Floats:
        """Compute the metric from the sums."""
        return ratio(totals[..., 1, 0], totals[..., 0, 0])


def brier(confidence: ArrayLike, score: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Brier score: the mean of (confidence - score)^2.

    Examples
    --------
    >>> brier([1.0, 0.5], [0.5, 0.5])
    0.125
    """
    return Mean("brier").of(check_rows(confidence, score, sample_weight))


def cross_entropy(confidence: ArrayLike, score: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Cross-entropy in nats: the mean of -s log c - (1 - s) log(1 - c), c clipped to [1e-6, 1 - 1e-6].

    For scores that are not 0 or 1 its minimum over c is the entropy of s, not 0.

    Examples
    --------
    >>> round(cross_entropy([0.5, 0.5], [1, 0]), 6)
    0.693147
    """
    return Mean("cross_entropy").of(check_rows(confidence, score, sample_weight))


def cross_entropy_rows(confidence: Floats, score: Floats) -> Floats:
    """Cross-entropy of every row, (n,) nats."""
    c = np.clip(confidence, CLIP, 1 - CLIP)
    return -(score * np.log(c) + (1 - score) * np.log1p(-c))


@dataclass(frozen=True)
class BrierParts:
    """Murphy's decomposition: brier = reliability - resolution + uncertainty + within_bin.

    Attributes
    ----------
    brier, reliability, resolution, uncertainty, within_bin : float
        Reliability is the weighted squared gap of the bins, resolution the variance of the bins' mean scores,
        uncertainty the variance of the score. `within_bin` is what binning hides (Stephenson et al. 2008):
        the mean over bins of var(c) - 2 cov(c, s).
    within_row : float
        Mean of s (1 - s): what stays when a fractional score is read as the mean of right and wrong answers.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bin: float
    within_row: float


def brier_parts(
    confidence: ArrayLike, score: ArrayLike, *, bins: int = BINS, sample_weight: ArrayLike | None = None
) -> BrierParts:
    """Decompose the Brier score over equal-width bins.

    Examples
    --------
    >>> parts = brier_parts([0.2, 0.2, 0.8, 0.8], [0, 0, 1, 0])
    >>> total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bin
    >>> abs(total - parts.brier) < 1e-12
    True
    """
    rows = check_rows(confidence, score, sample_weight)
    c, s, w = rows.confidence, rows.score, rows.weight / rows.weight.sum()
    codes = equal_width_codes(c, bins)
    mass = sums(codes, w, bins)
    mean_c = np.nan_to_num(ratio(sums(codes, w * c, bins), mass))
    mean_s = np.nan_to_num(ratio(sums(codes, w * s, bins), mass))
    overall = float(w @ s)
    inner_c, inner_s = c - mean_c[codes], s - mean_s[codes]
    return BrierParts(
        brier=float(w @ (c - s) ** 2),
        reliability=float(mass @ (mean_c - mean_s) ** 2),
        resolution=float(mass @ (mean_s - overall) ** 2),
        uncertainty=float(w @ (s - overall) ** 2),
        within_bin=float(w @ (inner_c**2 - 2 * inner_c * inner_s)),
        within_row=float(w @ (s * (1 - s))),
    )


@dataclass(frozen=True)
class Spiegelhalter:
    """Spiegelhalter's z statistic and its two-sided p-value."""

    z: float
    p_value: float


def spiegelhalter(confidence: ArrayLike, score: ArrayLike) -> Spiegelhalter:
    """Test whether the Brier score is what calibrated confidence would give; for scores 0 and 1 only.

    z = sum (s - c)(1 - 2c) / sqrt(sum (1 - 2c)^2 c (1 - c)), standard normal under calibration. The variance holds
    for right and wrong answers, not for fractional scores, and for independent rows.

    Raises
    ------
    InputError
        A score is neither 0 nor 1.

    Examples
    --------
    >>> round(spiegelhalter([0.8] * 10, [1] * 8 + [0] * 2).p_value, 6)
    1.0
    """
    rows = check_rows(confidence, score)
    c, s = rows.confidence, rows.score
    if np.any((s != 0) & (s != 1)):
        raise InputError("Spiegelhalter's test needs scores that are 0 or 1; use a bootstrap interval of the ECE.")
    spread = math.sqrt(float(np.sum((1 - 2 * c) ** 2 * c * (1 - c))))
    if spread == 0:
        return Spiegelhalter(float("nan"), float("nan"))
    z = float(np.sum((s - c) * (1 - 2 * c))) / spread
    return Spiegelhalter(z, 2 * (1 - NormalDist().cdf(abs(z))))
