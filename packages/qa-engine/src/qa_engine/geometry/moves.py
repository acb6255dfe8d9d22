"""Boxes and cameras of a world that is turned, moved and scaled as a whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa_engine.geometry.boxes import Boxes


def move_boxes(boxes: Boxes, target_from_source: NDArray[np.float64]) -> Boxes:
    """Turn, move and scale oriented boxes.

    Parameters
    ----------
    boxes : Boxes
        Source coordinates, rows of `rotation` = box axes.
    target_from_source : (4, 4) float64
        A turn or mirror, one scale for all axes, and a shift.

    Returns
    -------
    Boxes
        Right-handed also after a mirror: then the first axis points the other way, which leaves the box the same.

    Examples
    --------
    >>> box = Boxes(np.array([[0.0, 1, 0]]), np.array([[1.0, 2, 3]]), np.eye(3)[None])
    >>> move_boxes(box, np.diag([2.0, 2, 2, 1])).size.round(9).tolist()
    [[2.0, 4.0, 6.0]]
    """
    linear, scale = linear_and_scale(target_from_source)
    rotation = boxes.rotation @ linear.T
    if np.linalg.det(linear) < 0:
        rotation = rotation * np.array([-1.0, 1, 1])[:, None]
    center = boxes.center @ target_from_source[:3, :3].T + target_from_source[:3, 3]
    return Boxes(center, boxes.size * scale, rotation)


def move_poses(source_from_camera: NDArray[np.float64], target_from_source: NDArray[np.float64]) -> NDArray:
    """Turn, move and scale camera poses (..., 4, 4); the camera axes stay and lengths take the scale of the matrix.

    Examples
    --------
    >>> move_poses(np.eye(4), np.diag([0.5, 0.5, 0.5, 1]))[0].round(9).tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    linear, _scale = linear_and_scale(target_from_source)
    moved = target_from_source @ source_from_camera
    moved[..., :3, :3] = linear @ source_from_camera[..., :3, :3]
    return moved


def linear_and_scale(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Split the upper left (3, 3) of a transform into a rotation or mirror and a scale.

    Examples
    --------
    >>> linear_and_scale(np.diag([2.0, 2, 2, 1]))[1].__round__(9)
    2.0
    """
    scale = float(np.cbrt(abs(np.linalg.det(matrix[:3, :3]))))
    return matrix[:3, :3] / scale, scale
