"""Floor area of a room from the points of its scan."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import binary_closing, binary_fill_holes
from scipy.spatial import Delaunay, QhullError

from qa_engine.arrays import Array

CELL_M = 0.1
"""Side of a cell of the occupancy grid: wider than the gaps between points of a room scan (2 to 5 cm)."""

CLOSING_CELLS = 2
"""Gaps of up to twice this many cells are bridged before holes are filled."""

ALPHA = 5.0
"""Inverse of the largest circumradius of the alpha shape, 1/m: VSI-Bench's value, which keeps triangles below 0.2 m."""


def occupancy_area(points_xy: ArrayLike, *, cell_m: float = CELL_M) -> float:
    """Area of the cells that hold points, gaps and enclosed holes included.

    Parameters
    ----------
    points_xy : (n, 2) float64, metres
    cell_m : float
        Side of a cell.

    Returns
    -------
    float, m2

    Notes
    -----
    Cells on the border are covered by half on average, whatever its direction: half a cell per exposed side is taken
    off.

    Examples
    --------
    >>> x, y = np.meshgrid(np.linspace(0, 4, 81), np.linspace(0, 3, 61))
    >>> round(occupancy_area(np.stack([x.ravel(), y.ravel()], axis=1)), 1)
    12.0
    """
    points = _plane(points_xy)
    if len(points) == 0:
        return 0.0
    pad = CLOSING_CELLS + 1
    # The lowest point lies in the middle of a cell, so that straight walls along the axes are half covered, too.
    place = np.floor((points - points.min(axis=0)) / cell_m + 0.5).astype(np.int64) + pad
    grid = np.zeros(place.max(axis=0) + pad + 1, dtype=bool)
    grid[place[:, 0], place[:, 1]] = True
    grid = binary_fill_holes(binary_closing(grid, iterations=CLOSING_CELLS))
    assert grid is not None
    exposed = np.count_nonzero(np.diff(grid, axis=0)) + np.count_nonzero(np.diff(grid, axis=1))
    return float(max(np.count_nonzero(grid) - exposed / 2 + 1, 0) * cell_m**2)


def alpha_shape_area(points_xy: ArrayLike, *, alpha: float = ALPHA) -> float:
    """Area of the Delaunay triangles whose circumradius is below 1 / alpha.

    Parameters
    ----------
    points_xy : (n, 2) float64, metres
    alpha : float
        1/m.

    Returns
    -------
    float, m2

    Examples
    --------
    >>> x, y = np.meshgrid(np.linspace(0, 4, 81), np.linspace(0, 3, 61))
    >>> round(alpha_shape_area(np.stack([x.ravel(), y.ravel()], axis=1)), 6)
    12.0
    """
    points = np.unique(_plane(points_xy), axis=0)
    if len(points) < 3:
        return 0.0
    try:
        corners = points[Delaunay(points).simplices]
    except QhullError:  # all points on one line
        return 0.0
    sides = np.stack([np.linalg.norm(corners[:, i] - corners[:, i - 1], axis=1) for i in range(3)])
    edge, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(edge[:, 0] * other[:, 1] - edge[:, 1] * other[:, 0]) / 2
    # The circumradius is the product of the sides over four times the area.
    return float(area[sides.prod(axis=0) * alpha < 4 * area].sum())


ROOM_AREA_METHODS: dict[str, Callable[..., float]] = {"occupancy": occupancy_area, "alpha_shape": alpha_shape_area}
"""Method name to function."""


def room_area(points_xy: ArrayLike, method: str = "occupancy") -> float:
    """Floor area of a room.

    Parameters
    ----------
    points_xy : (n, 2) float64, metres
        Points of the scan on the floor plan; the whole scan, not the floor alone, as furniture hides parts of it.
    method : str
        `occupancy` or `alpha_shape`.

    Returns
    -------
    float, m2

    Raises
    ------
    ValueError
        There is no such method, or the points have another shape.

    Notes
    -----
    The default is `occupancy`, because a room is its floor also where furniture hid it from the scanner and where the
    scan is sparse: it fills enclosed holes, while the alpha shape leaves them out and falls apart where points are more
    than 1/alpha apart. `alpha_shape` is VSI-Bench's definition; the benchmark draws 10,000 points without a seed first,
    so its published areas cannot be reproduced to the digit by anybody.

    Examples
    --------
    >>> x, y = np.meshgrid(np.linspace(0, 4, 81), np.linspace(0, 3, 61))
    >>> round(room_area(np.stack([x.ravel(), y.ravel()], axis=1), method="occupancy"))
    12
    """
    if method not in ROOM_AREA_METHODS:
        raise ValueError(f"unknown method {method!r}; valid: {', '.join(ROOM_AREA_METHODS)}.")
    return ROOM_AREA_METHODS[method](points_xy)


def _plane(points_xy: ArrayLike) -> Array:
    """Check the shape of points on the floor plan; points with NaN are left out."""
    points = np.asarray(points_xy, dtype=np.float64)
    if points.size == 0:
        return points.reshape(0, 2)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"expected (n, 2) points, found {points.shape}.")
    return points[np.isfinite(points).all(axis=1)]
