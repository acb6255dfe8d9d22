"""Penalised maximum likelihood with soft targets, for many groups at once.

The loss of a row is the cross-entropy -s log p - (1 - s) log(1 - p) of p = sigmoid(eta), for any s in [0, 1]. Its
minimum makes p the expected score; a fractional score is never rounded to right or wrong.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from qa_confidence.arrays import Floats, Ints, Rows
from qa_confidence.calibrators.base import sigmoid
from qa_confidence.metrics.cells import rank_cells, sums

MAX_STEPS = 60
TOLERANCE = 1e-10
SHORTEST_STEP = 1e-9
PRIOR_SD = 3.0
"""A normal prior of this width around the identity map keeps a fit finite when all scores are 0 or all are 1."""

FIT_CELLS = 1024
"""Confidence ranks told apart when more rows than this are fitted; a cell enters with its mean confidence."""


@dataclass(frozen=True)
class ParametricMap(ABC):
    """A map with a parameter vector, p = sigmoid(eta(confidence, theta))."""

    theta: tuple[float, ...]

    name: ClassVar[str]
    parameter_names: ClassVar[tuple[str, ...]]
    start: ClassVar[tuple[float, ...]]
    """Parameters of the identity map."""
    lower: ClassVar[tuple[float, ...]]
    upper: ClassVar[tuple[float, ...]]
    """Bounds that keep the map from reversing ranks."""

    @staticmethod
    @abstractmethod
    def linear(confidence: Floats, theta: Floats) -> tuple[Floats, Floats]:
        """Compute eta (n,) and its derivative by the parameters (n, p); theta is (n, p)."""

    @classmethod
    def fit(cls, rows: Rows) -> Self:
        """Fit by penalised maximum likelihood."""
        cells = compress(rows, np.zeros(len(rows.score), dtype=np.int64), 1)
        theta = fit_groups(cls, cells, identity_prior(cls, 1))
        return cls(tuple(theta[0].tolist()))

    def predict(self, confidence: Floats) -> Floats:
        """Map confidence to expected score."""
        theta = np.broadcast_to(np.array(self.theta), (len(confidence), len(self.theta)))
        return sigmoid(self.linear(confidence, theta)[0])

    def parameters(self) -> dict[str, Any]:
        """Give the parameters by name."""
        return dict(zip(self.parameter_names, self.theta, strict=True))

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Build from named parameters."""
        return cls(tuple(float(parameters[name]) for name in cls.parameter_names))


