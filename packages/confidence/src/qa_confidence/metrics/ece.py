"""Binned calibration errors: mean confidence against mean score per bin.

The score is any number in [0, 1], so "calibrated" means that rows of confidence c have mean score c.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from qa_confidence.arrays import Floats, Ints, Rows, check_rows
from qa_confidence.errors import InputError
from qa_confidence.metrics.cells import Cells, Metric, rank_cells, ratio, sums

BINS = 10

Binning = Literal["equal_width", "equal_mass"]
Summary = Literal["mean", "debiased", "max"]


def equal_width_codes(confidence: Floats, bins: int) -> Ints:
    """Put c into bin floor(c * bins); the last bin [1 - 1/bins, 1] is closed, so c = 1 shares it."""
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def equal_mass_codes(rows: Rows, bins: int) -> Ints:
    """Put every row into bin floor(bins * q), q the mean rank of its tied rows divided by n; ties stay together."""
    ranks, n_ranks = rank_cells(rows.confidence_ranks, rows.weight)
    mass = sums(ranks, rows.weight, n_ranks)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    return np.minimum((middle * bins).astype(np.int64), bins - 1)[ranks]


@dataclass(frozen=True)
class BinnedError(Metric):
    """Gap between mean confidence and mean score per bin, summarised over bins."""

    bins: int = BINS
    binning: Binning = "equal_width"
    summary: Summary = "mean"

    def __post_init__(self) -> None:
        if self.bins < 1:
            raise InputError(f"bins must be at least 1, found {self.bins}.")

    @property
    def layout(self) -> Hashable:
        """Name of the cells."""
        return ("bins", self.bins, self.binning)

    def cells(self, rows: Rows, *, max_cells: int | None = None) -> Cells:
        """Put the rows into cells."""
        if self.binning == "equal_width":
            codes = equal_width_codes(rows.confidence, self.bins)
        else:
            codes = equal_mass_codes(rows, self.bins)
        gap = rows.score - rows.confidence
        columns = np.stack([np.ones(len(gap)), gap, gap**2])
        return Cells(np.arange(len(gap)), codes, columns, self.bins)

    def value(self, totals: Floats) -> Floats:
        """Compute the metric from the sums."""
        n, gap, square = totals[..., 0, :], totals[..., 1, :], totals[..., 2, :]
        mean = np.nan_to_num(np.abs(ratio(gap, n)))
        if self.summary == "max":
            return mean.max(axis=-1)
        if self.summary == "debiased":
            mean = mean - _bias(n, gap, square)
        value = ratio((n * mean).sum(axis=-1), n.sum(axis=-1))
        return np.maximum(value, 0.0) if self.summary == "debiased" else value


def ece(confidence: ArrayLike, score: ArrayLike, *, bins: int = BINS, sample_weight: ArrayLike | None = None) -> float:
    """Compute the expected calibration error over equal-width bins: sum_b n_b / n * |mean score_b - mean confidence_b|.

    Bin b is [b / bins, (b + 1) / bins), the last one closed: c = 1 belongs to [0.9, 1] and has no bin of its own.
    Upward biased in small samples (`debiased_ece`), and 0 for a constant prediction of the mean score, so read it
    beside a measure of sharpness such as AUROC.

    Parameters
    ----------
    confidence, score : (n,) array_like
        Values in [0, 1].
    bins : int
        Number of bins.
    sample_weight : (n,) array_like, optional

    Returns
    -------
    float

    Examples
    --------
    >>> round(ece([0.95] * 1000 + [1.0] * 1000, [1] * 1000 + [1] * 900 + [0] * 100), 6)
    0.025
    """
    return BinnedError(bins=bins).of(check_rows(confidence, score, sample_weight))


def adaptive_ece(
    confidence: ArrayLike, score: ArrayLike, *, bins: int = BINS, sample_weight: ArrayLike | None = None
) -> float:
    """Compute the expected calibration error over bins of equal mass; rows of equal confidence are never separated.

    Row i belongs to bin floor(bins * (r_i - 1/2) / n) with r_i the mean rank of its tied rows.

    Examples
    --------
    >>> round(adaptive_ece([0.2, 0.2, 0.8, 0.8], [0, 0, 1, 1], bins=2), 6)
    0.2
    """
    return BinnedError(bins=bins, binning="equal_mass").of(check_rows(confidence, score, sample_weight))


def debiased_ece(
    confidence: ArrayLike, score: ArrayLike, *, bins: int = BINS, sample_weight: ArrayLike | None = None
) -> float:
    """`ece` less an estimate of what noise adds to it, at least 0; some of the bias stays in very small samples.

    With d_b the gap of bin b and e_b its standard error, E|N(d_b, e_b^2)| - |d_b| is subtracted from each bin
    (the folded normal mean); e_b^2 is the sample variance of score - confidence over n_b, for a bin of one row the
    variance over all rows.

    References
    ----------
    Kumar, Liang, Ma (2019), Verified uncertainty calibration, for the idea and the simulation that this replaces.

    Examples
    --------
    >>> debiased_ece([0.5] * 20, [0, 1] * 10), round(debiased_ece([0.2] * 400, [1] * 400), 6)
    (0.0, 0.8)
    """
    return BinnedError(bins=bins, summary="debiased").of(check_rows(confidence, score, sample_weight))


def mce(confidence: ArrayLike, score: ArrayLike, *, bins: int = BINS, sample_weight: ArrayLike | None = None) -> float:
    """Maximum calibration error: the largest gap of any non-empty equal-width bin.

    Examples
    --------
    >>> round(mce([0.95, 0.5, 0.5], [0.0, 0.5, 0.5]), 6)
    0.95
    """
    return BinnedError(bins=bins, summary="max").of(check_rows(confidence, score, sample_weight))


@dataclass(frozen=True)
class ReliabilityBins:
    """Points of a reliability diagram, non-empty bins only, all (b,) float64."""

    confidence: Floats
    score: Floats
    n: Floats


def reliability_bins(
    confidence: ArrayLike, score: ArrayLike, *, bins: int = BINS, binning: Binning = "equal_width"
) -> ReliabilityBins:
    """Mean confidence and mean score per bin.

    Examples
    --------
    >>> reliability_bins([0.5, 0.5, 1.0], [0, 1, 1]).n.tolist()
    [2.0, 1.0]
    """
    rows = check_rows(confidence, score)
    metric = BinnedError(bins=bins, binning=binning)
    codes = metric.cells(rows).code
    n = sums(codes, rows.weight, bins)
    full = n > 0
    c = sums(codes, rows.confidence, bins)[full] / n[full]
    return ReliabilityBins(c, sums(codes, rows.score, bins)[full] / n[full], n[full])


def _bias(n: Floats, gap: Floats, square: Floats) -> Floats:
    """Compute the expected excess of |estimated gap| over |gap| per bin under normal noise."""
    mean = np.nan_to_num(ratio(gap, n))
    pooled = ratio((square - n * mean**2).sum(axis=-1), np.maximum(n.sum(axis=-1) - (n > 0).sum(axis=-1), 1.0))
    variance = np.where(n >= 2, ratio(square - n * mean**2, np.maximum(n - 1, 1.0)), pooled[..., None])
    error = np.sqrt(np.maximum(np.nan_to_num(ratio(variance, n)), 0.0))
    size = np.abs(mean)
    z = np.divide(size, error, out=np.full(size.shape, np.inf), where=error > 0)
    spread = error * math.sqrt(2 / math.pi) * np.exp(-(np.minimum(z, 40.0) ** 2) / 2)
    return np.where(error > 0, spread + size * (_erf(z / math.sqrt(2)) - 1), 0.0)


_erf = np.vectorize(math.erf, otypes=[np.float64])
