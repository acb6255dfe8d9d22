"""How well confidence orders answers; the values of the confidence do not matter."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qa_confidence.arrays import Floats, Rows, check_rows
from qa_confidence.metrics.cells import Cells, Metric, rank_cells, ratio

MAX_LEVELS = 1000


@dataclass(frozen=True)
class Auroc(Metric):
    """Area under the ROC curve for score >= threshold."""

    threshold: float = 0.5

    def cells(self, rows: Rows, *, max_cells: int | None = None) -> Cells:
        """Put the rows into cells."""
        codes, n_cells = rank_cells(rows.confidence_ranks, rows.weight, max_cells=max_cells)
        positive = (rows.score >= self.threshold).astype(np.float64)
        return Cells(np.arange(len(codes)), codes, np.stack([positive, 1 - positive]), n_cells)

    def value(self, totals: Floats) -> Floats:
        """Compute the metric from the sums."""
        positive, negative = totals[..., 0, :], totals[..., 1, :]
        below = np.cumsum(negative, axis=-1) - negative / 2
        return ratio((positive * below).sum(axis=-1), positive.sum(axis=-1) * negative.sum(axis=-1))


def auroc(
    confidence: ArrayLike, score: ArrayLike, *, threshold: float = 0.5, sample_weight: ArrayLike | None = None
) -> float:
    """Probability that an answer with score >= threshold has more confidence than one below; ties count half.

    NaN when all scores lie on one side of the threshold. For fractional scores see also `somers_d`.

    Examples
    --------
    >>> auroc([0.9, 0.8, 0.8, 0.1], [1, 1, 0, 0])
    0.875
    """
    return Auroc(threshold).of(check_rows(confidence, score, sample_weight))


def somers_d(confidence: ArrayLike, score: ArrayLike) -> float:
    """Somers' D of confidence given score: (concordant - discordant) / pairs of different score.

    It is 2 AUROC - 1 for scores 0 and 1, and uses every step of a fractional score. NaN when all scores are equal.
    More than 1,000 different scores are first put into 1,000 levels of equal mass.

    Examples
    --------
    >>> round(somers_d([0.1, 0.4, 0.3, 0.9], [0.0, 0.3, 0.5, 1.0]), 6)
    0.666667
    """
    rows = check_rows(confidence, score)
    code, n_cells = rank_cells(rows.confidence_ranks, rows.weight)
    level, n_levels = rank_cells(rows.score_ranks, rows.weight, max_cells=MAX_LEVELS)
    order = np.argsort(level, kind="stable")
    borders = np.searchsorted(level[order], np.arange(n_levels + 1))
    lower = np.zeros(n_cells)
    difference = pairs = 0.0
    for start, end in itertools.pairwise(borders.tolist()):
        here = code[order[start:end]]
        below = np.cumsum(lower)
        total = below[-1]
        difference += float(np.sum(2 * below[here] - lower[here] - total))
        pairs += total * len(here)
        lower += np.bincount(here, minlength=n_cells)
    return float(difference / pairs) if pairs else float("nan")
