"""Which turns lead a robot from one object past a second to a third."""

from __future__ import annotations

from functools import partial
from itertools import product

import numpy as np
import shapely
from numpy.typing import NDArray

from qa_engine.batch import Batch
from qa_engine.checks import Reason, Reject, first_broken
from qa_engine.checks.ambiguity import MIN_DIRECTION_DISTANCE_M, MIN_SECTOR_MARGIN_DEG
from qa_engine.checks.noise import turn_noise_deg
from qa_engine.geometry.boxes import box_bounds, box_footprint
from qa_engine.geometry.directions import bearing_deg, turn_deg
from qa_engine.geometry.routes import TURNS, free_legs, reaches_goal, route_turns_deg
from qa_engine.scene import Scene
from qa_engine.tasks.base import (
    Answers,
    Array,
    Candidates,
    Draw,
    Knob,
    Rows,
    Task,
    by_scene,
    choices,
    no_candidates,
)

LEGS = 2

_FIELDS = ("angle_deg", "n_options")

SEQUENCES = tuple(product(("left", "right", "back"), repeat=LEGS))
"""All sequences of turns; an answer is the place of one."""

OPTIONS = tuple(", ".join(f"Turn {name.capitalize()}" for name in names) for names in SEQUENCES)

FLAT_M = 0.05
"""Height above the floor up to which an object, like a rug, is driven over."""

THROUGH_M = 0.01
"""Length of a leg inside a box up to which it passes along its side."""

ROBOT_HEIGHT_M = 1.5
"""Objects that begin above this height are driven under."""


def obstacles(scene: Scene) -> NDArray[np.object_]:
    """Outlines of the boxes on the floor plan, (n,) polygons; empty for those that do not stop a robot."""
    height = box_bounds(scene.center, scene.size, scene.rotation)[:, :, 2]
    height = height - height[:, 0].min(initial=0.0)
    outlines = [shapely.Polygon(outline) for outline in box_footprint(scene.center, scene.size, scene.rotation)]
    stops = (height[:, 1] > FLAT_M) & (height[:, 0] < ROBOT_HEIGHT_M)
    return np.array(
        [outline if stop else shapely.Polygon() for outline, stop in zip(outlines, stops, strict=True)], dtype=object
    )


