"""The floor that walls stand around, for layouts that list walls alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

THICKNESS_M = 0.1
"""Layouts give walls, doors and windows no thickness, and boxes need one: about that of a wall indoors."""

GAP_M = 0.3
"""Walls that meet end up to this far from each other."""


def outline_of_walls(walls: Sequence[NDArray[np.float64]], up: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Find the ring that most walls make.

    Parameters
    ----------
    walls : sequence of (2, 3) float64, metres
        Their ends.
    up : (3,) float64
        Axis that points up.

    Returns
    -------
    (k, 3) float64 or None
        Corners in order; None where the walls make no ring.

    Examples
    --------
    >>> corners = np.array([[0.0, 0, 0], [3, 0, 0], [3, 2, 0], [0, 2, 0]])
    >>> walls = [corners[[i, (i + 1) % 4]] for i in (0, 2, 1, 3)]
    >>> outline_of_walls(walls, np.array([0, 0, 1.0])).tolist() == corners.tolist()
    True
    >>> outline_of_walls(walls[:3], np.array([0, 0, 1.0])) is None
    True
    """
    left = [np.asarray(wall, dtype=np.float64) for wall in walls]
    flat = np.eye(3) - np.outer(up, up)
    best: list[NDArray[np.float64]] = []
    while left:
        ring = list(left.pop(0))
        while left:
            gaps = np.array([np.linalg.norm((wall - ring[-1]) @ flat, axis=1) for wall in left])
            at, end = np.unravel_index(np.argmin(gaps), gaps.shape)
            if gaps[at, end] > GAP_M:
                break
            wall = left.pop(int(at))
            ring[-1] = (ring[-1] + wall[end]) / 2
            ring.append(wall[1 - end])
            if np.linalg.norm((ring[-1] - ring[0]) @ flat) <= GAP_M and len(ring) > 3:
                break
        closed = np.linalg.norm((ring[-1] - ring[0]) @ flat) <= GAP_M
        if closed and len(ring) > 3 and len(ring) > len(best):
            best = [(ring[0] + ring[-1]) / 2, *ring[1:-1]]
    return np.array(best) if best else None
