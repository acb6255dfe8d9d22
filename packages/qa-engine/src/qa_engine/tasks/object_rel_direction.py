"""In which direction an object is for somebody who stands at a second and faces a third: three levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason, Reject, count_rejects, first_broken
from qa_engine.checks.ambiguity import (
    MAX_DIRECTION_DISTANCE_M,
    MAX_FOREIGN_VERTICES,
    MIN_DIRECTION_DISTANCE_M,
    MIN_SECTOR_MARGIN_DEG,
)
from qa_engine.checks.noise import turn_noise_deg
from qa_engine.facts.batch import Batch, ranges
from qa_engine.geometry import HALVES, QUADRANTS, THIRDS, Sectors, bearing_deg, turn_deg
from qa_engine.tasks.base import Answers, Candidates, Draw, Knob, Options, Tags, Task, choices


@dataclass(frozen=True)
class _Triples:
    """Ordered triples of different objects of one scene, each the only one of its category, at a good distance.

    `places` (t, 3) are places in `Batch.unique` of the object stood at, faced and asked about, `distance` (t,) that of
    the first to the last, `corner_turn` (t, 8) the turns to the box corners of the last; `rejects` count the triples
    left out, with two objects too close, or else too far from each other.
    """

    scene: Rows
    places: Rows
    distance: Array
    turn: Array
    noise_deg: Array
    corner_turn: Array
    rejects: list[Reject]


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


def _make_triples(batch: Batch) -> _Triples:
    scene, rows, start = batch.unique_scene, batch.unique_rows, batch.unique_start
    n = np.diff(start)
    first, second = ranges(start[scene], n[scene])
    distance = batch.distance(rows[first], rows[second])
    apart = (distance >= MIN_DIRECTION_DISTANCE_M) & (first != second)
    first, second, distance = first[apart], second[apart], distance[apart]
    # A triple is two pairs that begin at the same object: (stood at, faced) and (stood at, asked about).
    n_pairs = np.bincount(first, minlength=len(rows))
    facing, asking = ranges((np.cumsum(n_pairs) - n_pairs)[first], n_pairs[first])
    across = batch.distance(rows[second[facing]], rows[second[asking]])
    apart = (across >= MIN_DIRECTION_DISTANCE_M) & (facing != asking)
    facing, asking, across = facing[apart], asking[apart], across[apart]
    n_apart = np.bincount(scene[first[facing]], minlength=len(batch))
    near = np.maximum(np.maximum(distance[facing], distance[asking]), across) <= MAX_DIRECTION_DISTANCE_M
    facing, asking = facing[near], asking[near]
    places = np.stack([first[facing], second[facing], second[asking]], axis=1)
    of = scene[places[:, 0]]

    center = batch.center[rows]
    bearing = bearing_deg(center[first], center[second])
    turn = turn_deg(bearing[facing], bearing[asking])
    step = center[second] - center[first]
    plan = np.hypot(step[:, 0], step[:, 1])
    corner_bearing = bearing_deg(center[first, None], batch.corners[rows[second]])
    corner_turn = turn_deg(bearing[facing, None], corner_bearing[asking])
    noise = turn_noise_deg(plan[facing], plan[asking], turn)
    n_all = n * (n - 1) * (n - 2)
    rejects = count_rejects(Reason.TOO_CLOSE, n_all - n_apart)
    rejects += count_rejects(Reason.TOO_FAR, n_apart - np.bincount(of, minlength=len(batch)))
    rejects += [
        Reject(Reason.TOO_FEW_OBJECTS, detail=f"{count} of 3 categories with one object", scene=k)
        for k, count in enumerate(n.tolist())
        if count < 3
    ]
    return _Triples(of, places, distance[asking], turn, noise, corner_turn, rejects)


def find(batch: Batch, rng: Draw, *, level: str) -> Candidates:
    """Find the ordered triples whose direction is clear: every order of the three objects is a candidate.

    Each triple is refused for the first rule that it breaks, distances first.
    """
    triples: _Triples = batch.remember("triples", _make_triples)
    sectors = _SECTORS[level]
    cut: _Cut = batch.remember(f"triples cut {sectors.names}", lambda _: _make_cut(triples, sectors))
    # VSI-Bench's hard level looks at the border in one direction only.
    one_sided = batch.profile == "vsi-bench" and level == "hard"
    margin = 90.0 - np.mod(triples.turn, 90.0) if one_sided else cut.margin_deg
    rules = [
        (Reason.NEAR_SECTOR_BORDER, margin < MIN_SECTOR_MARGIN_DEG),
        (Reason.VERTICES_IN_OTHER_SECTOR, cut.foreign > MAX_FOREIGN_VERTICES),
    ]
    if level == "easy":
        rules.insert(0, (Reason.NOT_AN_OPTION, cut.sector == sectors.names.index("back")))
    if batch.profile == "exact":
        rules.append((Reason.UNSTABLE, cut.margin_deg < triples.noise_deg))
    kept, rejects = first_broken(triples.scene, rules)
    turn = triples.turn[kept]
    answers = _answers(turn, level, cut.margin_deg[kept])
    difficulty = {
        "angle_deg": turn,
        "distance_m": triples.distance[kept],
        "n_options": np.full(len(kept), len(_OPTIONS[level])),
    }
    roles = batch.unique[triples.places[kept]]
    return Candidates(triples.scene[kept], roles, answers, answers.margin, difficulty, rejects + triples.rejects)


def measure(batch: Batch, scene: Rows, roles: Rows, *, level: str) -> Answers:
    """Take the sector of the direction between box centres on the floor plan."""
    standing, facing, target = (batch.center[batch.first_row[roles[:, k]]] for k in range(3))
    turn = turn_deg(bearing_deg(standing, facing), bearing_deg(standing, target))
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
        tags=Tags("vsi-bench", "transformation", ("direction", "perspective")),
        options=Options(fixed=_OPTIONS[level]),
    )


EASY, MEDIUM, HARD = (_task(level) for level in ("easy", "medium", "hard"))
