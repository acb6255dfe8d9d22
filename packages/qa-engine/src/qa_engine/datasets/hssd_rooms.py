"""Rooms of an HSSD house: the floor that their outlines cover."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import SceneError
from qa_engine.formats.parsing import check_inside, expect, member, numbers, read_json

MAX_BYTES = 64_000_000
WALL_M = 0.3
"""Half the widest gap between rooms of one floor: a wall, or a door in it."""
Room = tuple[float | None, NDArray[np.float64] | None, list[SceneError]]
"""Area, m2, outline (k, 2), metres, counter-clockwise, and what is damaged."""


def room_of(root: Path, scene_name: str, roots: tuple[Path, ...]) -> Room:
    """Join the outlines of the rooms of a house, X and Z of Habitat's world; nothing where there is no such file."""
    from shapely import Polygon, union_all

    path = root / "semantics" / "scenes" / f"{scene_name}.semantic_config.json"
    if not path.is_file():
        return None, None, []
    try:
        check_inside(path, roots)
        value = expect(read_json(path, max_bytes=MAX_BYTES)[0], dict, path.name)
        rooms = []
        for i, entry in enumerate(member(value, "region_annotations", list, path.name)):
            field = f"{path.name}: region_annotations[{i}]"
            loop = member(expect(entry, dict, field), "poly_loop", list, field)
            corners = np.array([numbers(corner, 3, f"{field}.poly_loop") for corner in loop]).reshape(-1, 3)
            if len(corners) >= 3:
                rooms.append(Polygon(np.stack([corners[:, 0], -corners[:, 2]], axis=1)).buffer(0))
    except SceneError as error:
        return None, None, [error]
    floor = union_all(rooms)
    if not floor.area > 0:
        return None, None, []
    # Rooms leave the walls between them out: the outline closes these gaps, the area does not.
    whole = floor.buffer(WALL_M, join_style="mitre").buffer(-WALL_M, join_style="mitre")
    if whole.geom_type != "Polygon":
        return float(floor.area), None, []
    ring = np.array(whole.exterior.coords)[:-1]
    return float(floor.area), ring if whole.exterior.is_ccw else ring[::-1], []
