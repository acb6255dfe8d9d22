"""Planes in a cloud: cells whose points lie in one plane, joined to walls, floors and tops, and their directions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array

CELLS = (8, 20)
"""Cells along the longest side of a cloud, fewest and most: of a room of 6 m, 0.3 m each, in which a wall is flat
though its points are a centimetre off; it may have any scale."""

POINTS_PER_CELL = 150
"""Points of a cloud per square of its cells, by which few points get large cells: a room has six sides, and things."""

MAX_PLANES = 60
"""Planes that are told apart; the rest is small."""

MIN_CELL_POINTS = 12
"""Points by which a plane through a cell is found."""

FLATNESS = 0.04
"""Variance across the plane over the smaller one within it, at most: an edge of two walls has more."""

TOGETHER_DEG = 6.0
"""Pieces this close in direction, at about the same distance, are of one plane."""


@dataclass(frozen=True, eq=False)
class Planes:
    """Planes of a cloud, the largest first.

    Attributes
    ----------
    normal : (k, 3) float64
        Unit directions, of either sign.
    weight : (k,) float64
        Area of each: the number of its cells.
    """

    normal: Array
    weight: Array

    def __len__(self) -> int:
        return len(self.weight)

    def turned(self, turn: Array) -> Planes:
        """Give the same in a world that is turned by (3, 3) `turn`."""
        return replace(self, normal=self.normal @ turn.T)


def find_planes(points: NDArray[np.floating]) -> Planes:
    """Find the planes in a cloud.

    Parameters
    ----------
    points : (p, 3) float

    Examples
    --------
    >>> x, y = np.meshgrid(np.arange(0, 4, 0.03), np.arange(0, 3, 0.03))
    >>> planes = find_planes(np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1))
    >>> np.abs(planes.normal).round(6).tolist()
    [[0.0, 0.0, 1.0]]
    """
    none = np.zeros(0)
    if not len(points):
        return Planes(none.reshape(0, 3), none)
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    cells = int(np.clip(np.sqrt(len(points) / POINTS_PER_CELL), *CELLS))
    side = float((high - low).max()) / cells or 1.0
    local = points - low
    cell = (local / side).astype(np.int64) @ np.array([1, cells + 1, (cells + 1) ** 2])
    count = np.bincount(cell)
    full = np.flatnonzero(count >= MIN_CELL_POINTS)
    n = count[full].astype(np.float64)
    mean = np.stack([np.bincount(cell, local[:, a])[full] / n for a in range(3)], axis=1)
    second = np.empty((len(full), 3, 3))
    for a in range(3):
        for b in range(a, 3):
            second[:, a, b] = second[:, b, a] = np.bincount(cell, local[:, a] * local[:, b])[full] / n
    variance, axes = np.linalg.eigh(second - mean[:, :, None] * mean[:, None])
    flat = np.flatnonzero((variance[:, 0] < FLATNESS * variance[:, 1]) & (variance[:, 1] > (side / 12) ** 2))
    plane = _group(axes[flat, :, 0], mean[flat], side)
    return _fitted(plane, mean[flat], second[flat])


def _group(normal: Array, mean: Array, side: float) -> NDArray[np.int64]:
    """Find the number of the plane that each cell belongs to, the largest first; -1 for small rests."""
    plane = np.full(len(normal), -1, dtype=np.int64)
    for number in range(MAX_PLANES):
        left = np.flatnonzero(plane < 0)
        if not len(left):
            break
        some = left[:: max(1, len(left) // 64)]
        along = np.abs(normal[left] @ normal[some].T) > np.cos(np.radians(TOGETHER_DEG))
        apart = np.abs(((mean[left][:, None] - mean[some]) * normal[some]).sum(axis=2)) < side
        alike = along & apart
        plane[left[alike[:, int(alike.sum(axis=0).argmax())]]] = number
    return plane


def _fitted(plane: NDArray[np.int64], mean: Array, second: Array) -> Planes:
    """Fit each plane to all of its cells: over a whole wall, noise of its points turns it hardly."""
    normals, weights = [], []
    for number in range(int(plane.max(initial=-1)) + 1):
        own = plane == number
        middle = mean[own].mean(axis=0)
        variance, axes = np.linalg.eigh(second[own].mean(axis=0) - np.outer(middle, middle))
        if variance[0] < FLATNESS * variance[1]:
            normals.append(axes[:, 0])
            weights.append(float(own.sum()))
    return Planes(np.array(normals).reshape(-1, 3), np.array(weights))


def main_directions(directions: Array, weight: Array, together_deg: float, most: int) -> Array:
    """Find the directions, of either sign, that most of (k, 3) unit vectors share.

    Returns
    -------
    (m, 3) float64
        At most `most`, the heaviest first.
    """
    found: list[Array] = []
    left = directions
    while len(left) and len(found) < most:
        some = left[:: max(1, len(left) // 256)]
        near = np.abs(left @ some.T) > np.cos(np.radians(together_deg))
        own = near[:, int((near * weight[:, None]).sum(axis=0).argmax())]
        if not own.any():
            break
        moments = (left[own] * weight[own, None]).T @ left[own]
        found.append(np.linalg.eigh(moments)[1][:, 2])
        left, weight = left[~own], weight[~own]
    return np.array(found).reshape(-1, 3)
