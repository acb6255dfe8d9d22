"""Every metric here is a function of sums over cells of rows.

Rows are put into cells (bins, ranks, grid nodes), a few columns are summed per cell, and the metric is computed from
the sums. A bootstrap over scenes then only re-weights the sums of each scene: a thousand resamples of a million rows
cost a matrix product.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from qa_confidence.arrays import Floats, Ints, Ranks, Rows

MAX_RANK_CELLS = 512
"""Confidence ranks that a bootstrap tells apart; the point estimate tells all apart."""


@dataclass(frozen=True)
class Cells:
    """Entries of a sparse (row, cell) table.

    Attributes
    ----------
    row, code : (m,) int64
        Row and cell of every entry; a row may have entries in several cells.
    columns : (k, m) float64
        Values to sum per cell, without the row's weight.
    n_cells : int
    """

    row: Ints
    code: Ints
    columns: Floats
    n_cells: int

    def totals(self, weight: Floats) -> Floats:
        """Sum the columns per cell with the rows' weights, (k, n_cells)."""
        weights = weight[self.row]
        return np.stack([sums(self.code, column * weights, self.n_cells) for column in self.columns])

    def cluster_totals(self, weight: Floats, cluster: Ints, n_clusters: int) -> Floats:
        """Sum the columns per cluster and cell, (n_clusters, k, n_cells)."""
        key = cluster[self.row] * self.n_cells + self.code
        weights = weight[self.row]
        size = n_clusters * self.n_cells
        shape = (n_clusters, self.n_cells)
        return np.stack([sums(key, column * weights, size).reshape(shape) for column in self.columns], axis=1)


class Metric(ABC):
    """A number computed from confidence and score."""

    @property
    def layout(self) -> Hashable:
        """Name of the cells: metrics of one layout are computed from the same sums."""
        return self

    @abstractmethod
    def cells(self, rows: Rows, *, max_cells: int | None = None) -> Cells:
        """Put the rows into cells; `max_cells` bounds the cells of metrics that rank."""

    @abstractmethod
    def value(self, totals: Floats) -> Floats:
        """Compute the metric from (..., k, n_cells) sums; NaN where it is not defined."""

    def of(self, rows: Rows) -> float:
        """Compute the metric of all rows."""
        return float(self.value(self.cells(rows).totals(rows.weight)))


def one_cell(*columns: Floats) -> Cells:
    """Put all rows into one cell."""
    n = len(columns[0])
    return Cells(np.arange(n), np.zeros(n, dtype=np.int64), np.stack(columns), 1)


def rank_cells(ranks: Ranks, weight: Floats, *, max_cells: int | None = None) -> tuple[Ints, int]:
    """Give the cell of every row in order of its rank, and how many cells there are; equal values share a cell.

    With more different values than `max_cells`, neighbours are put together into cells of about equal weight.
    """
    if max_cells is None or ranks.n_different <= max_cells:
        return ranks.code, ranks.n_different
    mass = sums(ranks.code, weight, ranks.n_different)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    cell = np.minimum((middle * max_cells).astype(np.int64), max_cells - 1)
    return cell[ranks.code], max_cells


def sums(codes: Ints, values: Floats, n_cells: int) -> Floats:
    """Sum the values per cell, (n_cells,) float64."""
    return np.bincount(codes, weights=values, minlength=n_cells).astype(np.float64, copy=False)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; NaN where the denominator is 0."""
    top, bottom = np.broadcast_arrays(numerator, denominator)
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)
