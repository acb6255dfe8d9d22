"""Exact distance between solid oriented boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qa_engine.arrays import Array

PAIRS_PER_CHUNK = 1024
"""Pairs handled at once; the temporary arrays of a chunk then stay in the processor's second-level cache."""

PARALLEL = 1e-14
"""Squared sine below which two edges count as parallel: their distance is then that of an end point, which the
vertex-to-box term covers to better than 1e-12 m for furniture-sized boxes."""

_OTHER = ((1, 2), (2, 0), (0, 1))


def box_distance(
    center_a: ArrayLike,
    size_a: ArrayLike,
    rotation_a: ArrayLike,
    center_b: ArrayLike,
    size_b: ArrayLike,
    rotation_b: ArrayLike,
) -> Array:
    """Shortest distance between pairs of solid oriented boxes; 0 where they touch or overlap.

    Parameters
    ----------
    center_a, center_b : (n, 3) float64, metres, world frame
    size_a, size_b : (n, 3) float64, full extents, metres
        A zero extent makes a plate, a stick or a point.
    rotation_a, rotation_b : (n, 3, 3) float64
        Row i is the unit vector of box axis i in the world frame.

    Returns
    -------
    (n,) float64, metres
        NaN where an input of the pair is NaN.

    Raises
    ------
    ValueError
        The shapes do not fit.

    Notes
    -----
    The closest points of two separate convex solids are a vertex and a point of the other solid, or interior points of
    two edges. The first is a clamp in the box's own frame, the second the distance of two lines, valid where the feet
    of the common perpendicular lie on both edges. Separation is decided on the 15 axes of the separating axis theorem.
    Nothing is sampled; results agree with bounded least squares to 1e-9 m.

    Examples
    --------
    >>> import numpy as np
    >>> eye = np.eye(3)[None]
    >>> float(box_distance([[0, 0, 0]], [[1, 1, 1]], eye, [[3, 0, 0]], [[1, 1, 1]], eye)[0])
    2.0
    """
    arrays = _boxes(center_a, size_a, rotation_a) + _boxes(center_b, size_b, rotation_b)
    n = len(arrays[0])
    if len(arrays[3]) != n:
        raise ValueError(f"expected as many boxes on both sides, found {n} and {len(arrays[3])}.")
    result = np.empty(n)
    for start in range(0, n, PAIRS_PER_CHUNK):
        part = slice(start, start + PAIRS_PER_CHUNK)
        result[part] = _chunk_distance(*(array[part] for array in arrays))
    return result


def _boxes(center: ArrayLike, size: ArrayLike, rotation: ArrayLike) -> tuple[Array, Array, Array]:
    """Check the shapes of boxes and return them as float64."""
    c, s, r = (np.asarray(value, dtype=np.float64) for value in (center, size, rotation))
    if c.ndim != 2 or c.shape[1] != 3 or s.shape != c.shape or r.shape != (len(c), 3, 3):
        raise ValueError(f"expected (n, 3), (n, 3) and (n, 3, 3), found {c.shape}, {s.shape} and {r.shape}.")
    return c, s, r


def _chunk_distance(ca: Array, sa: Array, ra: Array, cb: Array, sb: Array, rb: Array) -> Array:
    """Distance for one chunk. Inside, pairs run along the last axis, and everything is in the frame of box a.

    `cosine[i, j]` is the product of axis i of a with axis j of b; `offset` leads from a to b along a's axes,
    `offset_b` along b's axes. Products are written out, so that a pair's result does not depend on its neighbours.
    """
    half_a, half_b = sa.T * 0.5, sb.T * 0.5
    axes_a, axes_b = np.ascontiguousarray(ra.transpose(1, 2, 0)), np.ascontiguousarray(rb.transpose(1, 2, 0))
    cosine = _product(axes_a[:, None], axes_b[None, :], axis=2)
    between = (cb - ca).T
    offset = _product(axes_a, between[None], axis=1)
    offset_b = _product(axes_b, between[None], axis=1)

    squared = np.minimum(
        _vertices_to_box(-offset_b, half_a[:, None] * cosine, half_b),
        _vertices_to_box(offset, half_b[:, None] * cosine.transpose(1, 0, 2), half_a),
    )
    magnitude = np.abs(cosine)
    gap = np.maximum(
        (np.abs(offset) - half_a - _product(magnitude, half_b[None], axis=1)).max(axis=0),
        (np.abs(offset_b) - half_b - _product(magnitude.transpose(1, 0, 2), half_a[None], axis=1)).max(axis=0),
    )
    for i in range(3):
        for j in range(3):
            edge, axis_gap = _edges(i, j, cosine, offset, offset_b, half_a, half_b)
            np.minimum(squared, edge, out=squared)
            np.maximum(gap, axis_gap, out=gap)
    distance = np.sqrt(squared)
    distance[gap <= 0.0] = 0.0
    return distance


