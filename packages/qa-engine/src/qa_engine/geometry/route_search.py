"""Ways from object to object over a floor plan: straight legs that keep clear of everything else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array, Rows
from qa_engine.geometry.boxes import Boxes, box_bounds, footprints
from qa_engine.geometry.directions import bearing_deg, turn_deg
from qa_engine.geometry.routes import QUARTERS_DEG, TURNS, free_legs
from qa_engine.geometry.walls import WALL_M, thickness_m

FLAT_M = 0.05
"""Height above the floor up to which an object, like a rug, is driven over."""

THROUGH_M = 0.01
"""Length of a leg inside a box up to which it passes along its side."""

ROBOT_HEIGHT_M = 1.5
"""Objects that begin above this height are driven under."""


def obstacles(boxes: Boxes, structure: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Outlines of the boxes on the floor plan, (n,) polygons; empty for those that do not stop a robot.

    Parameters
    ----------
    boxes : Boxes
    structure : (n,) bool
        Walls, floors and ceilings, of which thin walls stop a robot.
    """
    import shapely

    height = box_bounds(boxes.center, boxes.size, boxes.rotation)[:, :, 2]
    height = height - height[~structure, 0].min(initial=0.0)
    outlines = footprints(boxes.center, boxes.size, boxes.rotation)
    stops = (height[:, 1] > FLAT_M) & (height[:, 0] < ROBOT_HEIGHT_M)
    stops &= ~structure | (thickness_m(boxes) <= WALL_M)
    outlines[~stops] = shapely.Polygon()
    return outlines


def shortest_ways(boxes: Boxes, rows: Rows, outline: Array, most_legs: int, structure: NDArray[np.bool_]) -> list[Rows]:
    """Find the shortest way between any two objects, with as few legs as possible.

    Parameters
    ----------
    boxes : Boxes
    rows : (u,) int64
        Objects that a way may begin, stop and end at.
    outline : (k, 2) float64, metres
        Corners of the floor.
    most_legs : int
        1, 2 or 3.
    structure : (n,) bool
        Walls, floors and ceilings.

    Returns
    -------
    list of (n, legs + 1) int64
        For 1, 2, ... legs the ways as places in `rows`, from begin to goal, sorted. A pair is in the first list that it
        can be in, once.
    """
    center, polygons = boxes.center[rows, :2], obstacles(boxes, structure)
    u = len(rows)
    free = free_legs(center, rows, polygons, outline)
    found = [np.argwhere(free)]
    if most_legs == 1 or u < 3:
        return found + [np.zeros((0, legs + 1), dtype=np.int64) for legs in range(2, most_legs + 1)]
    length = np.where(free, np.hypot(*(center[None, :, k] - center[:, None, k] for k in (0, 1))), np.inf)
    way = length[:, :, None] + length[None]  # begin, stop, goal
    way[~_passable(center, polygons[rows], np.isfinite(way))] = np.inf
    stop, one_stop = way.argmin(axis=1), np.isfinite(way.min(axis=1))
    open_pairs = ~free & ~np.eye(u, dtype=bool)
    begin, goal = np.nonzero(open_pairs & one_stop)
    found.append(np.stack([begin, stop[begin, goal], goal], axis=1))
    if most_legs > 2:
        found.append(_two_stops(way, length, open_pairs & ~one_stop))
    return found


def _two_stops(way: Array, length: Array, wanted: NDArray[np.bool_]) -> Rows:
    """Shortest ways over two stops for the pairs `wanted`, (n, 4); both stops have to be passable as in `way`."""
    ways = []
    step = np.where(np.isfinite(length), length, 0.0)
    for begin, goal in np.argwhere(wanted).tolist():
        # begin - first - second is passable, and so is first - second - goal, whose first leg counts already.
        total = way[begin] + (way[:, :, goal] - step)
        first, second = divmod(int(total.argmin()), len(total))
        if np.isfinite(total[first, second]):
            ways.append([begin, first, second, goal])
    return np.array(ways, dtype=np.int64).reshape(-1, 4)


def _passable(center: Array, polygons: NDArray[np.object_], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell at which stops a robot can go on, (u, u, u) for begin, stop and goal.

    It halts where it meets the stop's outline. From there the way on must not lead through the stop itself, and be the
    same turn as from the stop's middle.
    """
    import shapely

    passable = wanted.copy()
    begin, stop, goal = np.nonzero(wanted)
    if len(begin) == 0:
        return passable
    halt = _halts(center, polygons, np.asarray(wanted.any(axis=2)))[begin, stop]
    way_in = bearing_deg(center[begin], center[stop])
    turns = [turn_deg(way_in, bearing_deg(origin, center[goal])) for origin in (halt, center[stop])]
    quarter = TURNS.index(turns) % len(QUARTERS_DEG)  # the last sector is the first one again
    same = np.flatnonzero(quarter[0] == quarter[1])
    onward = shapely.linestrings(np.stack([halt[same], center[goal[same]]], axis=1))
    through = shapely.length(shapely.intersection(onward, polygons[stop[same]])) > THROUGH_M
    passable[begin, stop, goal] = False
    good = same[~through]
    passable[begin[good], stop[good], goal[good]] = True
    return passable


def _halts(center: Array, polygons: NDArray[np.object_], wanted: NDArray[np.bool_]) -> Array:
    """Where a robot from each begin halts at each stop, (u, u, 2) metres: where it meets the outline of the stop."""
    import shapely

    halts = np.broadcast_to(center, (*wanted.shape, 2)).copy()
    begin, stop = np.nonzero(wanted)
    legs = shapely.linestrings(np.stack([center[begin], center[stop]], axis=1))
    corners, leg = shapely.get_coordinates(shapely.intersection(legs, polygons[stop]), return_index=True)
    far = np.hypot(*(corners - center[stop[leg]]).T)
    order = np.lexsort((far, leg))
    farthest = order[np.diff(leg[order], append=-1) != 0]
    halts[begin[leg[farthest]], stop[leg[farthest]]] = corners[farthest]
    return halts
