"""Which turns lead a robot from one object, past others, to another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason, Reject, first_broken
from qa_engine.checks.ambiguity import MIN_DIRECTION_DISTANCE_M, MIN_SECTOR_MARGIN_DEG
from qa_engine.checks.noise import turn_noise_deg
from qa_engine.facts.batch import Batch
from qa_engine.geometry.route_search import shortest_ways
from qa_engine.geometry.routes import TURNS, reaches_goal, route_turns_deg
from qa_engine.scenes.structure import is_structure
from qa_engine.tasks.base import (
    Answers,
    Candidates,
    Draw,
    Knob,
    Options,
    Tags,
    Task,
    choices,
    joined,
    no_candidates,
)

MOST_LEGS = 3

ACTIONS = ("left", "right", "back")
_ACTION_OF_SECTOR = np.array([-1, 0, 2, 1, -1])  # forward, left, back, right, forward

ROWS_TOGETHER = 16_384
"""Routes that are checked at once."""

_FIELDS = ("angle_deg", "n_options")


@dataclass(frozen=True)
class Shape:
    """A form of the question: how far the way is, and whether the robot begins by a turn.

    Roles are where it begins, what it faces (unless that is the first stop), the stops, and the goal.

    Attributes
    ----------
    legs : int
        Straight drives.
    forward : bool
        The robot faces the first stop and drives there without a turn.
    """

    legs: int
    forward: bool

    @property
    def blanks(self) -> int:
        """Number of turns to fill in."""
        return self.legs - self.forward

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles."""
        faced = () if self.forward else ("facing",)
        return ("begin", *faced, *(f"via_{k}" if self.legs > 2 else "via" for k in range(1, self.legs)), "goal")

    @property
    def columns(self) -> list[int]:
        """Roles as `route_turns_deg` wants them: begin, what is faced, stops, goal."""
        last = len(self.roles)
        return [0, 1, *range(1, last)] if self.forward else list(range(last))

    def rows(self, batch: Batch, roles: Rows) -> Rows:
        """Rows of the objects in the order of `columns`, (n, legs + 2); roles (n, 5) may be padded."""
        return batch.first_row[roles[:, self.columns]]


SHAPES = (Shape(2, False), Shape(1, False), Shape(2, True), Shape(3, True), Shape(3, False))
"""VSI-Bench's forms with one, two and three blanks, for ways of at most three legs."""

_WIDTH = max(len(shape.roles) for shape in SHAPES)


def sequences(blanks: int) -> tuple[tuple[str, ...], ...]:
    """All sequences of turns; an answer is the place of one.

    Examples
    --------
    >>> sequences(1)
    (('left',), ('right',), ('back',))
    """
    return tuple(product(ACTIONS, repeat=blanks))


def measure(batch: Batch, scene: Rows, roles: Rows, *, shape: Shape) -> Answers:
    """Take the turns between box centres; -1 where one of them is no turn."""
    return _answers(route_turns_deg(batch.center[shape.rows(batch, roles)])[:, int(shape.forward) :])


def _answers(turn: Array) -> Answers:
    """Read turns (n, blanks) as actions."""
    action = _ACTION_OF_SECTOR[TURNS.index(turn)]
    answer = action @ len(ACTIONS) ** np.arange(turn.shape[1])[::-1]
    return choices(np.where((action < 0).any(axis=1), -1, answer), _margin(turn))


def find(batch: Batch, rng: Draw) -> Candidates:
    """Find the shortest ways between objects, with as few stops as possible.

    At the start any object that is not on the way may be faced; a way with a stop is also asked about with a robot that
    faces the first stop.
    """
    ways, refused = [], list[Reject]()
    for k in range(len(batch)):
        own = _ways(batch, k)
        ways.append([np.zeros((0, _WIDTH), dtype=np.int64)] * len(SHAPES) if isinstance(own, Reject) else own[0])
        refused += [own] if isinstance(own, Reject) else own[1]
    parts = [no_candidates(_WIDTH, _FIELDS)]
    for variant in range(len(SHAPES)):
        sizes = np.array([len(own[variant]) for own in ways], dtype=np.int64)
        for scenes in _blocks(sizes):
            roles = np.concatenate([ways[k][variant] for k in scenes])
            parts.append(_checked(batch, np.repeat(scenes, sizes[scenes]), roles, variant))
    found = joined(parts)
    rejects = sorted([*found.rejects, *refused], key=attrgetter("scene"))
    return replace(found.take(np.argsort(found.scene, kind="stable")), rejects=rejects)


def _blocks(sizes: Rows) -> list[Rows]:
    """Put scenes with so many rows each together, which is faster, as long as they are few rows, which take memory."""
    if not sizes.any():
        return []
    block = np.cumsum(sizes) // ROWS_TOGETHER
    return np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(block)) + 1)


def _ways(batch: Batch, k: int) -> tuple[list[Rows], list[Reject]] | Reject:
    """Give the roles of all routes of a scene by shape, (n, 5) each, and what has no route; or why it has none."""
    scene = batch.facts[k].scene
    if scene.floor_polygon is None:
        return Reject(Reason.NO_FLOOR_PLAN, detail="scenes.floor_polygon is null", scene=k)
    unique = batch.unique[batch.unique_start[k] : batch.unique_start[k + 1]]
    if len(unique) < 3:
        return Reject(Reason.TOO_FEW_OBJECTS, detail=f"{len(unique)} of 3 categories with one object", scene=k)
    rows = batch.first_row[unique] - batch.row_start[k]
    ways = shortest_ways(scene.boxes, rows, scene.floor_polygon, MOST_LEGS, is_structure(scene.category))
    n_none = len(unique) * (len(unique) - 1) - sum(map(len, ways))
    found = []
    for shape in SHAPES:
        places = ways[shape.legs - 1] if shape.forward else _with_faced(ways[shape.legs - 1], len(unique))
        roles = np.full((len(places), _WIDTH), -1, dtype=np.int64)
        roles[:, : places.shape[1]] = unique[places]
        found.append(roles)
    return found, [Reject(Reason.NO_ROUTE, n=n_none, scene=k)] if n_none else []


