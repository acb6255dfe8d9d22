"""RoomPlan: Apple's JSON of a captured room, with boxes of furniture, flat walls, doors and windows, and the floor.

References
----------
Apple's `CapturedRoom`: `objects[]`, `walls[]`, `doors[]`, `windows[]`, `openings[]` and, since iOS 17, `floors[]` have
a `category` (an object of one key), `dimensions` (full lengths along x, y, z of their own axes) and a `transform` of 16
numbers by columns, metres, Y up. `polygonCorners` lie in the axes of their surface.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import MAX_BYTES, Annotated, Annotation, BoxFormat, Collected, files_with
from qa_engine.formats.annotations.outlines import THICKNESS_M, outline_of_walls
from qa_engine.formats.parsing import expect, member, numbers, read_json

FLAT = {"walls": "wall", "doors": "door", "windows": "window"}
"""Lists of surfaces, which have no thickness, and what they are called where they say nothing else."""


def read_roomplan(found: Annotated) -> Annotation:
    """Read a room; an object that is damaged is refused alone.

    Raises
    ------
    SceneError
        The file is no JSON of RoomPlan.
    """
    name = found.path.name
    room = expect(read_json(found.path, max_bytes=MAX_BYTES)[0], dict, name)
    boxes = Collected()
    for key in ("objects", *FLAT):
        for i, item in enumerate(expect(room.get(key, []), list, key)):
            field = f"{name}: {key}[{i}]"
            try:
                pose, size = _pose(item, field), numbers(member(item, "dimensions", list, field), 3, field)
                size[2] = size[2] or (THICKNESS_M if key in FLAT else 0.0)
                label = FLAT.get(key) or _category(item, field)
                boxes.add(label, len(boxes.labels), pose[:3, 3], size, pose[:3, :3].T)
            except SceneError as error:
                boxes.refused.append(error)
    if n := len(expect(room.get("openings", []), list, "openings")):
        problem = f"{n} openings in walls are no objects"
        boxes.refused.append(SceneError(f"{name}: openings", problem, reason=IngestReason.SKIPPED))
    return boxes.annotation(floor=_floor(room, name))


def _category(item: dict[str, Any], field: str) -> str:
    """Read what an object is: `{"chair": {}}`, or a text."""
    value = item.get("category")
    if isinstance(value, dict) and len(value) == 1:
        return str(next(iter(value)))
    return expect(value, str, f"{field}.category")


def _pose(item: Any, field: str) -> NDArray[np.float64]:
    """Read a transform (4, 4)."""
    matrix = np.reshape(numbers(expect(item, dict, field).get("transform"), 16, f"{field}.transform"), (4, 4)).T
    if np.abs(matrix[:3, :3] @ matrix[:3, :3].T - np.eye(3)).max() > 1e-3 or np.linalg.det(matrix[:3, :3]) < 0:
        raise SceneError(f"{field}.transform", "does not only turn and shift", reason=IngestReason.BAD_ROTATION)
    return matrix


def _floor(room: dict[str, Any], name: str) -> NDArray[np.float64] | None:
    """Corners of the largest floor, else those of a ring of walls."""
    outlines: list[NDArray[np.float64]] = []
    for i, item in enumerate(expect(room.get("floors", []), list, "floors")):
        field = f"{name}: floors[{i}]"
        corners = expect(expect(item, dict, field).get("polygonCorners", []), list, field)
        if len(corners) >= 3:
            points = np.array([numbers(corner, 3, f"{field}.polygonCorners") for corner in corners])
            pose = _pose(item, field)
            outlines.append(points @ pose[:3, :3].T + pose[:3, 3])
    if outlines:
        return max(outlines, key=lambda points: np.prod(np.ptp(points[:, [0, 2]], axis=0)))
    ends: list[NDArray[np.float64]] = []
    for i, item in enumerate(expect(room.get("walls", []), list, "walls")):
        try:
            pose = _pose(item, f"{name}: walls[{i}]")
            half = numbers(item.get("dimensions"), 3, "dimensions")[0] / 2
        except SceneError:  # refused where boxes are read
            continue
        ends.append(np.array([pose[:3, 3] - half * pose[:3, 0], pose[:3, 3] + half * pose[:3, 0]]))
    return outline_of_walls(ends, np.array([0.0, 1, 0]))


ROOMPLAN = BoxFormat(
    name="roomplan",
    title="RoomPlan",
    told_by="`*.json` with `walls`, `objects`, `transform`",
    up="y",
    turned_by="16 numbers by columns",
    find=files_with(b'"walls"', b'"objects"', b'"transform"', b'"dimensions"'),
    read=read_roomplan,
    aside=("*.usdz", "*.plist"),
    note=f"walls, doors and windows get a thickness of {THICKNESS_M:g} m",
)
