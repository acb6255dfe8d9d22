"""Hierarchical shrinkage: a map per group, drawn towards the map of the level above.

Groups are small, so a map of its own would be noise and the pooled map would be bias. Parametric maps get a normal
prior centred on the parent's parameters whose strength, in rows of average information, is chosen by held-out loss
over scenes. Maps without parameters are fitted per group only where there are enough rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qa_confidence.arrays import Floats, Ints, Rows
from qa_confidence.calibrators.base import CalibrationMap
from qa_confidence.calibrators.parametric import (
    GroupCells,
    ParametricMap,
    Prior,
    compress,
    fit_groups,
    group_loss,
    identity_prior,
    information,
)

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0, np.inf)
"""Candidates for the strength of the prior, in rows; infinity gives the parent's map to every group."""

MAX_FOLDS = 10
"""Scenes are left out one by one up to this many scenes, else in this many random parts."""

CHOICE_CELLS = 128
"""Confidence ranks told apart while the strength is chosen."""

MIN_GROUP_ROWS = 200
"""Rows that a group needs for an isotonic or histogram map of its own."""


@dataclass(frozen=True)
class Level:
    """Maps of the groups of one level.

    Attributes
    ----------
    strength : float or None
        Rows that the prior is worth; None for maps without parameters.
    names : tuple of str
    n : tuple of int
        Rows of each group.
    maps : tuple of CalibrationMap
    """

    strength: float | None
    names: tuple[str, ...]
    n: tuple[int, ...]
    maps: tuple[CalibrationMap, ...]


@dataclass(frozen=True)
class Nesting:
    """Group codes of one level and the parent of every group (0 for the pooled map at the first level)."""

    names: tuple[str, ...]
    code: Ints
    parent: Ints


def fit_levels(
    family: type[CalibrationMap],
    rows: Rows,
    nesting: list[Nesting],
    *,
    fold: Ints,
    strength: float | None = None,
    min_group_rows: int = MIN_GROUP_ROWS,
) -> tuple[CalibrationMap, list[Level]]:
    """Fit the pooled map, then every level towards the one above.

    Parameters
    ----------
    family : type of CalibrationMap
    rows : Rows
    nesting : list of Nesting
        From coarse to fine.
    fold : (n,) int64
        Part of each row when the strength is chosen; scenes are never divided.
    strength : float, optional
        Fixed strength of the prior instead of a chosen one.
    min_group_rows : int
        For maps without parameters.
    """
    pooled = family.fit(rows)
    if issubclass(family, ParametricMap) and isinstance(pooled, ParametricMap):
        return pooled, _shrunk(family, rows, nesting, pooled=pooled, fold=fold, fixed=strength)
    levels: list[Level] = []
    parents: tuple[CalibrationMap, ...] = (pooled,)
    for step in nesting:
        n = np.bincount(step.code, minlength=len(step.names))
        maps = [parents[parent] for parent in step.parent]
        for group in np.flatnonzero(n >= min_group_rows):
            here = step.code == group
            maps[group] = family.fit(Rows(rows.confidence[here], rows.score[here], rows.weight[here]))
        parents = tuple(maps)
        levels.append(Level(None, step.names, tuple(n.tolist()), parents))
    return pooled, levels


def _shrunk(
    family: type[ParametricMap],
    rows: Rows,
    nesting: list[Nesting],
    *,
    pooled: ParametricMap,
    fold: Ints,
    fixed: float | None,
) -> list[Level]:
    """Fit parametric levels with a prior on the parent's parameters."""
    strengths: list[float] = []
    for depth in range(len(nesting)):
        chosen = fixed if fixed is not None else _choose(family, rows, nesting[: depth + 1], strengths, fold)
        strengths.append(chosen)
    levels: list[Level] = []
    theta = np.array([pooled.theta])
    for step, strength in zip(nesting, strengths, strict=True):
        cells = compress(rows, step.code, len(step.names))
        theta = _fit_level(family, cells, theta[step.parent], [strength])[0]
        n = np.bincount(step.code, minlength=len(step.names))
        maps = tuple(family(tuple(row.tolist())) for row in theta)
        levels.append(Level(strength, step.names, tuple(n.tolist()), maps))
    return levels


def _fit_level(family: type[ParametricMap], cells: GroupCells, parent: Floats, strengths: Sequence[float]) -> Floats:
    """Fit all groups of one level with every strength at once, (k, n_groups, p); `parent` is (n_groups, p)."""
    finite = [k for k, strength in enumerate(strengths) if np.isfinite(strength)]
    theta = np.tile(parent, (len(strengths), 1, 1))
    if finite:
        unit = information(family, cells, parent)
        ridge = identity_prior(family, 1).precision[0] * 1e-6
        precision = np.repeat([strengths[k] * unit + ridge for k in finite], cells.n_groups, axis=0)
        prior = Prior(np.tile(parent, (len(finite), 1)), precision)
        theta[finite] = fit_groups(family, cells.repeated(len(finite)), prior).reshape(len(finite), *parent.shape)
    return theta


def _choose(
    family: type[ParametricMap], rows: Rows, nesting: list[Nesting], strengths: list[float], fold: Ints
) -> float:
    """Choose the strength of the last level by the loss of held-out parts."""
    n_folds = int(fold.max()) + 1
    finest = nesting[-1]
    n_groups = len(finest.names)
    if n_folds < 2:
        return float("inf")
    cells = compress(rows, fold * n_groups + finest.code, n_folds * n_groups, max_cells=CHOICE_CELLS)
    part, group = cells.group // n_groups, cells.group % n_groups
    losses = np.zeros(len(STRENGTHS))
    above = _ancestors(nesting)
    for held in range(n_folds):
        train, test = part != held, cells.regrouped(part == held, group, n_groups)
        pooled_cells = cells.regrouped(train, np.zeros(len(group), dtype=np.int64), 1)
        if not len(pooled_cells.weight) or not len(test.weight):
            continue
        theta = fit_groups(family, pooled_cells, identity_prior(family, 1))
        for depth, strength in enumerate(strengths):
            step = nesting[depth]
            level = cells.regrouped(train, above[depth][group], len(step.names))
            theta = _fit_level(family, level, theta[step.parent], [strength])[0]
        level = cells.regrouped(train, group, n_groups)
        fitted = _fit_level(family, level, theta[finest.parent], STRENGTHS)
        losses += [group_loss(family, test, candidate) for candidate in fitted]
    return float(STRENGTHS[int(np.argmin(losses))])


def _ancestors(nesting: list[Nesting]) -> list[Ints]:
    """For every level the group that each finest group belongs to."""
    chain = [np.arange(len(nesting[-1].names))]
    for step in reversed(nesting):
        chain.append(step.parent[chain[-1]])
    return chain[:-1][::-1]
