"""Boxes fitted to the points of objects: along the axes, upright and as narrow as can be, or smallest of all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Setting
from qa_engine.datasets.instances import bounding_boxes
from qa_engine.extras import open3d_core
from qa_engine.geometry import Boxes

FITS = ("aligned", "upright", "minimal")
FIT_SETTING = Setting(
    "boxes", "boxes fitted to points: along the axes, turned about z to the least floor area, or least volume", FITS
)
"""The switch of datasets that have no boxes; `minimal` needs Open3D."""

FLAT_M = 1e-6
"""Objects that are thinner than this have no box that is smallest; theirs is along the axes."""


def fit_boxes(points: NDArray[np.float64], instance: NDArray[np.int64], n: int, fit: str) -> Boxes:
    """Fit a box to the points of each instance.

    Parameters
    ----------
    points : (m, 3) float64, metres
        Z up.
    instance : (m,) int64
        0 to n - 1, or -1 for none.
    n : int
    fit : str
        A name in `FITS`.

    Returns
    -------
    Boxes
        The size is 0 where the points have no extent, and NaN where there are none.

    Raises
    ------
    QAEngineError
        `minimal` without Open3D.

    Examples
    --------
    >>> diamond = np.array([[1.0, 0, 0], [-1, 0, 1], [0, 1, 0], [0, -1, 1]])
    >>> fit_boxes(diamond, np.zeros(4, np.int64), 1, "aligned").size.tolist()
    [[2.0, 2.0, 1.0]]
    >>> fit_boxes(diamond, np.zeros(4, np.int64), 1, "upright").size.round(3).tolist()
    [[1.414, 1.414, 1.0]]
    """
    boxes, _ = bounding_boxes(points, instance, n)
    if fit == "aligned":
        return boxes
    one = _upright if fit == "upright" else _minimal()
    order = np.argsort(instance, kind="stable")
    starts = np.searchsorted(instance[order], np.arange(n + 1))
    center, size, rotation = boxes.center.copy(), boxes.size.copy(), boxes.rotation.copy()
    for i in range(n):
        if (boxes.size[i] > FLAT_M).all():
            center[i], size[i], rotation[i] = one(points[order[starts[i] : starts[i + 1]]])
    return Boxes(center, size, rotation)


def _upright(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Turn about z until the floor area is least: a side then lies on an edge of the hull (Freeman, Shapira 1975)."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = points[ConvexHull(points[:, :2]).vertices, :2]
    except QhullError:  # the points lie on a line
        hull = points[:, :2]
    edge = np.roll(hull, -1, axis=0) - hull
    angle = np.arctan2(edge[:, 1], edge[:, 0])
    axes = np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], axis=1).reshape(-1, 2, 2)
    along = axes @ hull.T
    best = int(np.ptp(along, axis=2).prod(axis=1).argmin())
    rotation = np.eye(3)
    rotation[:2, :2] = axes[best]
    local = points @ rotation.T
    low, high = local.min(axis=0), local.max(axis=0)
    return (low + high) / 2 @ rotation, high - low, rotation


def _minimal() -> Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """Make the fit of least volume."""
    o3d = open3d_core("--set boxes=minimal")

    def fit(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        try:
            cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
            found = cloud.get_minimal_oriented_bounding_box(robust=True)
        except RuntimeError:  # Qhull gives up on points that nearly lie in a plane
            return _upright(points)
        rotation = np.asarray(found.R).T
        if np.linalg.det(rotation) < 0:
            rotation = rotation * np.array([-1.0, 1, 1])[:, None]
        return np.asarray(found.center), np.asarray(found.extent), rotation

    return fit