def measure(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    """Take the turns between box centres; -1 where one of them is no turn."""
    turn = _turns(batch, roles)
    sector = TURNS.index(turn)
    codes = np.array([-1, 0, 2, 1, -1])[sector]  # forward, left, back, right, forward
    answer = np.where((codes < 0).any(axis=1), -1, codes @ np.array([3, 1]))
    return choices(answer, _margin(turn))


def find(batch: Batch, rng: Draw) -> Candidates:
    """Find the routes with one stop between objects that cannot be joined by a straight drive.

    For each begin and goal the stop is the one on the shortest way; every other object may be faced at the start.
    """
    return by_scene(batch, partial(_find_in_scene, batch), no_candidates(4, _FIELDS))


def _find_in_scene(batch: Batch, k: int) -> Candidates:
    outline = batch.facts[k].scene.floor_polygon
    if outline is None:
        detail = "scenes.floor_polygon is null"
        return no_candidates(4, _FIELDS, [Reject(Reason.NO_FLOOR_PLAN, detail=detail, scene=k)])
    unique = batch.unique[batch.unique_start[k] : batch.unique_start[k + 1]]
    if len(unique) < 4:
        detail = f"{len(unique)} of 4 categories with one object"
        return no_candidates(4, _FIELDS, [Reject(Reason.TOO_FEW_OBJECTS, detail=detail, scene=k)])
    places, rejects = _routes(batch, k, unique, outline)
    roles, unclear = _checked(batch, np.full(len(places), k), unique[places].reshape(-1, 4))
    scene = np.full(len(roles), k)
    answers = measure(batch, scene, roles)
    difficulty = {"angle_deg": answers.margin, "n_options": np.full(len(roles), 4.0)}
    return Candidates(scene, roles, answers, answers.margin, difficulty, rejects + unclear)


def _routes(batch: Batch, k: int, unique: Rows, outline: Array) -> tuple[Rows, list[Reject]]:
    """All (begin, faced, stop, goal) as places in `unique`, (n, 4), the stop being on the shortest way."""
    rows = batch.first_row[unique]
    center = batch.center[rows, :2]
    u = len(rows)
    own = rows - batch.row_start[k]
    polygons = obstacles(batch.facts[k].scene)
    free = free_legs(center, own, polygons, outline)
    length = np.where(free, np.hypot(*(center[None, :, k] - center[:, None, k] for k in (0, 1))), np.inf)
    way = length[:, :, None] + length[None]  # begin, stop, goal
    way[~_passable(center, polygons[own], np.isfinite(way))] = np.inf
    stop = way.argmin(axis=1)
    reachable = np.isfinite(way.min(axis=1))
    different = ~np.eye(u, dtype=bool)
    pairs = np.argwhere(different & ~free & reachable)
    n_straight = int(np.count_nonzero(different & free))
    n_none = u * (u - 1) - n_straight - len(pairs)
    counts = ((Reason.STRAIGHT_ROUTE, n_straight), (Reason.NO_ROUTE, n_none))
    begin, goal = np.repeat(pairs, u, axis=0).T
    faced, via = np.tile(np.arange(u), len(pairs)), stop[begin, goal]
    apart = (faced != begin) & (faced != goal) & (faced != via)
    places = np.stack([begin, faced, via, goal], axis=1)[apart]
    return places, [Reject(reason, n=n, scene=k) for reason, n in counts if n]


def _passable(center: Array, polygons: NDArray[np.object_], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell at which stops a robot can go on, (u, u, u) for begin, stop and goal.

    It halts where it meets the stop's outline. From there the way on must not lead through the stop itself, and be the
    same turn as from the stop's middle.
    """
    passable = wanted.copy()
    begin, stop, goal = np.nonzero(wanted)
    if len(begin) == 0:
        return passable
    arriving = shapely.intersection(
        shapely.linestrings(np.stack([center[begin], center[stop]], axis=1)), polygons[stop]
    )
    halt = center[stop].copy()
    for k, part in enumerate(np.atleast_1d(arriving)):
        corners = shapely.get_coordinates(part)
        if len(corners):
            halt[k] = corners[np.argmax(np.hypot(*(corners - center[stop[k]]).T))]
    onward = shapely.linestrings(np.stack([halt, center[goal]], axis=1))
    inside = shapely.length(shapely.intersection(onward, polygons[stop])) > THROUGH_M
    way_in = bearing_deg(center[begin], center[stop])
    turns = [turn_deg(way_in, bearing_deg(origin, center[goal])) for origin in (halt, center[stop])]
    names = np.array(TURNS.names)[TURNS.index(turns)]
    passable[begin, stop, goal] = ~inside & (names[0] == names[1])
    return passable


def _checked(batch: Batch, scene: Rows, roles: Rows) -> tuple[Rows, list[Reject]]:
    """Drop routes whose turns are unclear, and those that more or less than one sequence of turns completes."""
    answers = measure(batch, scene, roles)
    rows = batch.first_row[roles]
    legs = ((0, 1), (0, 2), (2, 3))
    close = [batch.distance(rows[:, i], rows[:, j]) < MIN_DIRECTION_DISTANCE_M for i, j in legs]
    rules = [
        (Reason.TOO_CLOSE, np.any(close, axis=0)),
        (Reason.NOT_AN_OPTION, answers.answer < 0),
        (Reason.NEAR_SECTOR_BORDER, answers.margin < MIN_SECTOR_MARGIN_DEG),
    ]
    if batch.profile == "exact":
        rules.append((Reason.UNSTABLE, _unstable(batch, roles)))
    kept, rejects = first_broken(scene, rules)
    stops = batch.center[rows[kept]]
    done = [[reaches_goal(route, names) for names in SEQUENCES] for route in stops]
    completed = np.array(done, dtype=bool).reshape(-1, len(SEQUENCES))
    right = completed[np.arange(len(kept)), answers.answer[kept]] & (completed.sum(axis=1) == 1)
    arrived, wrong = first_broken(scene[kept], [(Reason.NO_ROUTE, ~right)])
    return roles[kept[arrived]], rejects + wrong


def _turns(batch: Batch, roles: Rows) -> Array:
    return route_turns_deg(batch.center[batch.first_row[roles]])


def _margin(turn: Array) -> Array:
    """Angle of the turns (n, 2) to the nearest border that counts; straight ahead is one sector."""
    borders = np.array(TURNS.borders[1:])
    return np.abs(turn[..., None] - borders).min(axis=(1, 2), initial=180.0)


def _unstable(batch: Batch, roles: Rows) -> NDArray[np.bool_]:
    """Tell for which routes the noise of boxes turns one action into another."""
    turn = _turns(batch, roles)
    xy = batch.center[batch.first_row[roles], :2]
    to_faced, to_stop, to_goal = (np.hypot(*(xy[:, i] - xy[:, j]).T) for i, j in ((0, 1), (0, 2), (2, 3)))
    # At the stop the robot looks away from where it came from.
    noise = [turn_noise_deg(to_faced, to_stop, turn[:, 0]), turn_noise_deg(to_stop, to_goal, turn[:, 1] + 180)]
    return np.any([_margin(turn[:, [k]]) < noise[k] for k in range(LEGS)], axis=0)


TASK = Task(
    question_type="route_planning",
    answer_type="choice",
    unit="",
    margin_unit="deg",
    roles=("begin", "facing", "via", "goal"),
    single=(0, 1, 2, 3),
    question="You are a robot beginning at the {begin} and facing the {facing}. You want to navigate to the {goal}. "
    "You will perform the following actions (Note: for each [please fill in], choose either 'turn back,' 'turn left,' "
    "or 'turn right.'): 1. [please fill in] 2. Go forward until the {via} 3. [please fill in] 4. Go forward until the "
    "{goal}. You have reached the final destination.",
    program="route_turns({begin_id}, {facing_id}, [{via_id}, {goal_id}])",
    find=find,
    measure=measure,
    knob=Knob("angle", ("<20", "20-30", ">=30"), (20, 30), "deg"),
    needs="scenes.floor_polygon, four categories with one object each",
    choices=OPTIONS,
    offered=4,
)
