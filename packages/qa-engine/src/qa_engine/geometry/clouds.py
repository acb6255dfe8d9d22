"""Exact smallest distances to point clouds: most points are ruled out by bounds, none by sampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from qa_engine.arrays import Array
from qa_engine.geometry.distance import box_distance

POINTS_PER_BLOCK = 256
"""Points that share one bounding box; the bounds of a block cost about as much as ten of its points."""


def point_box_distance(points: ArrayLike, center: ArrayLike, size: ArrayLike, rotation: ArrayLike) -> Array:
    """Distance from points to solid boxes; 0 inside.

    Parameters
    ----------
    points : (m, 3) float64, metres
    center, size : (n, 3) float64, metres
    rotation : (n, 3, 3) float64
        Row i is the unit vector of box axis i in the world frame.

    Returns
    -------
    (n, m) float64, metres

    Examples
    --------
    >>> point_box_distance([[2, 0, 0], [0, 0, 0]], [[0, 0, 0]], [[2, 2, 2]], np.eye(3)[None]).tolist()
    [[1.0, 0.0]]
    """
    p, c, s, r = (np.asarray(value, dtype=np.float64) for value in (points, center, size, rotation))
    local = np.einsum("nmd,nkd->nmk", p[None] - c[:, None], r)
    beyond = np.maximum(np.abs(local) - (s * 0.5)[:, None], 0.0)
    return np.sqrt((beyond**2).sum(axis=2))


def box_cloud_distance(center: ArrayLike, size: ArrayLike, rotation: ArrayLike, points: ArrayLike) -> Array:
    """Smallest distance between each box and a point cloud; 0 where a point is inside.

    Parameters
    ----------
    center, size : (n, 3) float64, metres
    rotation : (n, 3, 3) float64
        Row i is the unit vector of box axis i in the world frame.
    points : (m, 3) float64, metres, world frame

    Returns
    -------
    (n,) float64, metres
        Infinite for an empty cloud.

    Notes
    -----
    Points are cut into blocks of neighbours. The distance between a box and a block's bounding box is a lower bound for
    all its points, so after the most promising block only those that could still be closer are looked at.

    Examples
    --------
    >>> cloud = np.array([[3.0, 0, 0], [5, 0, 0]])
    >>> box_cloud_distance([[0, 0, 0]], [[2, 2, 2]], np.eye(3)[None], cloud).tolist()
    [2.0]
    """
    c, s, r = (np.asarray(value, dtype=np.float64) for value in (center, size, rotation))
    p = _cloud(points)
    result = np.full(len(c), np.inf)
    if len(p) == 0 or len(c) == 0:
        return result
    blocks = _blocks(p)
    low = np.array([p[rows].min(axis=0) for rows in blocks])
    high = np.array([p[rows].max(axis=0) for rows in blocks])
    k = len(blocks)
    eye = np.broadcast_to(np.eye(3), (k, 3, 3))
    for i in range(len(c)):
        center_i, size_i, rotation_i = (np.broadcast_to(value[i], (k, *value[i].shape)) for value in (c, s, r))
        bound = box_distance(center_i, size_i, rotation_i, (low + high) / 2, high - low, eye)
        best = point_box_distance(p[blocks[int(np.argmin(bound))]], c[i : i + 1], s[i : i + 1], r[i : i + 1]).min()
        # Bounds are rounded like distances: a hair of slack keeps a block that holds the closest point.
        rows = np.concatenate([blocks[b] for b in np.flatnonzero(bound <= best + 1e-9)])
        result[i] = min(best, point_box_distance(p[rows], c[i : i + 1], s[i : i + 1], r[i : i + 1]).min())
    return result


def cloud_distance(points_a: ArrayLike, points_b: ArrayLike) -> float:
    """Smallest distance between two point clouds.

    Parameters
    ----------
    points_a : (m, 3) float64, metres
    points_b : (k, 3) float64, metres

    Returns
    -------
    float, metres
        Infinite where a cloud is empty.

    Notes
    -----
    Some distance between the two is an upper bound; points further than that from the other cloud's bounding box are
    left out before the search.

    Examples
    --------
    >>> cloud_distance([[0, 0, 0], [1, 0, 0]], [[3, 0, 0], [4, 0, 0]])
    2.0
    """
    a, b = _cloud(points_a), _cloud(points_b)
    if len(a) == 0 or len(b) == 0:
        return float("inf")
    near_b = a[np.argmin(bounds_distance(a, b))]
    best = np.sqrt(((b - near_b) ** 2).sum(axis=1).min())
    near_a = b[np.argmin(((b - near_b) ** 2).sum(axis=1))]
    best = min(best, np.sqrt(((a - near_a) ** 2).sum(axis=1).min()))
    a, b = a[bounds_distance(a, b) <= best + 1e-9], b[bounds_distance(b, a) <= best + 1e-9]
    few, many = (a, b) if len(a) <= len(b) else (b, a)
    return float(min(best, KDTree(many).query(few)[0].min()))


def _cloud(points: ArrayLike) -> Array:
    """Check the shape of a cloud."""
    array = np.asarray(points, dtype=np.float64)
    if array.size == 0:
        return array.reshape(0, 3)
    if array.ndim != 2 or array.shape[1] != 3:
        raise ValueError(f"expected (m, 3) points, found {array.shape}.")
    return array


def bounds_distance(points: Array, others: Array) -> Array:
    """Distance from points (m, 3) to the axis-aligned bounds of other points, (m,) metres."""
    low, high = others.min(axis=0), others.max(axis=0)
    beyond = np.maximum(np.maximum(low - points, points - high), 0.0)
    return np.sqrt((beyond**2).sum(axis=1))


def _blocks(points: Array) -> list[NDArray[np.int64]]:
    """Cut points into blocks of neighbours: halves across the longest side until they are small."""
    ready: list[NDArray[np.int64]] = []
    open_blocks = [np.arange(len(points))]
    while open_blocks:
        rows = open_blocks.pop()
        if len(rows) <= POINTS_PER_BLOCK:
            ready.append(rows)
            continue
        part = points[rows]
        along = part[:, int(np.argmax(np.ptp(part, axis=0)))]
        order = np.argpartition(along, len(rows) // 2)
        open_blocks += [rows[order[: len(rows) // 2]], rows[order[len(rows) // 2 :]]]
    return ready