def _with_faced(ways: Rows, u: int) -> Rows:
    """Insert after the begin of each way every object that is not on it."""
    faced = np.tile(np.arange(u), len(ways))
    repeated = np.repeat(ways, u, axis=0)
    places = np.column_stack([repeated[:, :1], faced, repeated[:, 1:]])
    return places[(repeated != faced[:, None]).all(axis=1)]


def _checked(batch: Batch, scene: Rows, roles: Rows, variant: int) -> Candidates:
    """Refuse routes whose turns are unclear, and those that not exactly one sequence of turns completes."""
    shape = SHAPES[variant]
    rows = shape.rows(batch, roles)
    turn = route_turns_deg(batch.center[rows])[:, int(shape.forward) :]
    answers = _answers(turn)
    walked = np.delete(rows, 1, axis=1)
    legs = [(rows[:, 0], rows[:, 1]), *((walked[:, i], walked[:, i + 1]) for i in range(shape.legs))]
    rules = [
        (Reason.TOO_CLOSE, np.any([batch.distance(*leg) < MIN_DIRECTION_DISTANCE_M for leg in legs], axis=0)),
        (Reason.NOT_AN_OPTION, answers.answer < 0),
        (Reason.NEAR_SECTOR_BORDER, answers.margin < MIN_SECTOR_MARGIN_DEG),
    ]
    if batch.profile == "exact":
        rules.append((Reason.UNSTABLE, _unstable(batch.center[rows, :2], turn, shape)))
    first = ("forward",) if shape.forward else ()
    completed = reaches_goal(batch.center[rows], [first + names for names in sequences(shape.blanks)])
    right = completed[np.arange(len(rows)), answers.answer] & (completed.sum(axis=1) == 1)
    rules.append((Reason.NO_ROUTE, ~right))
    kept, rejects = first_broken(scene, rules)
    answers = answers.take(kept)
    n_options = np.full(len(kept), 3.0 if shape.blanks == 1 else 4.0)
    difficulty = {"angle_deg": answers.margin, "n_options": n_options}
    knob = np.full(len(kept), float(shape.blanks))
    return Candidates(scene[kept], roles[kept], answers, knob, difficulty, rejects, np.full(len(kept), variant))


def _margin(turn: Array) -> Array:
    """Angle of the turns (n, blanks) to the nearest border that counts; straight ahead is one sector."""
    borders = np.array(TURNS.borders[1:])
    return np.abs(turn[..., None] - borders).min(axis=(1, 2), initial=180.0)


def _unstable(xy: Array, turn: Array, shape: Shape) -> NDArray[np.bool_]:
    """Tell for which routes the noise of boxes turns one action into another; xy (n, legs + 2, 2), turn (n, blanks)."""
    walked = np.delete(xy, 1, axis=1)
    length = np.linalg.norm(np.diff(walked, axis=1), axis=2)
    to_faced = np.linalg.norm(xy[:, 1] - xy[:, 0], axis=1)
    unstable = np.zeros(len(xy), dtype=bool)
    for blank in range(shape.blanks):
        leg = blank + shape.forward
        if leg == 0:
            noise = turn_noise_deg(to_faced, length[:, 0], turn[:, blank])
        else:  # at a stop the robot looks away from where it came from
            noise = turn_noise_deg(length[:, leg - 1], length[:, leg], turn[:, blank] + 180)
        unstable |= _margin(turn[:, [blank]]) < noise
    return unstable


def _texts(blanks: int) -> tuple[str, ...]:
    return tuple(", ".join(f"Turn {name.capitalize()}" for name in names) for names in sequences(blanks))


def _variant(shape: Shape) -> Task:
    blank, stops = "[please fill in]", shape.roles[1 if shape.forward else 2 :]
    steps = [step for stop in stops for step in (blank, f"Go forward until the {{{stop}}}")][int(shape.forward) :]
    numbered = " ".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))
    faced = stops[0] if shape.forward else "facing"
    ids = ", ".join(f"{{{stop}_id}}" for stop in stops)
    return Task(
        question_type="route_planning",
        answer_type="choice",
        unit="",
        margin_unit="deg",
        roles=shape.roles,
        single=tuple(range(len(shape.roles))),
        question=f"You are a robot beginning at the {{begin}} and facing the {{{faced}}}. You want to navigate to the "
        "{goal}. You will perform the following actions (Note: for each [please fill in], choose either 'turn back,' "
        f"'turn left,' or 'turn right.'): {numbered}. You have reached the final destination.",
        program=f"route_turns({{begin_id}}, {{{faced}_id}}, [{ids}])",
        find=find,
        measure=partial(measure, shape=shape),
        knob=Knob("blanks", ("1", "2", "3"), (2, 3), "turns"),
        needs="scenes.floor_polygon, three categories with one object each",
        tags=Tags("vsi-bench", "planning", ("route", "direction")),
        options=Options(fixed=_texts(shape.blanks), offered=0 if shape.blanks == 1 else 4),
        parameters="forward" if shape.forward else "",
    )


VARIANTS = tuple(map(_variant, SHAPES))

TASK = replace(VARIANTS[0], variants=VARIANTS)
