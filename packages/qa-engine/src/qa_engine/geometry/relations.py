"""What stands on and lies in what, from boxes."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from qa_engine.arrays import Array
from qa_engine.geometry.boxes import SUPPORT_GAP_M, box_corners

SUPPORT_OVERLAP = 0.5
"""Share of the upper footprint that lies over the lower one: with less, the middle of a box hangs in the air."""

CONTAIN_TOLERANCE_M = 0.01
"""How far a corner may stick out of a box that contains it."""


def box_contains(
    center_a: ArrayLike,
    size_a: ArrayLike,
    rotation_a: ArrayLike,
    center_b: ArrayLike,
    size_b: ArrayLike,
    rotation_b: ArrayLike,
    *,
    tolerance_m: float = CONTAIN_TOLERANCE_M,
) -> NDArray[np.bool_]:
    """Tell for which pairs box a contains box b.

    Parameters
    ----------
    center_a, size_a, center_b, size_b : (n, 3) float64, metres
    rotation_a, rotation_b : (n, 3, 3) float64
        Row i is the unit vector of box axis i in the world frame.
    tolerance_m : float
        How far b may stick out.

    Returns
    -------
    (n,) bool

    Notes
    -----
    A solid box is convex: it contains another exactly when it contains the 8 corners.

    Examples
    --------
    >>> eye = np.eye(3)[None]
    >>> bool(box_contains([[0, 0, 0]], [[2, 2, 2]], eye, [[0.5, 0, 0]], [[0.5, 1, 1]], eye)[0])
    True
    """
    c, s, r = (np.asarray(value, dtype=np.float64) for value in (center_a, size_a, rotation_a))
    local = np.einsum("nmd,nkd->nmk", box_corners(center_b, size_b, rotation_b) - c[:, None], r)
    return np.asarray((np.abs(local) <= (s * 0.5)[:, None] + tolerance_m).all(axis=(1, 2)))


def footprint_overlap(
    center_a: ArrayLike,
    size_a: ArrayLike,
    rotation_a: ArrayLike,
    center_b: ArrayLike,
    size_b: ArrayLike,
    rotation_b: ArrayLike,
) -> Array:
    """Area that the footprints of two boxes share on the floor plan.

    Returns
    -------
    (n,) float64, m2

    Examples
    --------
    >>> eye = np.eye(3)[None]
    >>> float(footprint_overlap([[0, 0, 0]], [[2, 2, 1]], eye, [[1, 0, 5]], [[2, 1, 1]], eye)[0])
    1.0
    """
    return shapely.area(
        shapely.intersection(_footprints(center_a, size_a, rotation_a), _footprints(center_b, size_b, rotation_b))
    )


def box_supports(
    center_a: ArrayLike,
    size_a: ArrayLike,
    rotation_a: ArrayLike,
    center_b: ArrayLike,
    size_b: ArrayLike,
    rotation_b: ArrayLike,
    *,
    gap_m: float = SUPPORT_GAP_M,
) -> NDArray[np.bool_]:
    """Tell for which pairs box b stands on box a.

    Parameters
    ----------
    center_a, size_a, center_b, size_b : (n, 3) float64, metres, Z up
    rotation_a, rotation_b : (n, 3, 3) float64
        Row i is the unit vector of box axis i in the world frame.
    gap_m : float
        Vertical distance, either way, between the highest point of a and the lowest of b.

    Returns
    -------
    (n,) bool

    Notes
    -----
    At least `SUPPORT_OVERLAP` of b's footprint has to lie over a's. An annotated box of a shelf or table ends at its
    top, so what stands on a middle board is contained rather than supported.

    Examples
    --------
    >>> eye = np.eye(3)[None]
    >>> table, lamp = ([[0, 0, 0.4]], [[2, 1, 0.8]], eye), ([[0.5, 0, 1.0]], [[0.2, 0.2, 0.4]], eye)
    >>> bool(box_supports(*table, *lamp)[0]), bool(box_supports(*lamp, *table)[0])
    (True, False)
    """
    top = box_corners(center_a, size_a, rotation_a)[..., 2].max(axis=1)
    bottom = box_corners(center_b, size_b, rotation_b)[..., 2].min(axis=1)
    upper = _footprints(center_b, size_b, rotation_b)
    shared = shapely.area(shapely.intersection(_footprints(center_a, size_a, rotation_a), upper))
    return (np.abs(bottom - top) <= gap_m) & (shared > 0) & (shared >= SUPPORT_OVERLAP * shapely.area(upper) - 1e-12)


def _footprints(center: ArrayLike, size: ArrayLike, rotation: ArrayLike) -> NDArray[np.object_]:
    """Convex outlines of boxes seen from above, (n,) polygons."""
    xy = box_corners(center, size, rotation)[:, :, :2]
    corners = shapely.multipoints(xy.reshape(-1, 2), indices=np.repeat(np.arange(len(xy)), 8))
    return np.asarray(shapely.convex_hull(corners), dtype=object)
