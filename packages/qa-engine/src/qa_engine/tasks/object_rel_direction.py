"""In which direction an object is for somebody who stands at a second and faces a third: three levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from qa_engine.checks import Reason, Reject, first_broken
from qa_engine.checks.ambiguity import (
    MAX_DIRECTION_DISTANCE_M,
    MAX_FOREIGN_VERTICES,
    MIN_DIRECTION_DISTANCE_M,
    MIN_SECTOR_MARGIN_DEG,
)
from qa_engine.checks.noise import turn_noise_deg
from qa_engine.facts import Facts
from qa_engine.geometry import HALVES, QUADRANTS, THIRDS, Sectors, bearing_deg, turn_deg
from qa_engine.tasks.base import Answers, Array, Candidates, Draw, Knob, Rows, Task, choices


@dataclass(frozen=True)
class _Triples:
    """Ordered triples of different objects, each the only one of its category, that are at a good distance.

    `places` (t, 3) are places in `Facts.unique` of the object stood at, faced and asked about, `distance` (t,) that of
    the first to the last, `corner_turn` (t, 8) the turns to the box corners of the last; `n_close` and `n_far` count
    the triples left out, with two objects too close, or else too far from each other.
    """

    places: Rows
    distance: Array
    turn: Array
    noise_deg: Array
    corner_turn: Array
    n_close: int
    n_far: int


@dataclass(frozen=True)
class _Cut:
    """The triples seen by the sectors of a level, (t,) each.

    Sector of the object asked about, angle to its nearest border, and how many of its box corners lie in another one.
    """

    sector: Rows
    margin_deg: Array
    foreign: Rows


def _make_cut(triples: _Triples, sectors: Sectors) -> _Cut:
    sector = sectors.index(triples.turn)
    foreign = (sectors.index(triples.corner_turn) != sector[:, None]).sum(axis=1)
    return _Cut(sector, sectors.margin_deg(triples.turn), foreign)


def _make_triples(facts: Facts) -> _Triples:
    rows = facts.unique_rows
    u = len(rows)
    distance = facts.distance(np.repeat(rows, u), np.tile(rows, u)).reshape(u, u)
    apart = (distance >= MIN_DIRECTION_DISTANCE_M) & ~np.eye(u, dtype=bool)
    n_apart = int(np.count_nonzero(_of_three(apart)))
    p, o, q = np.nonzero(_of_three(apart & (distance <= MAX_DIRECTION_DISTANCE_M)))
    center = facts.scene.center[rows]
    bearing = bearing_deg(center[:, None], center[None])
    turn = turn_deg(bearing[p, o], bearing[p, q])
    plan = np.hypot(*(center[None, :, k] - center[:, None, k] for k in (0, 1)))
    corner_bearing = bearing_deg(center[:, None, None], facts.corners[rows][None])
    corner_turn = turn_deg(bearing[p, o, None], corner_bearing[p, q])
    noise = turn_noise_deg(plan[p, o], plan[p, q], turn)
    n_close = u * (u - 1) * (u - 2) - n_apart
    places = np.stack([p, o, q], axis=1)
    return _Triples(places, distance[p, q], turn, noise, corner_turn, n_close, n_apart - len(turn))


def _of_three(pairs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell for which triples (u, u, u) a symmetric property of pairs (u, u) holds for all three pairs."""
    return pairs[:, :, None] & pairs[:, None, :] & pairs[None]


