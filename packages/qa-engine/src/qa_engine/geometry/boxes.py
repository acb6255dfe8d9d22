"""Corners, bounds and membership of oriented boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_engine.arrays import Array


@dataclass(frozen=True, eq=False)
class Boxes:
    """Oriented boxes as columns.

    Attributes
    ----------
    center, size : (n, 3) float64, metres, world frame
    rotation : (n, 3, 3) float64
        Row i is the unit vector of box axis i in the world frame.
    """

    center: Array
    size: Array
    rotation: Array


CORNER_SIGNS = np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
"""Signs of the 8 corners along the box's own axes, the last axis running fastest."""


SUPPORT_GAP_M = 0.05
"""Vertical distance between a top and what stands on it: the noise of a box centre (see `checks.noise`)."""


def box_corners(center: ArrayLike, size: ArrayLike, rotation: ArrayLike) -> Array:
    """Corners of oriented boxes.

    Parameters
    ----------
    center, size : (n, 3) float64, metres
    rotation : (n, 3, 3) float64
        Row i is the unit vector of box axis i in the world frame.

    Returns
    -------
    (n, 8, 3) float64, metres, world frame
        In the order of `CORNER_SIGNS`.

    Examples
    --------
    >>> import numpy as np
    >>> box_corners([[0, 0, 1]], [[2, 4, 2]], np.eye(3)[None])[0, 0].tolist()
    [-1.0, -2.0, 0.0]
    """
    c, s, r = (np.asarray(value, dtype=np.float64) for value in (center, size, rotation))
    half_axes = r * (s * 0.5)[:, :, None]
    signed = CORNER_SIGNS[None, :, :, None] * half_axes[:, None]
    return c[:, None] + ((signed[:, :, 0] + signed[:, :, 1]) + signed[:, :, 2])


FACE_CORNERS = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]], dtype=np.int64
)
"""Corners of the 6 faces, counter-clockwise seen from outside: those at -x, +x, -y, +y, -z and +z of the box."""


def box_faces(center: ArrayLike, size: ArrayLike, rotation: ArrayLike) -> Array:
    """Faces of oriented boxes.

    Parameters
    ----------
    center, size : (n, 3) float64, metres
    rotation : (n, 3, 3) float64
        Row i is the unit vector of box axis i in the world frame.

    Returns
    -------
    (n, 6, 4, 3) float64, metres, world frame
        Corners of each face in the order of `FACE_CORNERS`.

    Examples
    --------
    >>> import numpy as np
    >>> box_faces([[0, 0, 1]], [[2, 4, 2]], np.eye(3)[None])[0, 5, :, 2].tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    return box_corners(center, size, rotation)[:, FACE_CORNERS]


def box_bounds(center: ArrayLike, size: ArrayLike, rotation: ArrayLike) -> Array:
    """Axis-aligned bounds of oriented boxes.

    Returns
    -------
    (n, 2, 3) float64, metres, world frame
        Lowest and highest coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> box_bounds([[0, 0, 1]], [[2, 4, 2]], np.eye(3)[None])[0].tolist()
    [[-1.0, -2.0, 0.0], [1.0, 2.0, 2.0]]
    """
    corners = box_corners(center, size, rotation)
    return np.stack([corners.min(axis=1), corners.max(axis=1)], axis=1)


def point_in_box(points: ArrayLike, center: ArrayLike, size: ArrayLike, rotation: ArrayLike) -> NDArray[np.bool_]:
    """Tell which points lie in a solid box, its surface included.

    Parameters
    ----------
    points : (m, 3) float64, metres
    center, size : (n, 3) float64, metres
    rotation : (n, 3, 3) float64
        Row i is the unit vector of box axis i.

    Returns
    -------
    (n, m) bool

    Notes
    -----
    No tolerance: a point on a face of a turned box may fall to either side by rounding.

    Examples
    --------
    >>> import numpy as np
    >>> point_in_box([[0, 0, 0], [2, 0, 0]], [[0, 0, 0]], [[2, 2, 2]], np.eye(3)[None]).tolist()
    [[True, False]]
    """
    p, c, s, r = (np.asarray(value, dtype=np.float64) for value in (points, center, size, rotation))
    product = (p[None, :, None] - c[:, None, None]) * r[:, None]
    local = (product[..., 0] + product[..., 1]) + product[..., 2]
    return np.asarray((np.abs(local) <= (s * 0.5)[:, None]).all(axis=2))


def level_sides(size: ArrayLike, rotation: ArrayLike) -> Array:
    """Lengths of the two sides of boxes that are not the upright one, the longer first.

    The upright side is the one whose axis points up most.

    Returns
    -------
    (n, 2) float64, metres

    Examples
    --------
    >>> import numpy as np
    >>> level_sides([[1, 2, 3]], np.eye(3)[None]).tolist()
    [[2.0, 1.0]]
    """
    s, r = (np.asarray(value, dtype=np.float64) for value in (size, rotation))
    level = np.argsort(np.abs(r[:, :, 2]), axis=1, kind="stable")[:, :2]
    return np.sort(np.take_along_axis(s, level, axis=1), axis=1)[:, ::-1]


def box_footprint(center: ArrayLike, size: ArrayLike, rotation: ArrayLike) -> list[Array]:
    """Outlines of boxes on the floor plan: the convex hulls of their corners seen from above.

    Returns
    -------
    list of (k, 2) float64, metres, world x and y
        Counter-clockwise, 4 to 6 corners.

    Examples
    --------
    >>> import numpy as np
    >>> len(box_footprint([[0, 0, 1]], [[2, 4, 2]], np.eye(3)[None])[0])
    4
    """
    import shapely

    coordinates, owner = shapely.get_coordinates(footprints(center, size, rotation), return_index=True)
    ends = np.flatnonzero(np.diff(owner, append=-1)) + 1  # each ring ends where it begins
    return [ring[:-1] for ring in np.split(coordinates, ends[:-1])] if len(ends) else []


def footprints(center: ArrayLike, size: ArrayLike, rotation: ArrayLike) -> NDArray[np.object_]:
    """Outlines of boxes on the floor plan as in `box_footprint`, as (n,) shapely polygons."""
    import shapely

    corners = np.round(box_corners(center, size, rotation)[:, :, :2], 12)
    owner = np.repeat(np.arange(len(corners)), corners.shape[1])
    every = np.asarray(shapely.points(corners.reshape(-1, 2)), dtype=object)
    points = shapely.multipoints(every, indices=owner)
    return np.asarray(shapely.orient_polygons(shapely.convex_hull(points)), dtype=object)
