"""Where cameras stand, look and move: poses are `world_from_camera` with OpenCV axes, in a world with Z up."""

from __future__ import annotations

import numpy as np

from qa_engine.arrays import Array
from qa_engine.geometry.directions import bearing_deg, turn_deg


def image_middles(box_2d: Array) -> Array:
    """Middles of image boxes.

    Parameters
    ----------
    box_2d : (..., 4) float64, pixels

    Returns
    -------
    (..., 2) float64, pixels

    Examples
    --------
    >>> image_middles(np.array([0.0, 10, 20, 30])).tolist()
    [10.0, 20.0]
    """
    return (box_2d[..., :2] + box_2d[..., 2:]) / 2


def box_depths_m(pose: Array, center: Array) -> Array:
    """Depth of points along the direction of view, negative behind the camera.

    Parameters
    ----------
    pose : (n, 4, 4) float64
    center : (n, 3) float64, metres, world frame

    Returns
    -------
    (n,) float64, metres

    Examples
    --------
    >>> box_depths_m(np.eye(4)[None], np.array([[1.0, 0, 3]])).tolist()
    [3.0]
    """
    return ((center - pose[:, :3, 3]) * pose[:, :3, 2]).sum(axis=1)


def camera_distances_m(pose: Array, center: Array, size: Array, rotation: Array) -> Array:
    """Distance from cameras to the closest point of solid boxes; 0 within one.

    Parameters
    ----------
    pose : (n, 4, 4) float64
    center, size : (n, 3) float64, metres
    rotation : (n, 3, 3) float64, rows = box axes

    Returns
    -------
    (n,) float64, metres

    Examples
    --------
    >>> camera_distances_m(np.eye(4)[None], np.array([[0.0, 0, 3]]), np.full((1, 3), 2.0), np.eye(3)[None]).tolist()
    [2.0]
    """
    local = np.einsum("nij,nj->ni", rotation, pose[:, :3, 3] - center)
    outside = np.maximum(np.abs(local) - size / 2, 0.0)
    return np.sqrt((outside**2).sum(axis=1))


def headings_deg(pose: Array) -> Array:
    """Bearing of the direction of view on the floor plan.

    Returns
    -------
    (n,) float64, degrees in (-180, 180]
    """
    return bearing_deg(np.zeros(2), pose[:, :2, 2])


def levelness(pose: Array) -> Array:
    """Length of the direction of view on the floor plan: 1 for a level camera, 0 for one that looks straight down.

    Examples
    --------
    >>> levelness(np.eye(4)[None]).tolist()
    [0.0]
    """
    return np.hypot(pose[:, 0, 2], pose[:, 1, 2])


def view_turns_deg(pose: Array, center: Array) -> Array:
    """Counter-clockwise turns from the view of cameras to points, seen from above.

    Returns
    -------
    (n,) float64, degrees in [0, 360): below 180 the point is to the left
    """
    return turn_deg(headings_deg(pose), bearing_deg(pose[:, :3, 3], center))


def yaws_deg(pose: Array, other: Array) -> Array:
    """Measure turns of the view from one camera to another, seen from above.

    Returns
    -------
    (n,) float64, degrees in (-180, 180]: to the left above 0
    """
    turn = turn_deg(headings_deg(pose), headings_deg(other))
    return np.where(turn > 180, turn - 360, turn)


def motion_m(pose: Array, other: Array) -> Array:
    """Where other cameras are, as the first ones see it when held level.

    Returns
    -------
    (n, 3) float64, metres: ahead, to the left, up
    """
    step = other[:, :3, 3] - pose[:, :3, 3]
    angle = np.radians(headings_deg(pose))
    ahead = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    left = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    return np.stack([(step[:, :2] * ahead).sum(axis=1), (step[:, :2] * left).sum(axis=1), step[:, 2]], axis=1)


def path_m(position: Array) -> float:
    """Length of the way over positions (f, 3), metres.

    Examples
    --------
    >>> path_m(np.array([[0.0, 0, 0], [3, 4, 0], [3, 4, 1]]))
    6.0
    """
    return float(np.sqrt((np.diff(position, axis=0) ** 2).sum(axis=1)).sum())