def find(facts: Facts, rng: Draw, *, level: str) -> Candidates:
    """Find the ordered triples whose direction is clear: every order of the three objects is a candidate.

    Each triple is refused for the first rule that it breaks, distances first.
    """
    unique = len(facts.unique)
    triples: _Triples = facts.remember("triples", _make_triples)
    sectors = _SECTORS[level]
    cut: _Cut = facts.remember(f"triples cut {sectors.names}", lambda _: _make_cut(triples, sectors))
    # VSI-Bench's hard level looks at the border in one direction only.
    one_sided = facts.profile == "vsi-bench" and level == "hard"
    margin = 90.0 - np.mod(triples.turn, 90.0) if one_sided else cut.margin_deg
    rules = [
        (Reason.NEAR_SECTOR_BORDER, margin < MIN_SECTOR_MARGIN_DEG),
        (Reason.VERTICES_IN_OTHER_SECTOR, cut.foreign > MAX_FOREIGN_VERTICES),
    ]
    if level == "easy":
        rules.insert(0, (Reason.NOT_AN_OPTION, cut.sector == sectors.names.index("back")))
    if facts.profile == "exact":
        rules.append((Reason.UNSTABLE, cut.margin_deg < triples.noise_deg))
    kept, rejects = first_broken(len(triples.turn), rules)
    by_distance = ((Reason.TOO_CLOSE, triples.n_close), (Reason.TOO_FAR, triples.n_far))
    rejects += [Reject(reason, n=n) for reason, n in by_distance if n]
    if unique < 3:
        rejects = [Reject(Reason.TOO_FEW_OBJECTS, detail=f"{unique} of 3 categories with one object")]
    turn = triples.turn[kept]
    answers = _answers(turn, level, cut.margin_deg[kept])
    difficulty = {
        "angle_deg": turn,
        "distance_m": triples.distance[kept],
        "n_options": np.full(len(kept), len(_OPTIONS[level])),
    }
    return Candidates(facts.unique[triples.places[kept]], answers, answers.margin, difficulty, rejects)


def measure(facts: Facts, roles: Rows, *, level: str) -> Answers:
    """Take the sector of the direction between box centres on the floor plan."""
    standing, facing, target = (facts.first_row[roles[:, k]] for k in range(3))
    turn = turn_deg(facts.bearing[standing, facing], facts.bearing[standing, target])
    return _answers(turn, level, _SECTORS[level].margin_deg(turn))


def _answers(turn: Array, level: str, margin_deg: Array) -> Answers:
    """Turn angles into options; on the easy level, what is behind is to the left or the right as well."""
    sectors, options = _SECTORS[level], _OPTIONS[level]
    named = HALVES if level == "easy" else sectors
    return choices(np.array([options.index(name) for name in named.names])[named.index(turn)], margin_deg)


_OPTIONS = {"easy": ("left", "right"), "medium": ("left", "right", "back"), "hard": QUADRANTS.names}

_INTRODUCTION = "If I am standing by the {standing} and facing the {facing}, is the {target} to "

_QUESTIONS = {
    "easy": _INTRODUCTION + "the left or the right of the {facing}?",
    "medium": _INTRODUCTION + "my left, right, or back?\n"
    "An object is to my back if I would have to turn at least 135 degrees in order to face it.",
    "hard": _INTRODUCTION + "my front-left, front-right, back-left, or back-right?\n"
    "The directions refer to the quadrants of a Cartesian plane (if I am standing at the origin and facing along the "
    "positive y-axis).",
}

# Left and right of the easy level are those of the medium one, whose back it leaves out.
_PROGRAMS = {"easy": "direction_side", "medium": "direction_side_or_back", "hard": "direction_quadrant"}
_SECTORS = {"easy": THIRDS, "medium": THIRDS, "hard": QUADRANTS}


def _task(level: str) -> Task:
    return Task(
        question_type=f"object_rel_direction_{level}",
        answer_type="choice",
        unit="",
        margin_unit="deg",
        roles=("standing", "facing", "target"),
        single=(0, 1, 2),
        question=_QUESTIONS[level],
        program=_PROGRAMS[level] + "({standing_id}, {facing_id}, {target_id})",
        find=partial(find, level=level),
        measure=partial(measure, level=level),
        knob=Knob("angle", ("<20", "20-30", ">=30"), (20, 30), "deg"),
        needs="three categories with one object each",
        choices=_OPTIONS[level],
    )


EASY, MEDIUM, HARD = (_task(level) for level in ("easy", "medium", "hard"))
