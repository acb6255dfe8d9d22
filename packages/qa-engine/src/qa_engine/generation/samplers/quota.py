"""Quotas: how many questions each scene is asked per cell, from the weights of the cells."""

from __future__ import annotations

import numpy as np

from qa_engine.arrays import Array, Rows


def allot(available: Rows, weights: Array, types: Rows, total: int, rng: np.random.Generator) -> Rows:
    """Share `total` questions out over question types and cells by weight, and within a cell evenly over scenes.

    Parameters
    ----------
    available : (s, k) int64
        Candidates per scene and cell.
    weights : (k,) float64
        A type weighs as much as its cells together.
    types : (k,) int64
        Question type of each cell.
    total : int
        Wanted; where fewer are available, all are taken.
    rng : numpy.random.Generator
        Decides which scenes get the one question more that does not divide.

    Returns
    -------
    (s, k) int64
        Questions per scene and cell, none above `available`.

    Notes
    -----
    A cell that runs out passes its share on to the cells of its type, a type to the other types.

    Examples
    --------
    >>> available, weights = np.array([[5, 1], [5, 0]]), np.array([0.5, 0.5])
    >>> allot(available, weights, np.array([0, 0]), 6, np.random.default_rng(0)).sum(axis=0).tolist()
    [5, 1]
    """
    supply = available.sum(axis=0)
    n_types = int(types.max(initial=-1)) + 1
    of_type = np.arange(n_types)[:, None] == types
    per_type = share_out(of_type @ supply, of_type @ weights, total)
    per_cell = np.zeros_like(supply)
    for kind in np.flatnonzero(per_type):
        own = of_type[kind]
        per_cell[own] = share_out(supply[own], weights[own], int(per_type[kind]))
    quotas = np.zeros_like(available)
    for k in np.flatnonzero(per_cell):
        quotas[:, k] = _level(available[:, k], int(per_cell[k]), rng)
    return quotas


def share_out(available: Rows, weights: Array, total: int) -> Rows:
    """Share `total` out by weight, none above what is available; what is left over goes to the largest remainders.

    Examples
    --------
    >>> share_out(np.array([100, 2, 100]), np.array([0.5, 0.25, 0.25]), 10).tolist()
    [5, 2, 3]
    """
    shares = np.zeros(len(available))
    open_cells = available > 0
    left = float(min(total, int(available.sum())))
    while left > 1e-9 and open_cells.any():
        # Weights of zero cannot take a share; cells that only they are left to share alike.
        weight = np.where(open_cells, weights, 0.0)
        weight = weight if weight.sum() > 0 else open_cells.astype(np.float64)
        given = np.minimum(left * weight / weight.sum(), available - shares)
        shares += given
        left -= float(given.sum())
        open_cells = available - shares > 1e-9
    whole = np.floor(shares + 1e-9).astype(np.int64)
    missing = min(total, int(available.sum())) - int(whole.sum())
    order = np.argsort(-(shares - whole), kind="stable")
    order = order[whole[order] < available[order]]
    whole[order[:missing]] += 1
    return whole


def _level(available: Rows, total: int, rng: np.random.Generator) -> Rows:
    """Fill scenes to one level, none above what it has."""
    ranked = np.sort(available)
    before = np.concatenate([[0], np.cumsum(ranked)[:-1]])
    # Filling to level ranked[i] takes before[i] + ranked[i] * (scenes from i on).
    takes = before + ranked * np.arange(len(ranked), 0, -1)
    first = int(np.searchsorted(takes, total, side="left"))
    if first == len(ranked):
        return available.copy()
    level = (total - int(before[first])) // (len(ranked) - first)
    quota = np.minimum(available, level)
    can_take = np.flatnonzero(available > level)
    extra = rng.permutation(can_take)[: total - int(quota.sum())]
    quota[extra] += 1
    return quota
