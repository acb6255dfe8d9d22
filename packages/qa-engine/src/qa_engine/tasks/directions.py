"""Where an object is for somebody who stands at a second and faces a third: front or back, hours, points, degrees."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason
from qa_engine.checks.ambiguity import (
    MAX_DIRECTION_DISTANCE_M,
    MIN_DIRECTION_DISTANCE_M,
    MIN_SECTOR_MARGIN_DEG,
    MIN_TURN_DEG,
)
from qa_engine.checks.noise import turn_noise_deg
from qa_engine.facts.batch import Batch
from qa_engine.geometry import Sectors, bearing_deg, turn_deg
from qa_engine.geometry.directions import CLOCK, COMPASS, FRONT_BACK
from qa_engine.tasks.base import Answers, Draw, Knob, Options, Tags, Task, choices, numbers
from qa_engine.tasks.forms import Rule, declare
from qa_engine.tasks.pools import MAX_PER_SCENE, drawn_sets, of_scene

ROLES = ("standing", "facing", "target")
_TAGS = Tags("directions", "transformation", ("direction", "perspective"))
_STAND = "I am standing by the {standing} and facing the {facing}. "


def turns(batch: Batch, roles: Rows) -> Array:
    """Counter-clockwise turns from what is faced to the target, (n,) degrees."""
    standing, facing, target = (batch.center[batch.first_row[roles[:, k]]] for k in range(3))
    return turn_deg(bearing_deg(standing, facing), bearing_deg(standing, target))


def turn_noise(batch: Batch, roles: Rows, turn: Array) -> Array:
    """Half-width of the bounds of these turns, (n,) degrees."""
    standing, facing, target = (batch.center[batch.first_row[roles[:, k]], :2] for k in range(3))
    near, far = (np.linalg.norm(other - standing, axis=1) for other in (facing, target))
    return turn_noise_deg(near, far, turn)


def _triples(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    return drawn_sets(batch, of_scene(batch), rng, 3, ordered=True, limit=MAX_PER_SCENE)


def distance_rules(batch: Batch, roles: Rows) -> list[Rule]:
    """Refuse triples of which two objects are too close, or too far, to tell a direction."""
    rows = batch.first_row[roles]
    distance = np.stack([batch.distance(rows[:, i], rows[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))])
    return [
        (Reason.TOO_CLOSE, (distance < MIN_DIRECTION_DISTANCE_M).any(axis=0)),
        (Reason.TOO_FAR, (distance > MAX_DIRECTION_DISTANCE_M).any(axis=0)),
    ]


def _options(sectors: Sectors) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sectors.names))


def _sector(batch: Batch, scene: Rows, roles: Rows, *, sectors: Sectors) -> Answers:
    turn = turns(batch, roles)
    place = np.array([_options(sectors).index(name) for name in sectors.names])
    return choices(place[sectors.index(turn)], sectors.margin_deg(turn))


def _sector_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers, *, min_deg: float) -> list[Rule]:
    return [
        *distance_rules(batch, roles),
        (Reason.NEAR_SECTOR_BORDER, answers.margin < min_deg),
        (Reason.UNSTABLE, answers.margin < turn_noise(batch, roles, turns(batch, roles))),
    ]


def _by_sector(
    name: str,
    sectors: Sectors,
    operator: str,
    wordings: tuple[str, ...],
    *,
    offered: int = 0,
    min_deg: float,
    edges: tuple[int, ...],
) -> Task:
    labels = (f"<{edges[0]}", *(f"{a}-{b}" for a, b in pairwise(edges)), f">={edges[-1]}")
    return declare(
        name,
        roles=ROLES,
        kinds=("name",) * 3,
        listed_by=_triples,
        measure=partial(_sector, sectors=sectors),
        rules=partial(_sector_rules, min_deg=min_deg),
        wordings=wordings,
        program=f"{operator}({{standing_id}}, {{facing_id}}, {{target_id}})",
        margin_unit="deg",
        options=Options(fixed=_options(sectors), offered=offered),
        knob=Knob("margin", labels, edges, "deg"),
        tags=_TAGS,
        needs="three objects that can be referred to",
    )


def _degrees(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    turn = turns(batch, roles)
    noise = turn_noise(batch, roles, turn)
    angle = np.minimum(turn, 360 - turn)
    return numbers(angle, (np.maximum(angle - noise, 0), np.minimum(angle + noise, 180)), step=1.0)


def _degree_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    return [
        *distance_rules(batch, roles),
        (Reason.TOO_CLOSE, answers.value < MIN_TURN_DEG),
        (Reason.UNSTABLE, answers.high - answers.low > 2 * MIN_TURN_DEG),
    ]


TASKS: tuple[Task, ...] = (
    _by_sector(
        "object_front_or_back",
        FRONT_BACK,
        "direction_front_or_back",
        (
            f"{_STAND}Is the {{target}} in front of me or behind me?",
            "If I stand by the {standing} and look at the {facing}, is the {target} in front or back?",
        ),
        min_deg=MIN_SECTOR_MARGIN_DEG,
        edges=(20, 40),
    ),
    _by_sector(
        "object_clock_direction",
        CLOCK,
        "direction_clock",
        (
            f"{_STAND}The {{facing}} is at 12 o'clock. At which hour is the {{target}}, to the nearest?",
            f"{_STAND}Imagine a clock on the floor with its 12 towards the {{facing}}: where is the {{target}}?",
        ),
        offered=4,
        min_deg=MIN_SECTOR_MARGIN_DEG / 2,  # an hour is 30 degrees wide, a third of a quadrant
        edges=(8, 11),
    ),
    _by_sector(
        "object_compass_direction",
        COMPASS,
        "direction_compass",
        (
            "Seen from the {standing}, the {facing} is to the north. In which direction from the {standing} is the "
            "{target}?",
            "Suppose that the way from the {standing} to the {facing} leads north. Which way from the {standing} is "
            "the {target}?",
        ),
        offered=4,
        min_deg=MIN_SECTOR_MARGIN_DEG / 2,
        edges=(10, 15),
    ),
    declare(
        "object_turn_angle",
        roles=ROLES,
        kinds=("name",) * 3,
        listed_by=_triples,
        measure=_degrees,
        rules=_degree_rules,
        wordings=(
            f"{_STAND}By how many degrees do I have to turn, the shorter way round, to face the {{target}}?",
            "Standing by the {standing}, what is the angle in degrees between the directions of the {facing} and the "
            "{target}?",
        ),
        program="min([turn_deg({standing_id}, {facing_id}, {target_id}), "
        "deg(360) - turn_deg({standing_id}, {facing_id}, {target_id})])",
        answer_type="integer",
        unit="deg",
        knob=Knob("angle", ("<60", "60-120", ">=120"), (60, 120), "deg"),
        tags=Tags("directions", "measurement", ("direction", "perspective")),
        needs="three objects that can be referred to",
    ),
)