@dataclass(frozen=True)
class GroupCells:
    """Rows summed into cells of one group and similar confidence.

    Attributes
    ----------
    group, rank : (m,) int64
        No two cells have both in common.
    confidence, weight, hits : (m,) float64
        Mean confidence, summed weight, and summed weight times score.
    n_groups, n_ranks : int
    """

    group: Ints
    rank: Ints
    confidence: Floats
    weight: Floats
    hits: Floats
    n_groups: int
    n_ranks: int

    @classmethod
    def of_sums(cls, weight: Floats, confidence: Floats, hits: Floats, *, n_groups: int) -> GroupCells:
        """Build from sums over (group, rank) in that order: weight, weight times confidence, weight times score."""
        full = np.flatnonzero(weight > 0)
        n_ranks = len(weight) // n_groups
        mean = confidence[full] / weight[full]
        return cls(full // n_ranks, full % n_ranks, mean, weight[full], hits[full], n_groups, n_ranks)

    def regrouped(self, keep: NDArray[np.bool_], group: Ints, n_groups: int) -> GroupCells:
        """Put the kept cells into other groups, which makes cells of equal rank one."""
        key = group[keep] * self.n_ranks + self.rank[keep]
        weight = self.weight[keep]
        columns = (weight, weight * self.confidence[keep], self.hits[keep])
        total = [sums(key, column, n_groups * self.n_ranks) for column in columns]
        return GroupCells.of_sums(*total, n_groups=n_groups)

    def repeated(self, times: int) -> GroupCells:
        """Take the cells several times, each time as groups of their own."""
        return GroupCells(
            group=(self.group + self.n_groups * np.arange(times)[:, None]).ravel(),
            rank=np.tile(self.rank, times),
            confidence=np.tile(self.confidence, times),
            weight=np.tile(self.weight, times),
            hits=np.tile(self.hits, times),
            n_groups=self.n_groups * times,
            n_ranks=self.n_ranks,
        )


@dataclass(frozen=True)
class Prior:
    """Normal prior per group: mean (g, p) and precision (g, p, p)."""

    mean: Floats
    precision: Floats


def compress(rows: Rows, group: Ints, n_groups: int, *, max_cells: int = FIT_CELLS) -> GroupCells:
    """Sum rows into cells; equal confidences of one group always share a cell."""
    code, n_cells = rank_cells(rows.confidence_ranks, rows.weight, max_cells=max_cells)
    key = group * n_cells + code
    columns = (rows.weight, rows.weight * rows.confidence, rows.weight * rows.score)
    return GroupCells.of_sums(*(sums(key, column, n_groups * n_cells) for column in columns), n_groups=n_groups)


def identity_prior(family: type[ParametricMap], n_groups: int) -> Prior:
    """Build the weak prior around the identity map."""
    size = len(family.start)
    mean = np.tile(np.array(family.start), (n_groups, 1))
    return Prior(mean, np.tile(np.eye(size) / PRIOR_SD**2, (n_groups, 1, 1)))


def information(family: type[ParametricMap], cells: GroupCells, theta: Floats) -> Floats:
    """Fisher information per unit of weight over all cells, (p, p); theta is (n_groups, p)."""
    eta, slope = family.linear(cells.confidence, theta[cells.group])
    p = sigmoid(eta)
    weight = cells.weight * p * (1 - p)
    return (slope * weight[:, None]).T @ slope / cells.weight.sum()


def fit_groups(family: type[ParametricMap], cells: GroupCells, prior: Prior) -> Floats:
    """Minimise loss plus prior for every group by projected Fisher scoring with step halving, (n_groups, p)."""
    lower, upper = np.array(family.lower), np.array(family.upper)
    theta = np.clip(prior.mean, lower, upper)
    n_groups, size = theta.shape
    pairs = [(i, j) for i in range(size) for j in range(i, size)]
    objective = _objective(family, cells, prior, theta)
    for _ in range(MAX_STEPS):
        eta, slope = family.linear(cells.confidence, theta[cells.group])
        p = sigmoid(eta)
        residual = cells.weight * p - cells.hits
        curvature = cells.weight * p * (1 - p)
        away = theta - prior.mean
        gradient = np.stack([sums(cells.group, residual * slope[:, i], n_groups) for i in range(size)], axis=1)
        gradient = gradient + np.einsum("gij,gj->gi", prior.precision, away)
        matrix = prior.precision.copy()
        for i, j in pairs:
            part = sums(cells.group, curvature * slope[:, i] * slope[:, j], n_groups)
            matrix[:, i, j] += part
            if i != j:
                matrix[:, j, i] += part
        held = ((theta <= lower) & (gradient > 0)) | ((theta >= upper) & (gradient < 0))
        matrix = np.where(held[:, :, None] | held[:, None, :], np.eye(size)[None], matrix)
        matrix = matrix + 1e-12 * np.eye(size)
        step = -np.linalg.solve(matrix, np.where(held, 0.0, gradient)[..., None])[..., 0]
        scale = np.ones((n_groups, 1))
        while True:
            candidate = np.clip(theta + scale * step, lower, upper)
            value = _objective(family, cells, prior, candidate)
            worse = value > objective + 1e-12 * np.abs(objective)
            scale = np.where(worse[:, None], np.where(scale > SHORTEST_STEP, scale / 2, 0.0), scale)
            if not worse.any():
                break
        moved = np.abs(candidate - theta).max()
        theta, objective = candidate, value
        if moved < TOLERANCE:
            break
    return theta


def group_loss(family: type[ParametricMap], cells: GroupCells, theta: Floats) -> float:
    """Sum the cross-entropy over all cells."""
    eta = family.linear(cells.confidence, theta[cells.group])[0]
    return float(np.sum(cells.weight * np.logaddexp(0.0, eta) - cells.hits * eta))


def _objective(family: type[ParametricMap], cells: GroupCells, prior: Prior, theta: Floats) -> Floats:
    """Loss plus prior of every group, (n_groups,)."""
    eta = family.linear(cells.confidence, theta[cells.group])[0]
    loss = sums(cells.group, cells.weight * np.logaddexp(0.0, eta) - cells.hits * eta, cells.n_groups)
    away = theta - prior.mean
    return loss + np.einsum("gi,gij,gj->g", away, prior.precision, away) / 2
