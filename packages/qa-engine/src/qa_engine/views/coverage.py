"""Choose frames that together see as much as possible: greedy maximum coverage, on bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array

VOXELS_PER_SIDE = 20
"""Voxels along the shortest side of what the frames see; the figure of Spatial-MLLM (arXiv 2505.23747)."""

MAX_CELLS = 2**22
"""Grids with more cells are renumbered to the cells in use: far points make a grid large and empty."""

Words = NDArray[np.uint64]


def voxel_bits(points: Sequence[NDArray[np.floating]]) -> Words:
    """Mark which voxels each frame sees.

    Parameters
    ----------
    points : sequence of (k_i, 3) float, metres
        Surface points per frame, in one frame of reference; a frame may have none.

    Returns
    -------
    (n_frames, n_words) uint64
        A bit per voxel. The edge of a voxel is the shortest side of the bounds of all points over `VOXELS_PER_SIDE`.

    Examples
    --------
    >>> bits = voxel_bits([np.array([[0.0, 0, 0], [1, 1, 1]]), np.array([[1.0, 1, 1]]), np.zeros((0, 3))])
    >>> np.bitwise_count(bits).sum(axis=1).tolist()
    [2, 1, 0]
    """
    parts: list[NDArray[np.float32]] = []
    bounds: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    for frame in points:  # one at a time, as that stays in the processor's cache
        part = np.array(np.asarray(frame).reshape(-1, 3).T, dtype=np.float32, order="C")
        parts.append(part)
        if part.size:
            bounds.append((part.min(axis=1), part.max(axis=1)))
    if not bounds:
        return np.zeros((len(points), 1), dtype=np.uint64)
    low = np.min([low for low, _ in bounds], axis=0)
    extent = np.max([high for _, high in bounds], axis=0) - low
    edge = float(extent.min()) / VOXELS_PER_SIDE or float(extent.max()) / VOXELS_PER_SIDE or 1.0
    sides = np.floor(extent / edge).astype(np.int64) + 2
    cells = (_cells(part, low, np.float32(1 / edge), sides) for part in parts)
    n_cells = int(np.prod(sides))
    if n_cells > MAX_CELLS:
        every = list(cells)
        used, renumbered = np.unique(np.concatenate(every), return_inverse=True)
        cells = np.split(renumbered, np.cumsum([len(cell) for cell in every])[:-1])
        n_cells = len(used)
    marks = np.zeros((len(points), -(-n_cells // 64) * 64), dtype=bool)
    for row, cell in zip(marks, cells, strict=True):
        row[cell] = True
    return np.packbits(marks, axis=1).view(np.uint64)


def _cells(
    part: NDArray[np.float32], low: NDArray[np.float32], per_metre: np.float32, sides: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give the voxel of each point (3, k) a number; the points are overwritten.

    Numbers up to `MAX_CELLS` are exact in single precision, so that a product of matrices can join the three axes.
    """
    weight = np.array([sides[1] * sides[2], sides[2], 1])
    part -= low[:, None]
    part *= per_metre
    np.trunc(part, out=part)
    if np.prod(sides, dtype=np.float64) > MAX_CELLS:
        return weight @ part.astype(np.int64)
    return (weight.astype(np.float32) @ part).astype(np.int64)


def most_covering(bits: Words, n: int) -> NDArray[np.intp]:
    """Choose frames one by one, each the one that adds most voxels; stop when none adds any.

    Parameters
    ----------
    bits : (n_frames, n_words) uint64
        As from `voxel_bits`.
    n : int
        Frames wanted.

    Returns
    -------
    (at most n,) intp
        In the order of choice; of frames that add the same, the first. At least 1 - 1/e of the best possible coverage.

    Examples
    --------
    >>> most_covering(np.array([[0b0011], [0b1110], [0b0010]], dtype=np.uint64), 3).tolist()
    [1, 0]
    """
    left = bits.copy()
    chosen: list[int] = []
    while len(chosen) < min(n, len(bits)):
        gain = np.bitwise_count(left).sum(axis=1, dtype=np.int64)
        best = int(gain.argmax())
        if gain[best] == 0:
            break
        chosen.append(best)
        left &= ~left[best]
    return np.array(chosen, dtype=np.intp)


def best_views(view: Array, weight: Array, n: int) -> NDArray[np.intp]:
    """Choose frames one by one so that each object is seen well in at least one of them.

    Parameters
    ----------
    view : (n_frames, k) float64
        How well each frame shows each object, 0 = not at all.
    weight : (k,) float64
        How much each object matters.
    n : int
        Frames wanted.

    Returns
    -------
    (at most n,) intp
        In the order of choice; each adds most to the weighted sum of the best views. Stops when none adds any.

    Examples
    --------
    >>> best_views(np.array([[0.5, 0.0], [0.4, 0.4], [0.0, 1.0]]), np.ones(2), 3).tolist()
    [2, 0]
    """
    best = np.zeros(view.shape[1])
    chosen: list[int] = []
    while len(chosen) < min(n, len(view)):
        gain = np.maximum(view - best, 0) @ weight
        frame = int(gain.argmax())
        if not gain[frame] > 0:
            break
        chosen.append(frame)
        best = np.maximum(best, view[frame])
    return np.array(chosen, dtype=np.intp)


def filled(chosen: NDArray[np.intp], n_frames: int, n: int) -> NDArray[np.intp]:
    """Add frames until there are n (or all), each the one furthest in time from those chosen; sort them.

    Examples
    --------
    >>> filled(np.array([3]), 10, 3).tolist()
    [0, 3, 9]
    """
    index = np.arange(n_frames)
    taken = list(chosen) if len(chosen) else [0]
    gap = np.abs(index[:, None] - np.array(taken)).min(axis=1)
    while len(taken) < min(n, n_frames):
        taken.append(int(gap.argmax()))
        gap = np.minimum(gap, np.abs(index - taken[-1]))
    return np.sort(np.array(taken, dtype=np.intp))
