"""Structure: walls, floors and ceilings, which annotations list beside objects. They are the room, not things in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qa_engine.geometry.boxes import Boxes
from qa_engine.geometry.walls import walled_floor

if TYPE_CHECKING:
    from qa_engine.scenes.scene import Scene

STRUCTURE = ("wall", "walls", "floor", "ceiling", "room")
"""Categories that are parts of a room: nobody counts them, asks where they are, or walks to them."""


def is_structure(categories: Sequence[str] | NDArray[np.str_]) -> NDArray[np.bool_]:
    """Tell which categories are parts of a room, (n,).

    Examples
    --------
    >>> is_structure(["wall", "wall clock", "Floor"]).tolist()
    [True, False, True]
    """
    return np.array([str(name).strip().lower() in STRUCTURE for name in categories], dtype=bool)


FURNITURE_INSIDE = 0.8
"""Share of the objects that stand within the walls of their room; walls of which less does are not all there."""


def floor_within_walls(scene: Scene) -> tuple[float, NDArray[np.float64]] | None:
    """Find area (m2) and outline (k, 2), metres, of the floor that the walls of a scene enclose, if they do."""
    import shapely

    names = np.array([str(name).strip().lower() for name in scene.category])
    walls = np.isin(names, ("wall", "walls"))
    found = walled_floor(Boxes(scene.center[walls], scene.size[walls], scene.rotation[walls])) if walls.any() else None
    things = scene.center[~is_structure(scene.category), :2]
    if found is None or not len(things):
        return found
    inside = shapely.covers(shapely.Polygon(found[1]), shapely.points(things))
    return found if inside.mean() >= FURNITURE_INSIDE else None
