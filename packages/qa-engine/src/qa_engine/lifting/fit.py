"""An upright box around what was seen of an object, and how far it may reach where nobody looked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qa_engine.arrays import Array
from qa_engine.lifting.evidence import VOXEL_M, Evidence

TRIM = 0.01
"""Share of the points beyond each face that are taken for noise."""

ANGLES = np.radians(np.arange(0.0, 90.0, 1.0))
"""Turns that are tried; a box looks the same after a quarter turn with its sides exchanged."""

AREA_SLACK = 0.05
"""Turns whose box is at most this much larger than the smallest are told apart by how close the points lie to it."""

REACH_STEPS_M = np.arange(VOXEL_M, 0.45, VOXEL_M)
"""How far beyond a face is looked; a box that may reach further has no useful bound."""

EMPTY_SHARE = 0.5
"""Share of the places beside a face that must be seen to be empty for the object to end there."""

STANDING_M = 0.25
"""A gap of at most this much between the lowest seen point and the floor is unseen leg or base, not air."""

FACE_CELLS = 5
"""Faces are looked at in as many cells along either side."""

SEEN_SHARE = 0.3
"""Share of the inner cells of a face with points from which on it is seen itself; few things fill their boxes."""

RING_M = 0.3
"""A wall or floor is looked for this far around a face, as the object hides what is right behind it."""

WALL_SHARE = 0.15
"""Share of that area which must be a surface."""

MIN_ERROR_M = 0.02
"""Error of a face that is seen: points are means of voxels, the outermost of which are cut off as noise."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A box and its errors.

    Attributes
    ----------
    center, size : (3,) float64, metres
    rotation : (3, 3) float64
        Rows are the axes of the box in the world; the third is up.
    low_m, high_m : (3,) float64, metres
        How far the true box may reach beyond each face, at the lower and the upper end of each axis.
    """

    center: Array
    size: Array
    rotation: Array
    low_m: Array
    high_m: Array

    @property
    def face_error_m(self) -> float:
        """How far a face may be off, at most, beside the noise of depth."""
        return float(np.maximum(self.low_m, self.high_m).max() + MIN_ERROR_M)


def fit_box(points: Array, evidence: Evidence, floor_m: float | None) -> Fit:
    """Fit a box to the points (n, 3) of an object.

    Parameters
    ----------
    points : (n, 3) float64, metres, world
    evidence : Evidence
        Where frames look through, an object cannot be.
    floor_m : float or None
        Height of the floor.
    """
    rotation = np.eye(3)
    rotation[:2, :2] = _turn(points[:, :2])
    local = points @ rotation.T
    low, high = np.quantile(local, [TRIM, 1 - TRIM], axis=0)
    flat = high - low < VOXEL_M  # a picture on a wall: one voxel thick
    low, high = np.where(flat, low - VOXEL_M / 2, low), np.where(flat, high + VOXEL_M / 2, high)
    reach_low, reach_high = _reach(local, low, high, rotation, evidence)
    if floor_m is not None and 0 <= low[2] - floor_m <= STANDING_M and reach_low[2] >= low[2] - floor_m - VOXEL_M:
        low[2] = floor_m
    if floor_m is not None:
        reach_low[2] = min(reach_low[2], max(low[2] - floor_m, 0))
    return Fit((low + high) / 2 @ rotation, high - low, rotation, reach_low, reach_high)


def _turn(plan: Array) -> Array:
    """Find the axes (2, 2) of the box on the floor plan.

    Notes
    -----
    Of the turns with nearly the least area, that whose sides the points lie closest to (the closeness criterion of
    Zhang et al., "Efficient L-Shape Fitting", 2017): a corner seen from one side has no smallest box of its own.
    """
    axes = np.stack([np.cos(ANGLES), np.sin(ANGLES), -np.sin(ANGLES), np.cos(ANGLES)], axis=1).reshape(-1, 2, 2)
    along = plan @ np.swapaxes(axes, 1, 2)
    low, high = np.quantile(along, [TRIM, 1 - TRIM], axis=1)
    area = (high - low + VOXEL_M).prod(axis=1)
    candidates = np.flatnonzero(area <= (1 + AREA_SLACK) * area.min())
    inside = along[candidates]
    edge = np.minimum(np.abs(inside - low[candidates, None]), np.abs(inside - high[candidates, None])).min(axis=2)
    closeness = (1 / np.maximum(edge, VOXEL_M / 2)).sum(axis=1)
    return axes[candidates[int(closeness.argmax())]]


def _reach(local: Array, low: Array, high: Array, rotation: Array, evidence: Evidence) -> tuple[Array, Array]:
    """Find how far beyond each face the object may go on unseen, (3,) and (3,) metres.

    Nowhere beyond a face that is seen itself; else up to where frames look through, or to the next wall or floor.
    """
    reach = np.zeros((2, 3))
    places: list[Array] = []
    faces = [(end, axis) for end in (0, 1) for axis in range(3)]
    for end, axis in faces:
        others = [k for k in range(3) if k != axis]
        grid = np.zeros((len(REACH_STEPS_M), FACE_CELLS, FACE_CELLS, 3))
        share = (np.arange(FACE_CELLS) + 0.5) / FACE_CELLS
        grid[..., others[0]] = (low[others[0]] + share * (high - low)[others[0]])[:, None]
        grid[..., others[1]] = low[others[1]] + share * (high - low)[others[1]]
        steps = REACH_STEPS_M[:, None, None]
        grid[..., axis] = high[axis] + steps if end else low[axis] - steps
        places.append(grid.reshape(-1, 3))
    empty = evidence.seen_empty(np.concatenate(places) @ rotation).reshape(2, 3, len(REACH_STEPS_M), -1)
    around = evidence.around @ rotation.T
    for end, axis in faces:
        if _is_seen(local, low, high, axis, end):
            continue
        free = np.flatnonzero(empty[end, axis].mean(axis=1) >= EMPTY_SHARE)
        beyond = REACH_STEPS_M[free[0]] if len(free) else REACH_STEPS_M[-1] + VOXEL_M
        reach[end, axis] = min(float(beyond), _next_surface(around, low, high, axis, end))
    return reach[0], reach[1]


def _is_seen(local: Array, low: Array, high: Array, axis: int, end: int) -> bool:
    """Tell whether points lie all over the inner part of a face; at its edges other faces end."""
    others = [k for k in range(3) if k != axis]
    near = np.abs(local[:, axis] - (high if end else low)[axis]) <= 1.5 * VOXEL_M
    cell = np.floor((local[near][:, others] - low[others]) / (high - low)[others] * FACE_CELLS)
    cell = cell[((cell >= 1) & (cell < FACE_CELLS - 1)).all(axis=1)].astype(np.int64)
    return len(np.unique(cell @ [FACE_CELLS, 1])) >= SEEN_SHARE * (FACE_CELLS - 2) ** 2


def _next_surface(around: Array, low: Array, high: Array, axis: int, end: int) -> float:
    """Find how far a wall or floor stands before a face, metres; infinite where there is none."""
    beside = np.full(3, RING_M)
    beside[axis] = np.inf
    in_ring = ((around >= low - beside) & (around <= high + beside)).all(axis=1)
    ahead = around[in_ring][:, axis]
    ahead = ahead - high[axis] if end else low[axis] - ahead
    bins = np.floor(ahead[(ahead >= -VOXEL_M) & (ahead < REACH_STEPS_M[-1])] / (2 * VOXEL_M)).astype(np.int64) + 1
    others = [k for k in range(3) if k != axis]
    area = float(((high - low)[others] + 2 * RING_M).prod())
    full = np.flatnonzero(np.bincount(bins) >= WALL_SHARE * area / (2 * VOXEL_M) ** 2)
    return float(full[0] * 2 * VOXEL_M) if len(full) else np.inf


def floor_height(points: Array) -> float | None:
    """Find the floor below some points (n, 3) of all surfaces: the lowest height at which many lie.

    Returns
    -------
    float or None
        Metres; None where no height has a twentieth of the points.
    """
    if len(points) == 0:
        return None
    height = points[:, 2]
    low = float(np.quantile(height, 0.001))
    bins = np.floor((height - low) / (2 * VOXEL_M)).astype(np.int64)
    count = np.bincount(np.maximum(bins, 0))
    many = np.flatnonzero(count >= 0.05 * len(points))
    if len(many) == 0:
        return None
    at = (bins >= many[0] - 1) & (bins <= many[0] + 1)
    return float(np.median(height[at]))


__all__ = ["Fit", "fit_box", "floor_height"]
