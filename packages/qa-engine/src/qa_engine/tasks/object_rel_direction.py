"""In which direction an object is for somebody who stands at a second and faces a third: three levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from qa_engine.checks import Reason, Reject
from qa_engine.checks.ambiguity import (
    MAX_DIRECTION_DISTANCE_M,
    MAX_FOREIGN_VERTICES,
    MIN_DIRECTION_DISTANCE_M,
    MIN_SECTOR_MARGIN_DEG,
)
from qa_engine.checks.noise import turn_noise_deg
from qa_engine.facts import Facts
from qa_engine.geometry import HALVES, QUADRANTS, THIRDS, Sectors, bearing_deg, turn_deg
from qa_engine.tasks.base import Answers, Array, Candidates, Knob, Rows, Task, choices


@dataclass(frozen=True)
class _Triples:
    """All ordered triples of objects that are the only one of their category, (t,) each.

    `places` (t, 3) are places in `Facts.unique` of the object stood at, faced and asked about; `corner_turn` (g, 8) are
    the turns to the box corners of the last, for the triples at a good distance: `good` (g,) are their numbers.
    """

    places: Rows
    distances: Array
    turn: Array
    noise_deg: Array
    good: Rows
    corner_turn: Array


def _make_triples(facts: Facts) -> _Triples:
    rows = facts.unique_rows
    u = len(rows)
    p, o, q = (axis.ravel() for axis in np.indices((u, u, u)))
    different = (p != o) & (o != q) & (p != q)
    p, o, q = p[different], o[different], q[different]
    i, j = np.repeat(rows, u), np.tile(rows, u)
    distance = facts.distance(i, j).reshape(u, u)
    distances = np.stack([distance[p, o], distance[p, q], distance[o, q]], axis=1)
    good = np.flatnonzero(
        (distances.min(axis=1, initial=np.inf) >= MIN_DIRECTION_DISTANCE_M)
        & (distances.max(axis=1, initial=0.0) <= MAX_DIRECTION_DISTANCE_M)
    )
    bearing = facts.bearing[np.ix_(rows, rows)]
    turn = turn_deg(bearing[p, o], bearing[p, q])
    center = facts.scene.center[rows]
    plan = np.hypot(*(center[None, :, k] - center[:, None, k] for k in (0, 1)))
    corner_bearing = bearing_deg(center[:, None, None], facts.corners[rows][None])
    corner_turn = turn_deg(bearing[p[good], o[good], None], corner_bearing[p[good], q[good]])
    noise = turn_noise_deg(plan[p, o], plan[p, q], turn)
    return _Triples(np.stack([p, o, q], axis=1), distances, turn, noise, good, corner_turn)


def find(facts: Facts, rng: np.random.Generator, *, level: str) -> Candidates:
    """Find the ordered triples whose direction is clear: every order of the three objects is a candidate.

    Each triple is refused for the first rule that it breaks, in the order of the reasons below.
    """
    sectors = _SECTORS[level]
    triples: _Triples = facts.remember("triples", _make_triples)
    n = len(triples.places)
    reason = np.full(n, "", dtype=object)
    if n:
        turn = triples.turn[triples.good]
        sector = sectors.index(turn)
        foreign = (sectors.index(triples.corner_turn) != sector[:, None]).sum(axis=1)
        close = _border_margin(turn, level, sectors, facts.profile)
        at_good = np.full(len(turn), "", dtype=object)
        if facts.profile == "exact":
            at_good[sectors.margin_deg(turn) < triples.noise_deg[triples.good]] = Reason.UNSTABLE
        at_good[foreign > MAX_FOREIGN_VERTICES] = Reason.VERTICES_IN_OTHER_SECTOR
        at_good[close < MIN_SECTOR_MARGIN_DEG] = Reason.NEAR_SECTOR_BORDER
        if level == "easy":
            at_good[sector == sectors.names.index("back")] = Reason.NOT_AN_OPTION
        reason[triples.good] = at_good
        reason[triples.distances.max(axis=1) > MAX_DIRECTION_DISTANCE_M] = Reason.TOO_FAR
        reason[triples.distances.min(axis=1) < MIN_DIRECTION_DISTANCE_M] = Reason.TOO_CLOSE
    kept = np.flatnonzero(reason == "")
    turn = triples.turn[kept]
    answers = _answers(turn, level)
    difficulty = {
        "angle_deg": turn,
        "distance_m": triples.distances[kept, 1],
        "n_options": np.full(len(kept), len(_OPTIONS[level])),
    }
    roles = facts.unique[triples.places[kept]]
    return Candidates(roles, answers, answers.margin, difficulty, _rejects(reason, len(facts.unique)))


def measure(facts: Facts, roles: Rows, *, level: str) -> Answers:
    """Take the sector of the direction between box centres on the floor plan."""
    standing, facing, target = (facts.first_row[roles[:, k]] for k in range(3))
    return _answers(turn_deg(facts.bearing[standing, facing], facts.bearing[standing, target]), level)


def _answers(turn: Array, level: str) -> Answers:
    """Turn angles into options; on the easy level, what is behind is to the left or the right as well."""
    sectors, options = _SECTORS[level], _OPTIONS[level]
    named = HALVES if level == "easy" else sectors
    answer = np.array([options.index(name) for name in named.names])[named.index(turn)]
    return choices(answer, sectors.margin_deg(turn))


def _border_margin(turn: Array, level: str, sectors: Sectors, profile: str) -> Array:
    """Angle to the border that counts; VSI-Bench's hard level looks in one direction only."""
    if profile == "vsi-bench" and level == "hard":
        return 90.0 - np.mod(turn, 90.0)
    return sectors.margin_deg(turn)


def _rejects(reason: np.ndarray, unique: int) -> list[Reject]:
    """Count the refused triples by reason."""
    if unique < 3:
        return [Reject(Reason.TOO_FEW_OBJECTS, detail=f"{unique} of 3 categories with one object")]
    codes, counts = np.unique(reason[reason != ""].astype(str), return_counts=True)
    return [Reject(Reason(code), n=int(n)) for code, n in zip(codes, counts, strict=True)]


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
