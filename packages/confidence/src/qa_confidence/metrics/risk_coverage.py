"""Answering only the most confident questions: risk = mean of 1 - score over what is answered.

All of these depend on the order of the confidence alone. Rows of equal confidence cannot be told apart, so inside
such a block the expected curve over all its orders is used.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qa_confidence.arrays import Floats, Rows, check_rows
from qa_confidence.metrics.cells import Cells, Metric, rank_cells, ratio


class RiskMetric(Metric):
    """A number of the risk-coverage curve."""

    @property
    def layout(self) -> Hashable:
        """Name of the cells."""
        return "risk"

    def cells(self, rows: Rows, *, max_cells: int | None = None) -> Cells:
        """Count answers and losses by falling confidence, and once more by falling score."""
        by_confidence, first = rank_cells(rows.confidence_ranks.reversed(), rows.weight, max_cells=max_cells)
        by_score, second = rank_cells(rows.score_ranks.reversed(), rows.weight, max_cells=max_cells)
        n = len(by_confidence)
        columns = np.zeros((4, 2 * n))
        columns[0, :n] = columns[2, n:] = 1.0
        columns[1, :n] = columns[3, n:] = 1 - rows.score
        row = np.arange(n)
        code = np.concatenate([by_confidence, by_score])
        return Cells(np.concatenate([row, row]), code, columns, max(first, second))


@dataclass(frozen=True)
class Aurc(RiskMetric):
    """Area under the risk-coverage curve, optionally less that of the best order."""

    excess: bool = False

    def value(self, totals: Floats) -> Floats:
        """Compute the metric from the sums."""
        area = _area(totals[..., 0, :], totals[..., 1, :])
        return area - _area(totals[..., 2, :], totals[..., 3, :]) if self.excess else area


@dataclass(frozen=True)
class Augrc(RiskMetric):
    """Area under the generalised risk-coverage curve."""

    def value(self, totals: Floats) -> Floats:
        """Compute the metric from the sums."""
        n, loss = totals[..., 0, :], totals[..., 1, :]
        before = np.cumsum(loss, axis=-1) - loss
        area = n * before + loss * (n + 1) / 2
        return ratio(area.sum(axis=-1), n.sum(axis=-1) ** 2)


@dataclass(frozen=True)
class CoverageAtRisk(RiskMetric):
    """Largest share of answers that a confidence threshold keeps at a given risk."""

    risk: float

    def value(self, totals: Floats) -> Floats:
        """Compute the metric from the sums."""
        n, loss = np.cumsum(totals[..., 0, :], axis=-1), np.cumsum(totals[..., 1, :], axis=-1)
        kept = np.where((loss <= self.risk * n + 1e-12) & (n > 0), n, 0.0)
        return ratio(kept.max(axis=-1), n[..., -1])


def aurc(confidence: ArrayLike, score: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Area under the risk-coverage curve: the mean over k = 1..n of the risk of the k most confident answers.

    Examples
    --------
    >>> round(aurc([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1]), 6)
    0.145833
    """
    return Aurc().of(check_rows(confidence, score, sample_weight))


def e_aurc(confidence: ArrayLike, score: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Excess AURC: `aurc` less that of the best possible order, the answers sorted by their score.

    Examples
    --------
    >>> e_aurc([0.9, 0.8, 0.1], [1, 0.5, 0])
    0.0
    """
    return Aurc(excess=True).of(check_rows(confidence, score, sample_weight))


def augrc(confidence: ArrayLike, score: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Area under the generalised curve: the mean over k of (loss of the k most confident answers) / n.

    Unlike `aurc` it weighs a silent failure the same wherever it stands in the order.

    References
    ----------
    Traub et al. (2024), Overcoming common flaws in the evaluation of selective classification systems.

    Examples
    --------
    >>> augrc([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1])
    0.125
    """
    return Augrc().of(check_rows(confidence, score, sample_weight))


def coverage_at_risk(
    confidence: ArrayLike, score: ArrayLike, *, risk: float = 0.1, sample_weight: ArrayLike | None = None
) -> float:
    """Largest share of answers whose mean of 1 - score is at most `risk`, over all confidence thresholds.

    Chosen on the rows that it is measured on; `difficulty.certify` gives a threshold with a guarantee.

    Examples
    --------
    >>> coverage_at_risk([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1], risk=0.1)
    0.5
    """
    return CoverageAtRisk(risk).of(check_rows(confidence, score, sample_weight))


@dataclass(frozen=True)
class RiskCoverage:
    """The curve: share of answers kept and their risk, both (k,), one point per different confidence."""

    coverage: Floats
    risk: Floats


def risk_coverage(confidence: ArrayLike, score: ArrayLike, *, points: int | None = None) -> RiskCoverage:
    """Risk at every confidence threshold, at most `points` of them where given.

    Examples
    --------
    >>> risk_coverage([0.9, 0.5, 0.5], [1, 0, 1]).risk.round(4).tolist()
    [0.0, 0.3333]
    """
    rows = check_rows(confidence, score)
    totals = Aurc().cells(rows, max_cells=points).totals(rows.weight)
    n, loss = np.cumsum(totals[0]), np.cumsum(totals[1])
    keep = n > 0
    return RiskCoverage(n[keep] / n[-1], loss[keep] / n[keep])


def _area(n: Floats, loss: Floats) -> Floats:
    """Mean risk over all numbers of kept answers, blocks in order of falling confidence.

    Inside a block of m answers with mean loss u after k0 answers of total loss L0, the expected risk of k answers is
    (L0 + (k - k0) u) / k, whose sum over the block is m u + (L0 - k0 u) (H(k0 + m) - H(k0)), H the harmonic numbers.
    """
    mean = np.nan_to_num(ratio(loss, n))
    end = np.cumsum(n, axis=-1)
    start = end - n
    before = np.cumsum(loss, axis=-1) - loss
    harmonic = np.diff(_harmonic(end), axis=-1, prepend=0.0)
    return ratio((loss + (before - start * mean) * harmonic).sum(axis=-1), end[..., -1])


def _harmonic(x: Floats) -> Floats:
    """Harmonic number of any x >= 0 (digamma(x + 1) plus Euler's constant), to 1e-12."""
    shift = 10
    y = np.maximum(x, 0.0) + shift
    square = 1 / (y * y)
    value = np.log(y) + np.euler_gamma + 1 / (2 * y) - square * (1 / 12 - square * (1 / 120 - square / 252))
    for j in range(1, shift + 1):
        value = value - 1 / (y - shift + j)
    return value
