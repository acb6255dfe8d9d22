"""The distance of VSI-Bench's ground truth: closest points of two sampled box shells, as its generator computes it.

References
----------
arXiv 2412.14171 (the benchmark) and the rules of its public re-implementation, VLM-3R `vlm_3r_data_process`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from qa_engine.arrays import Array
from qa_engine.geometry.clouds import bounds_distance

if TYPE_CHECKING:
    from qa_engine.geometry import Boxes


SAMPLE_STEP_M = 0.05
"""Spacing of the points of a box, metres."""

CORE_FRACTION = 0.25
"""Points within this fraction of the extent on every axis, counted from the middle, are dropped."""


def shell_points(center: Array, size: Array, rotation: Array, *, step: float = SAMPLE_STEP_M) -> Array:
    """Points of one box as the benchmark samples them.

    Parameters
    ----------
    center, size : (3,) float64, metres
    rotation : (3, 3) float64, rows = box axes
    step : float
        Metres; halved until a point is left.

    Returns
    -------
    (m, 3) float64, metres, world frame

    Notes
    -----
    The benchmark then crops its own points to the box, and about half of the surface points fail that test by
    rounding. The test is part of the recipe: sums run left to right, since a matrix product rounds differently.
    """
    axes = [np.linspace(-extent / 2, extent / 2, int(np.ceil(extent / step))) for extent in size]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[(np.abs(grid) > size * CORE_FRACTION).any(axis=1)]
    points = grid @ rotation + center
    offset = points - center
    along = np.stack([offset[:, 0] * r[0] + offset[:, 1] * r[1] + offset[:, 2] * r[2] for r in rotation], axis=1)
    points = points[(np.abs(along) <= size / 2).all(axis=1)]
    return points if len(points) else shell_points(center, size, rotation, step=step / 2)


def sampled_distance(boxes: Boxes, first: NDArray[np.int64], second: NDArray[np.int64]) -> Array:
    """Smallest distance between the sampled points of boxes in rows `first` and `second`, (k,) metres."""
    shells = _shells.setdefault(boxes, {})
    for i in np.union1d(first, second).tolist():
        if i not in shells:
            shells[i] = shell_points(boxes.center[i], boxes.size[i], boxes.rotation[i])
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    return np.array([_closest(shells[i], shells[j]) for i, j in pairs], dtype=np.float64)


_shells: WeakKeyDictionary[Boxes, dict[int, Array]] = WeakKeyDictionary()
"""Points of the boxes that are in use: questions of several types ask about the same objects."""


def _closest(a: Array, b: Array) -> float:
    """Smallest distance between two clouds; points that are certainly further than some pair are left out first."""
    bound = float(np.sqrt(((a - b[np.argmin(bounds_distance(b, a))]) ** 2).sum(axis=1).min())) + 1e-9
    a, b = a[bounds_distance(a, b) <= bound], b[bounds_distance(b, a) <= bound]
    many, few = (a, b) if len(a) >= len(b) else (b, a)
    return float(KDTree(many).query(few)[0].min())
