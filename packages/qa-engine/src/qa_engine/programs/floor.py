"""The operators of the language that look for free space on the floor plan."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from qa_engine.arrays import Array
from qa_engine.facts.scene import Facts
from qa_engine.geometry.route_search import obstacles
from qa_engine.geometry.routes import ROBOT_RADIUS_M, free_legs
from qa_engine.programs.language import ProgramCode, ProgramError
from qa_engine.programs.operators import Operator
from qa_engine.scenes.structure import is_structure

BORDER_M = 1e-3
"""How far a way may pass into the space around an obstacle: without it, rounding would close ways along its border."""

MOST_LEGS = 50_000
"""Legs that one search looks at before it gives up: about half a second."""

PATH_STEPS = 100
"""Steps that a search for a way counts, so that the clock is looked at after each."""


def _outline(facts: Facts) -> Array:
    if facts.scene.floor_polygon is None:
        raise ProgramError(ProgramCode.NO_VALUE, "the scene has no outline of its floor.")
    return facts.scene.floor_polygon


def _floor(facts: Facts) -> Any:
    """Return the floor as a valid polygon, also where its outline crosses itself."""
    return facts.remember("programs/floor", lambda part: shapely.make_valid(shapely.Polygon(_outline(part))))


def _obstacles(facts: Facts) -> NDArray[np.object_]:
    return facts.remember(
        "programs/obstacles", lambda part: obstacles(part.scene.boxes, is_structure(part.scene.category))
    )


def _wide(facts: Facts) -> NDArray[np.object_]:
    """Obstacles with the space around them that a robot's middle must not enter, (n,) polygons."""
    return facts.remember(
        "programs/wide",
        lambda part: shapely.buffer(_obstacles(part), ROBOT_RADIUS_M, join_style="mitre", cap_style="flat"),
    )


def _open(facts: Facts, without: int) -> Any:
    """Floor where a robot's middle may be, border included; one obstacle (-1: none) does not count."""

    def make(part: Facts) -> Any:
        wide = np.delete(_wide(part), without) if without >= 0 else _wide(part)
        blocked = shapely.buffer(shapely.union_all(wide), -BORDER_M, join_style="mitre")
        shape = shapely.difference(_floor(part), blocked)
        shapely.prepare(shape)
        return shape

    return facts.remember(f"programs/open/{without}", make)


def _corners(facts: Facts) -> Array:
    """Corners around which a shortest way may bend, (k, 2) metres."""

    def make(part: Facts) -> Array:
        blocked = shapely.union_all(_wide(part))
        corners = shapely.get_coordinates([blocked, _floor(part)])
        return corners[shapely.covers(_open(part, -1), shapely.points(corners))] if len(corners) else corners

    return facts.remember("programs/corners", make)


def _free_area_m2(facts: Facts) -> float:
    return facts.remember(
        "programs/free_area",
        lambda part: float(shapely.difference(_floor(part), shapely.union_all(_obstacles(part))).area),
    )


def _two(a: int, b: int) -> None:
    if a == b:
        raise ProgramError(ProgramCode.WRONG_ARGUMENTS, "a way leads from one instance to another.")


def _path_clear(facts: Facts, a: int, b: int) -> bool:
    _two(a, b)
    rows = [min(a, b), max(a, b)]
    outline = _outline(facts)
    return bool(free_legs(facts.scene.center[rows, :2], rows, _obstacles(facts), outline)[0, 1])


def _path_length_m(facts: Facts, a: int, b: int) -> float:
    _two(a, b)
    low, high = min(a, b), max(a, b)
    length = facts.remember(f"programs/path/{low}/{high}", lambda part: _search(part, low, high))
    if not np.isfinite(length):
        raise ProgramError(ProgramCode.NO_VALUE, f"no way is {2 * ROBOT_RADIUS_M:g} m wide all along.")
    return length


def _search(facts: Facts, a: int, b: int) -> float:
    """Find the shortest way from corner to corner (A*); infinite where there is none."""
    begin, goal = facts.scene.center[[a, b], :2]
    if _path_clear(facts, a, b):
        return float(np.hypot(*(goal - begin)))
    corners = _corners(facts)
    points = np.concatenate([[begin, goal], corners])
    ahead = np.hypot(*(points - goal).T)
    best = np.full(len(points), np.inf)
    best[0] = 0.0
    done = np.zeros(len(points), dtype=bool)
    to_goal = np.concatenate([[False, False], _legs(corners, goal, _open(facts, b))])
    waiting, looked = [(float(ahead[0]), 0)], 0
    while waiting:
        _, here = heapq.heappop(waiting)
        if here == 1:
            return float(best[1])
        if done[here]:
            continue
        done[here] = True
        looked += len(corners)
        if looked > MOST_LEGS:
            raise ProgramError(ProgramCode.OVER_BUDGET, "the floor plan is too cluttered to search.")
        free = np.zeros(len(points), dtype=bool)
        free[2:] = _legs(corners, points[here], _open(facts, a if here == 0 else -1))
        free[1] = to_goal[here]
        length = best[here] + np.hypot(*(points - points[here]).T)
        better = np.flatnonzero(free & ~done & (length < best))
        best[better] = length[better]
        for place in better.tolist():
            heapq.heappush(waiting, (float(length[place] + ahead[place]), place))
    return float("inf")


def _legs(corners: Array, point: Array, shape: Any) -> NDArray[np.bool_]:
    """Tell which straight legs from a point to corners (k, 2) stay within a shape."""
    ends = np.stack([np.broadcast_to(point, corners.shape), corners], axis=1)
    return np.asarray(shapely.covers(shape, shapely.linestrings(ends)), dtype=bool)


_TWO = (("a", "instance"), ("b", "instance"))

FLOOR_OPERATORS: dict[str, Operator] = {
    "free_area_m2": Operator(
        (),
        "number",
        "m2",
        "Floor area that no object stands on; rugs and what hangs above 1.5 m do not count.",
        _free_area_m2,
    ),
    "path_clear": Operator(
        _TWO, "bool", "", "True if a robot 0.4 m wide can drive straight from one object to another.", _path_clear
    ),
    "path_length_m": Operator(
        _TWO,
        "number",
        "m",
        "Shortest way between two objects on the floor plan, 0.2 m clear of all others.",
        _path_length_m,
        PATH_STEPS,
    ),
}
"""Operators on free space; they need the outline of the floor."""
