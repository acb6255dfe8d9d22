"""Space-aware frame sampling (arXiv 2505.23747): the frames that together see most of the space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELLS_PER_SIDE = 20
"""Voxels along the shortest side of the scene."""
MIN_CONFIDENCE = 0.1
MAX_CELLS_PER_SIDE = 2**20
"""Voxels along the longest side at most, so that their numbers fit in 64 bits in a scene that is all but flat."""


@dataclass(frozen=True)
class Voxels:
    """Which voxels each frame sees.

    Attributes
    ----------
    of_frame : list of (n,) int64
        Voxel numbers of every frame, ascending, from 0 without gaps over all frames.
    cells : (m, 3) int64
        Indices along x, y, z of every voxel number.
    valid : (frames, h, w) bool
        Pixels that count.
    edge : float
        Of a voxel, in the unit of the points.
    origin : (3,)
    """

    of_frame: list[NDArray[np.int64]]
    cells: NDArray[np.int64]
    valid: NDArray[np.bool_]
    edge: float
    origin: NDArray[np.floating]


def voxelise(points: NDArray[np.floating], confidence: NDArray[np.floating]) -> Voxels:
    """Find the voxels of the confident points of every frame.

    Parameters
    ----------
    points : (frames, h, w, 3)
        World frame, any unit.
    confidence : (frames, h, w)

    Returns
    -------
    Voxels

    Notes
    -----
    A point counts when its confidence is above `MIN_CONFIDENCE` and at least the median of all. A scene that is flat
    along an axis is cut along its next shorter side, one that is all but flat at `MAX_CELLS_PER_SIDE`; a single point
    is one voxel.

    Examples
    --------
    >>> points = np.zeros((2, 1, 2, 3)); points[1, 0, 1] = 1
    >>> [voxels.tolist() for voxels in voxelise(points, np.ones((2, 1, 2))).of_frame]
    [[0], [0, 1]]
    """
    valid = (confidence >= np.median(confidence)) & (confidence > MIN_CONFIDENCE)
    frame, *_ = np.nonzero(valid)
    kept = points[valid]
    if not len(kept):
        empty = np.empty(0, np.int64)
        return Voxels([empty] * len(points), np.empty((0, 3), np.int64), valid, 0.0, np.zeros(3))
    origin = kept.min(axis=0)
    sides = kept.max(axis=0) - origin
    edge = sides[sides > 0].min(initial=np.inf) / CELLS_PER_SIDE
    if np.isfinite(edge):
        edge = max(edge, sides.max() / MAX_CELLS_PER_SIDE)
    cells = np.floor((kept - origin) / edge).astype(np.int64)
    # One number per cell sorts faster than rows.
    shape = cells.max(axis=0) + 1
    distinct, number = np.unique(np.ravel_multi_index(tuple(cells.T), tuple(shape)), return_inverse=True)
    pairs = np.unique(frame * len(distinct) + number)
    owner, voxel = np.divmod(pairs, len(distinct))
    of_frame = np.split(voxel, np.searchsorted(owner, np.arange(1, len(points))))
    return Voxels(of_frame, np.stack(np.unravel_index(distinct, tuple(shape)), axis=1), valid, float(edge), origin)


def greedy_cover(of_frame: Sequence[NDArray[np.integer]], k: int) -> list[int]:
    """Choose frames one by one, each with the most voxels not yet seen, until nothing new is left.

    Parameters
    ----------
    of_frame : sequence of (n,) int
        Distinct voxel numbers of every frame.
    k : int
        At most so many.

    Returns
    -------
    list of int
        Frames in the order of choice; of equal ones the earlier. The covered voxels are at least 1 - 1/e of the best
        possible.

    Examples
    --------
    >>> greedy_cover([np.array([1, 2]), np.array([3, 4]), np.array([1, 2, 3])], 3)
    [2, 1]
    """
    lengths = [len(voxels) for voxels in of_frame]
    voxels = np.concatenate([np.asarray(v, np.int64) for v in of_frame]) if of_frame else np.empty(0, np.int64)
    owner = np.repeat(np.arange(len(of_frame)), lengths)
    chosen: list[int] = []
    while len(chosen) < k and len(voxels):
        best = int(np.bincount(owner, minlength=len(of_frame)).argmax())
        chosen.append(best)
        new = ~np.isin(voxels, voxels[owner == best])
        voxels, owner = voxels[new], owner[new]
    return chosen


def select_frames(points: NDArray[np.floating], confidence: NDArray[np.floating], k: int) -> list[int]:
    """Choose exactly `k` frames: the greedy cover, and where that ends early, those farthest in time from the others.

    Parameters
    ----------
    points : (frames, h, w, 3)
    confidence : (frames, h, w)
    k : int
        Between 1 and the number of frames.

    Returns
    -------
    list of int
        In the order of time.

    Raises
    ------
    ValueError
        There are fewer than `k` frames, or `k` is not positive.

    Examples
    --------
    >>> select_frames(np.zeros((5, 2, 2, 3)), np.ones((5, 2, 2)), 3)
    [0, 2, 4]
    """
    n = len(points)
    if not 1 <= k <= n:
        raise ValueError(f"{k} frames were asked for; there are {n}.")
    chosen = greedy_cover(voxelise(points, confidence).of_frame, k)
    times = np.arange(n)
    while len(chosen) < k:
        distance = np.abs(times[:, None] - np.array(chosen)[None]).min(axis=1) if chosen else n - times
        chosen.append(int(distance.argmax()))
    return sorted(chosen)
