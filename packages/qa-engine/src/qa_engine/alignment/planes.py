"""Pieces of planes in a cloud: cells whose points lie in a plane, with its direction, and which plane it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array

CELLS = (8, 32)
"""Cells along the longest side of a cloud, fewest and most: of a room of 6 m, 0.2 m each; it may have any scale."""

POINTS_PER_CELL = 150
"""Points of a cloud per square of its cells, by which few points get large cells: a room has six sides, and things."""

MAX_PLANES = 60
"""Planes that are told apart; the rest is small."""

MIN_CELL_POINTS = 12
"""Points by which a plane through a cell is found."""

FLATNESS = 0.02
"""Variance across the plane over the smaller one within it, at most: an edge of two walls has more."""

TOGETHER_DEG = 6.0
"""Pieces this close in direction, at about the same distance, are of one plane."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pieces of planes.

    Attributes
    ----------
    normal : (k, 3) float64
        Unit directions, of either sign.
    weight : (k,) float64
        Area of each: that of its cell.
    plane : (k,) int64
        The plane that each belongs to: pieces of one plane err together.
    """

    normal: Array
    weight: Array
    plane: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.weight)

    def turned(self, turn: Array) -> Pieces:
        """Give the same in a world that is turned by (3, 3) `turn`."""
        return replace(self, normal=self.normal @ turn.T)


def find_pieces(points: NDArray[np.floating]) -> Pieces:
    """Find the pieces of planes in a cloud.

    Parameters
    ----------
    points : (p, 3) float

    Examples
    --------
    >>> x, y = np.meshgrid(np.arange(0, 4, 0.03), np.arange(0, 3, 0.03))
    >>> pieces = find_pieces(np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1))
    >>> np.abs(pieces.normal).min(axis=0).round(6).tolist(), np.unique(pieces.plane).tolist()
    ([0.0, 0.0, 1.0], [0])
    """
    none = np.zeros(0)
    if not len(points):
        return Pieces(none.reshape(0, 3), none, none.astype(np.int64))
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    cells = int(np.clip(np.sqrt(len(points) / POINTS_PER_CELL), *CELLS))
    side = float((high - low).max()) / cells or 1.0
    local = points - low
    cell = (local / side).astype(np.int64) @ np.array([1, cells + 1, (cells + 1) ** 2])
    count = np.bincount(cell)
    full = np.flatnonzero(count >= MIN_CELL_POINTS)
    n = count[full].astype(np.float64)
    total = [np.bincount(cell, local[:, a])[full] / n for a in range(3)]
    mean = np.stack(total, axis=1)
    covariance = np.empty((len(full), 3, 3))
    for a in range(3):
        for b in range(a, 3):
            product = np.bincount(cell, local[:, a] * local[:, b])[full] / n - mean[:, a] * mean[:, b]
            covariance[:, a, b] = covariance[:, b, a] = product
    variance, axes = np.linalg.eigh(covariance)
    flat = (variance[:, 0] < FLATNESS * variance[:, 1]) & (variance[:, 1] > (side / 12) ** 2)
    normal, mean = axes[flat, :, 0], mean[flat]
    return Pieces(normal, np.ones(len(normal)), _planes(normal, mean, side))


def _planes(normal: Array, mean: Array, side: float) -> NDArray[np.int64]:
    """Group pieces into planes, the largest first."""
    plane = np.full(len(normal), -1, dtype=np.int64)
    number = 0
    while (left := np.flatnonzero(plane < 0)).size and number < MAX_PLANES:
        some = left[:: max(1, len(left) // 64)]
        along = np.abs(normal[left] @ normal[some].T) > np.cos(np.radians(TOGETHER_DEG))
        apart = np.abs(((mean[left][:, None] - mean[some]) * normal[some]).sum(axis=2)) < side
        found = along & apart
        members = left[found[:, int(found.sum(axis=0).argmax())]]
        plane[members if len(members) else left] = number
        number += 1
    return np.where(plane < 0, number, plane)


def main_directions(directions: Array, weight: Array, together_deg: float, most: int) -> Array:
    """Find the directions, of either sign, that most of (k, 3) unit vectors share.

    Returns
    -------
    (m, 3) float64
        At most `most`, the heaviest first.
    """
    found: list[Array] = []
    left, weight = directions, weight
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
