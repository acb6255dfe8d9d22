"""labelCloud: boxes that people draw in clouds, by middle and angles or by their eight corners.

References
----------
ch-sa/labelCloud, `labelCloud/io/labels/centroid.py`, `vertices.py` and `utils/math3d.py`: `dimensions` are full lengths
along x, y, z; `rotations` turn about x, then y, then z, in degrees (`centroid_abs`) or radians (`centroid_rel`); corner
0 goes to corner 3 along the length, to 1 along the width, to 4 along the height.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import (
    MAX_BYTES,
    Annotated,
    Annotation,
    BoxFormat,
    Collected,
    files_with,
    turned_by_euler,
)
from qa_engine.formats.parsing import expect, member, number, numbers, read_json

LENGTHS = ("length", "width", "height")
SQUARE = 1e-3
"""Edges of a box are at right angles within this: corners are rounded to 8 digits, or to 3."""


def read_labelcloud(found: Annotated) -> Annotation:
    """Read labels; one that is damaged is refused alone."""
    name = found.path.name
    value = expect(read_json(found.path, max_bytes=MAX_BYTES)[0], dict, name)
    boxes = Collected()
    for i, item in enumerate(member(value, "objects", list, name)):
        field = f"{name}: objects[{i}]"
        try:
            entry = expect(item, dict, field)
            label = member(entry, "name", str, field)
            center, size, axes = _corners(entry, field) if "vertices" in entry else _centroid(entry, found, field)
            boxes.add(label, i, center, size, axes)
        except SceneError as error:
            boxes.refused.append(error)
    return boxes.annotation()


def _centroid(entry: dict[str, Any], found: Annotated, field: str) -> tuple[Any, Any, NDArray[np.float64]]:
    """Read middle, lengths and angles."""

    def three(key: str, names: tuple[str, ...]) -> NDArray[np.float64]:
        value = member(entry, key, dict, field)
        return np.array([number(value.get(name), f"{field}.{key}.{name}") for name in names])

    center, size, angles = three("centroid", ("x", "y", "z")), three("dimensions", LENGTHS), np.zeros(3)
    if "rotations" in entry:
        angles = found.radians(three("rotations", ("x", "y", "z")), f"{field}.rotations", unit="degrees")
    return center, size, turned_by_euler("xyz", angles)[0]


def _corners(entry: dict[str, Any], field: str) -> tuple[Any, Any, NDArray[np.float64]]:
    """Read eight corners."""
    rows = member(entry, "vertices", list, field)
    if len(rows) != 8:
        raise SceneError(f"{field}.vertices", f"{len(rows)} corners, a box has 8", reason=IngestReason.WRONG_TYPE)
    points = np.array([numbers(row, 3, f"{field}.vertices") for row in rows])
    edges = points[[3, 1, 4]] - points[0]
    size = np.linalg.norm(edges, axis=1)
    axes = edges / np.maximum(size, 1e-12)[:, None]
    if np.abs(axes @ axes.T - np.eye(3)).max() > max(SQUARE, 0.002 / max(size.min(), 1e-9)):
        raise SceneError(f"{field}.vertices", "the corners are those of no box", reason=IngestReason.BAD_ROTATION)
    u, _, v = np.linalg.svd(axes)  # the nearest axes at right angles
    axes = u @ v
    if np.linalg.det(axes) < 0:  # corner 1 lies across the width the other way round
        axes[1] *= -1
    return points.mean(axis=0), size, axes


LABELCLOUD = BoxFormat(
    name="labelcloud",
    title="labelCloud",
    told_by="`*.json`, `labels/*.json` with `centroid`, or with `objects` and `vertices`",
    up=None,
    turned_by="degrees about x, y, z; `--set yaw=radians` for `centroid_rel`",
    find=lambda folder: (
        files_with(b'"objects"', b'"centroid"', b'"dimensions"', without=(b'"segGroups"',))(folder)
        or files_with(b'"objects"', b'"vertices"', b'"filename"')(folder)
    ),
    read=read_labelcloud,
)