def _product(a: Array, b: Array, *, axis: int) -> Array:
    """Sum of products over an axis of length 3, left to right, without BLAS."""
    product = a * b
    x, y, z = (np.take(product, k, axis=axis) for k in range(3))
    return (x + y) + z


def _vertices_to_box(center: Array, axes: Array, half: Array) -> Array:
    """Squared distance from the nearest of 8 vertices to a box that is centred and aligned.

    `center` (3, n) and the half axes `axes` (3 axes, 3 coordinates, n) belong to the other box.
    """
    total = None
    for k in range(3):
        x, y, z = axes[0, k], axes[1, k], axes[2, k]
        first = np.stack([center[k] - x, center[k] + x])
        second = np.stack([-y - z, z - y, y - z, y + z])
        beyond = np.abs(first[:, None] + second[None])
        beyond -= half[k]
        np.maximum(beyond, 0.0, out=beyond)
        beyond *= beyond
        total = beyond if total is None else np.add(total, beyond, out=total)
    assert total is not None
    return total.min(axis=(0, 1))


def _edges(
    i: int, j: int, cosine: Array, offset: Array, offset_b: Array, half_a: Array, half_b: Array
) -> tuple[Array, Array]:
    """Squared distance of the 16 edge pairs along axis i of a and axis j of b, and the gap along their normal.

    Infinite where the common perpendicular meets no edge pair inside, -infinite gap where the edges are parallel.
    """
    (p, q), (r, s) = _OTHER[i], _OTHER[j]
    # The normal e_i x b_j has the components p: -cosine[q, j], q: cosine[p, j] along a's axes.
    sine2 = cosine[p, j] ** 2 + cosine[q, j] ** 2
    parallel = sine2 < PARALLEL
    inverse = 1.0 / np.where(parallel, 1.0, sine2)
    along_normal = offset[q] * cosine[p, j] - offset[p] * cosine[q, j]

    a_p, a_q = half_a[p], half_a[q]
    b_r, b_s = half_b[r], half_b[s]
    normal_a_p, normal_a_q = -a_p * cosine[q, j], a_q * cosine[p, j]
    normal_b_r = b_r * (cosine[p, j] * cosine[q, r] - cosine[q, j] * cosine[p, r])
    normal_b_s = b_s * (cosine[p, j] * cosine[q, s] - cosine[q, j] * cosine[p, s])
    radius = np.abs(normal_a_p) + np.abs(normal_a_q) + np.abs(normal_b_r) + np.abs(normal_b_s)
    gap = (np.abs(along_normal) - radius) * np.sqrt(inverse)
    gap[parallel] = -np.inf

    # Foot points: s on the edge of a, u on the edge of b, for edge middles that differ by w.
    w_i = offset[i] + _four(b_r * cosine[i, r], b_s * cosine[i, s])
    w_j = offset_b[j] - _four(a_p * cosine[p, j], a_q * cosine[q, j])
    c = cosine[i, j]
    foot = w_i[:, None] - (c * w_j)[None]
    inside = np.abs(foot, out=foot) <= np.where(parallel, -1.0, half_a[i] * sine2)
    np.subtract((c * w_i)[:, None], w_j[None], out=foot)
    inside &= np.abs(foot, out=foot) <= half_b[j] * sine2
    np.subtract((along_normal + _four(normal_b_r, normal_b_s))[:, None], _four(normal_a_p, normal_a_q)[None], out=foot)
    foot *= foot
    apart = np.min(foot, axis=(0, 1), where=inside, initial=np.inf)
    return apart * inverse, gap


def _four(x: Array, y: Array) -> Array:
    """Return the four signed sums of two half axes, (4, n)."""
    return np.stack([-x - y, y - x, x - y, x + y])
