"""Rooms that walls enclose: their floor, from the footprints of the boxes of walls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array
from qa_engine.geometry.boxes import Boxes, box_footprint

WALL_M = 0.5
"""Walls up to this thick are walls. A thicker box is that of several walls, with the room between them."""

DOORWAY_M = 1.3
"""Gaps between walls up to this wide are doorways, or corners that a scanner missed."""

MIN_ROOM_M2 = 1.0


def thickness_m(boxes: Boxes) -> Array:
    """Shorter horizontal side (n,) of boxes, metres.

    Examples
    --------
    >>> wall = Boxes(np.zeros((1, 3)), np.array([[4.0, 0.1, 2.5]]), np.eye(3)[None])
    >>> thickness_m(wall).tolist()
    [0.1]
    """
    # The vertical side of a box is the one whose axis points up most.
    level = np.argsort(np.abs(boxes.rotation[:, :, 2]), axis=1)[:, :2]
    return np.take_along_axis(boxes.size, level, axis=1).min(axis=1, initial=np.inf)


def walled_floor(walls: Boxes) -> tuple[float, NDArray[np.float64]] | None:
    """Find the floor that walls enclose.

    Parameters
    ----------
    walls : Boxes
        (n, ...), metres

    Returns
    -------
    float, m2, and (k, 2) float64, metres
        Area of the rooms between the walls, and the outline around the largest of them and those beside it,
        counter-clockwise. None where the walls enclose nothing.

    Notes
    -----
    Walls grow by half a doorway, so that gaps close; the holes that are left are the rooms, and grow back.

    Examples
    --------
    >>> center = np.array([[2, 0, 1.2], [2, 3, 1.2], [0, 1.5, 1.2], [4, 1.5, 1.2]])
    >>> size = np.array([[4.1, 0.1, 2.4], [4.1, 0.1, 2.4], [0.1, 3.1, 2.4], [0.1, 1.9, 2.4]])
    >>> area, outline = walled_floor(Boxes(center, size, np.stack([np.eye(3)] * 4)))
    >>> round(area, 1), outline.round(2).max(axis=0).tolist()
    (11.3, [3.95, 2.95])
    """
    import shapely

    thin = thickness_m(walls) <= WALL_M
    outlines = box_footprint(walls.center[thin], walls.size[thin], walls.rotation[thin])
    standing = shapely.union_all([shapely.Polygon(outline) for outline in outlines])
    closed = shapely.buffer(standing, DOORWAY_M / 2, join_style="mitre")
    holes = [shapely.Polygon(ring) for part in shapely.get_parts(closed) for ring in part.interiors]
    rooms = shapely.difference(shapely.buffer(holes, DOORWAY_M / 2, join_style="mitre"), standing)
    # Where a room grows through a doorway, what is behind the wall is cut off.
    parts = shapely.get_parts(rooms)
    parts = parts[shapely.area(parts) > MIN_ROOM_M2]
    if not len(parts):
        return None
    joined = shapely.buffer(shapely.union_all(parts), WALL_M / 2, join_style="mitre")
    floors = shapely.get_parts(shapely.buffer(joined, -WALL_M / 2, join_style="mitre"))
    floor = floors[int(np.argmax(shapely.area(floors)))]
    ring = shapely.get_coordinates(shapely.orient_polygons(shapely.Polygon(floor.exterior)))[:-1]
    return float(shapely.union_all(parts).area), ring
