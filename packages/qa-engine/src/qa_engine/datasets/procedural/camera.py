"""The camera walk through a room."""

from __future__ import annotations

import numpy as np

from qa_engine.datasets.procedural.layout import Room

FIELD_OF_VIEW_RAD = np.deg2rad(96.0)
"""Horizontal and vertical; from a corner the whole room lies within 90 degrees."""
EYE_HEIGHT_M = 1.6
LOOK_AT_HEIGHT_M = 0.5


def intrinsics(size: int) -> np.ndarray:
    """Pinhole matrix (3, 3) of a square image; pixel centres lie at whole numbers.

    Examples
    --------
    >>> intrinsics(101)[0, 2].item()
    50.0
    """
    focal = size / 2 / np.tan(FIELD_OF_VIEW_RAD / 2)
    center = (size - 1) / 2
    return np.array([[focal, 0.0, center], [0.0, focal, center], [0.0, 0.0, 1.0]])


def walk(room: Room, frames: int) -> np.ndarray:
    """Poses along the walk, evenly spaced from its first to its last corner, all looking to the middle of the room.

    Parameters
    ----------
    room : Room
    frames : int
        Number of poses; one alone stands at the start.

    Returns
    -------
    world_from_camera : (frames, 4, 4) float64
        OpenCV cameras: x right, y down, z forward.
    """
    legs = np.linalg.norm(np.diff(room.path, axis=0), axis=1)
    along = np.linspace(0.0, legs.sum(), frames)
    distance = np.concatenate([[0.0], np.cumsum(legs)])
    eye = np.stack(
        [
            np.interp(along, distance, room.path[:, 0]),
            np.interp(along, distance, room.path[:, 1]),
            np.full(frames, EYE_HEIGHT_M),
        ],
        axis=1,
    )
    target = np.array([*room.extent / 2, LOOK_AT_HEIGHT_M])
    forward = target - eye
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    pose = np.tile(np.eye(4), (frames, 1, 1))
    pose[:, :3, :3] = np.stack([right, np.cross(forward, right), forward], axis=2)
    pose[:, :3, 3] = eye
    return pose
