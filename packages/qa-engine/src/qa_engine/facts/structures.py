"""Answers that are JSON, written from geometry: a map on a grid, a box seen from a camera, relations in an image."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.geometry.boxes import level_sides
from qa_engine.geometry.cameras import headings_deg

CELLS = 10
"""Cells along a side of a map (arXiv 2412.14171)."""

NAMES = "ABCDEFGH"
"""What questions call the things that they list."""


def grid_cells(plan: Array, up: Array) -> tuple[Rows, float]:
    """Put places on a square grid of `CELLS` by `CELLS` cells.

    Parameters
    ----------
    plan : (n, 2) float64, metres
        Seen from above.
    up : (2,) float64
        Direction of length 1 that points up on the map.

    Returns
    -------
    (n, 2) int64, float
        Column from the left and row from the bottom, from 0, and the side of a cell in metres.

    Notes
    -----
    The square is the smallest one around the places with half a cell of margin, so that every place lies inside.

    Examples
    --------
    >>> cells, side = grid_cells(np.array([[0.0, 0], [9, 0], [9, 4.5]]), np.array([0.0, 1]))
    >>> cells.tolist(), round(side, 2)
    ([[0, 2], [9, 2], [9, 7]], 1.0)
    """
    turned = plan @ np.stack([[up[1], -up[0]], up], axis=1)
    low, high = turned.min(axis=0, initial=np.inf), turned.max(axis=0, initial=-np.inf)
    side = float((high - low).max(initial=0.0)) * CELLS / (CELLS - 1) if len(plan) else 0.0
    side = side or 1.0
    corner = (low + high - side) / 2
    return np.clip((turned - corner) / side * CELLS, 0, CELLS - 1).astype(int), side / CELLS


def map_text(plan: Array) -> str:
    """Write the map on which the second place is straight up from the first; (n, 2) metres, seen from above.

    Examples
    --------
    >>> map_text(np.array([[0.0, 0], [0, 4], [2, 2]]))
    '{"A": [2, 0], "B": [2, 9], "C": [7, 5]}'
    """
    ahead = plan[1] - plan[0]
    cells, _ = grid_cells(plan, ahead / np.linalg.norm(ahead))
    return json.dumps(dict(zip(NAMES, cells.tolist(), strict=False)))


def box_text(pose: Array, center: Array, size: Array, rotation: Array) -> str:
    """Write an upright box as a camera sees it that stands where it stands and is held level.

    Parameters
    ----------
    pose : (4, 4) float64
        `world_from_camera`, OpenCV axes, in a world with Z up.
    center, size : (3,) float64, metres
    rotation : (3, 3) float64, rows = box axes

    Returns
    -------
    str
        `center` to the right, ahead and up from the camera, `size` with the longer level side first and the height
        last, in centimetres' precision; `yaw` in whole degrees from the right to the longer side, -90 to 89,
        counter-clockwise seen from above.

    Examples
    --------
    >>> pose = np.array([[1.0, 0, 0, 1], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])  # looks along y
    >>> box_text(pose, np.array([2.0, 3, 0.5]), np.array([0.5, 2, 1]), np.eye(3))
    '{"center": [1.0, 3.0, -1.0], "size": [2.0, 0.5, 1.0], "yaw": -90}'
    """
    heading = np.radians(float(headings_deg(pose[None])[0]))
    right = np.array([np.sin(heading), -np.cos(heading)])
    ahead = np.array([np.cos(heading), np.sin(heading)])
    step = center - pose[:3, 3]
    upright = int(np.argmax(np.abs(rotation[:, 2])))
    level = [k for k in range(3) if k != upright]
    longer = rotation[max(level, key=lambda k: size[k]), :2]
    yaw = (np.degrees(np.arctan2(longer @ ahead, longer @ right)) + 90) % 180 - 90
    box = {
        "center": _rounded(np.array([step[:2] @ right, step[:2] @ ahead, step[2]])),
        "size": _rounded(np.append(level_sides(size[None], rotation[None])[0], size[upright])),
        "yaw": (round(float(yaw)) + 90) % 180 - 90,
    }
    return json.dumps(box)


def relations_text(image_x: Array, distance_m: Array) -> str:
    """Write which of some things are left of others in an image, and nearer to the camera, (n,) each.

    Examples
    --------
    >>> relations_text(np.array([10.0, 90]), np.array([3.0, 1]))
    '[["A", "left of", "B"], ["B", "nearer than", "A"]]'
    """
    found = [
        [NAMES[i], relation, NAMES[j]] if values[i] < values[j] else [NAMES[j], relation, NAMES[i]]
        for relation, values in (("left of", image_x), ("nearer than", distance_m))
        for i, j in combinations(range(len(values)), 2)
    ]
    return json.dumps(found)


def _rounded(values: Array) -> list[float]:
    """Round to centimetres, without minus zero."""
    return [round(value, 2) + 0.0 for value in values.tolist()]
