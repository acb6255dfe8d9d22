"""Directions of walls, from the outline of a room or the points of its cloud, and how parallel to them boxes stand.

Boxes that turn about the vertical alone look as good when columns are taken for rows: each turn has the wrong sign
then. Walls, which come from elsewhere, tell the two apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array
from qa_engine.geometry import Boxes
from qa_engine.ingestion.plausible import UPRIGHT_COS, student

RIGHT_ANGLE = 90.0
STEP_DEG = 1.0
BIN_M = 0.05
MIN_POINTS = 500
ABOVE_M, BELOW_M = 0.15, 0.02
"""Points from so far above the lowest to so far below the highest, as shares of the height between, are those of walls
rather than of floor and ceiling."""

STANDS_OUT = 1.15
"""The direction of walls concentrates their points at least so much more than the usual direction does."""

MOST_OF_LENGTH = 0.6
"""Share of an outline that lies along its direction, within `SPREAD_DEG`, or it has none."""

PARALLEL_SHARE, SPREAD_DEG = 0.65, 4.0
"""Furniture that stands parallel to walls, within some degrees; the rest stands anyhow."""


def direction_of_outline(polygon: Array) -> float | None:
    """Find the direction of the walls of an outline (k, 2), degrees from 0 to 90; None where they have no common one.

    Examples
    --------
    >>> direction_of_outline(np.array([[0, 0], [3, 0], [3, 2], [0, 2]])) % 90
    0.0
    """
    sides = np.roll(polygon, -1, axis=0) - polygon
    length = np.linalg.norm(sides, axis=1)
    if not length.sum() > 0:
        return None
    angle = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
    mean = float(np.degrees(np.angle((length * np.exp(4j * np.radians(angle))).sum())) / 4)
    along = length[_off(angle, mean) <= SPREAD_DEG].sum() / length.sum()
    return mean % RIGHT_ANGLE if along >= MOST_OF_LENGTH else None


def direction_of_points(points: Array) -> float | None:
    """Find the direction of walls among points (p, 3), metres, Z up, degrees; None where none stands out.

    Notes
    -----
    Seen from above, walls are lines: along their direction the points of a wall fall together, so the sum of squares of
    their histograms along the two axes is largest.
    """
    low, high = np.quantile(points[:, 2], [0.01, 0.99]) if len(points) else (0.0, 0.0)
    height = (points[:, 2] - low) / max(high - low, 1e-9)
    flat = points[(height > ABOVE_M) & (height < 1 - BELOW_M), :2]
    if len(flat) < MIN_POINTS:
        return None
    flat = flat - np.median(flat, axis=0)
    angles = np.arange(0, RIGHT_ANGLE, STEP_DEG)
    score = np.array([_concentration(flat, np.radians(angle)) for angle in angles])
    best = int(score.argmax())
    return float(angles[best]) if score[best] >= STANDS_OUT * np.median(score) else None


def parallel(boxes: Boxes, direction: float, weight: NDArray[np.float64]) -> float:
    """Log-likelihood of the turns of boxes where walls have a direction, over that of boxes at random.

    Parameters
    ----------
    boxes : Boxes
        (n, ...); those that are not upright say nothing.
    direction : float
        Degrees.
    weight : (n,) float64
        What each object counts.
    """
    upright = np.abs(boxes.rotation[:, :, 2]).max(axis=1) > UPRIGHT_COS
    rotation = boxes.rotation[upright]
    level = rotation[np.arange(len(rotation)), np.abs(rotation[:, :, 2]).argmin(axis=1)]
    off = _off(np.degrees(np.arctan2(level[:, 1], level[:, 0])), direction)
    straight = 0.75 / SPREAD_DEG * np.exp(student(off, SPREAD_DEG)) * (RIGHT_ANGLE / 2)
    return float(np.log(PARALLEL_SHARE * straight + 1 - PARALLEL_SHARE) @ weight[upright])


def _off(angle: Array, direction: float) -> Array:
    """Smallest angle between directions, degrees, a quarter turn being none."""
    return np.abs((angle - direction + RIGHT_ANGLE / 2) % RIGHT_ANGLE - RIGHT_ANGLE / 2)


def _concentration(flat: Array, angle: float) -> float:
    """Sum of squares of the histograms of points (p, 2) along an axis and across."""
    total = 0.0
    for axis in (np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])):
        along = flat @ axis
        bins = np.clip(((along - along.min()) / BIN_M).astype(np.int64), 0, 100_000)
        total += float((np.bincount(bins).astype(np.float64) ** 2).sum())
    return total
