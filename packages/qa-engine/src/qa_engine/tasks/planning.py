"""Plans: what stands on what and what could, what passes through a door, where the floor is free."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Rows
from qa_engine.checks import Reason
from qa_engine.checks.ambiguity import MIN_HEIGHT_GAP_CM
from qa_engine.checks.noise import SIZE_NOISE, area_bounds
from qa_engine.facts.batch import Batch
from qa_engine.geometry.boxes import SUPPORT_GAP_M
from qa_engine.geometry.routes import ROBOT_RADIUS_M, free_legs
from qa_engine.tasks.base import Answers, Basis, Draw, Knob, Options, Tags, Task, choices, numbers
from qa_engine.tasks.forms import Rule, declare
from qa_engine.tasks.pools import drawn_sets, of_scene

DOOR_CM = (80, 200)
"""Width and height of the door that furniture is carried through: a common inner door."""

PASSAGE_SLACK_M = 0.1
"""By which a passage is wider or narrower than the robot before it is called free or not."""

_YES_NO = ("yes", "no")


def _rows(batch: Batch, roles: Rows) -> Rows:
    return batch.first_row[roles]


def _stacked(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    value = batch.height_m[_rows(batch, roles)].sum(axis=1) * 100
    return numbers(value, (value * (1 - SIZE_NOISE), value * (1 + SIZE_NOISE)), step=1.0)


def _room_on_top(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    """Refuse to put things on what is smaller than they are."""
    under, upper = (batch.level_sides_m[_rows(batch, roles[:, k])] for k in (0, 1))
    return [(Reason.TOO_CLOSE, (upper > under).any(axis=1))]


def _through_door(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    rows = _rows(batch, roles[:, 0])
    spare = np.stack([DOOR_CM[0] - batch.level_sides_m[rows, 1] * 100, DOOR_CM[1] - batch.height_m[rows] * 100])
    worst = spare.min(axis=0, initial=np.inf)
    return choices(np.where(worst > 0, 0, 1), np.abs(worst))


def _clear_of_frame(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    return [
        (Reason.TIE_WITHIN_MARGIN, answers.margin < MIN_HEIGHT_GAP_CM),
        (Reason.UNSTABLE, answers.margin < SIZE_NOISE * DOOR_CM[1]),
    ]


def _on_what(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List objects that stand on another, with that one and three more that they do not nearly stand on."""
    scenes, found = [], []
    for k, codes in enumerate(of_scene(batch).members):
        part, rows = batch.facts[k], batch.first_row[codes] - batch.row_start[k]
        stands = part.supports()[np.ix_(rows, rows)]
        nearly = part.supports(2 * SUPPORT_GAP_M)[np.ix_(rows, rows)]
        for upper in np.flatnonzero((stands.sum(axis=0) == 1) & (nearly.sum(axis=0) == 1)).tolist():
            under = int(np.argmax(stands[:, upper]))
            others = np.delete(np.arange(len(codes)), [upper, under])
            if len(others) >= 3:
                chosen = np.sort(rng(k).permutation(others)[:3])
                scenes.append(k)
                found.append(codes[[upper, under, *chosen.tolist()]])
    return np.array(scenes, dtype=np.int64), np.array(found, dtype=np.int64).reshape(-1, 5)


def _support(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    answer = np.full(len(roles), -1)
    for i, (k, own) in enumerate(zip(scene.tolist(), batch.first_row[roles].tolist(), strict=True)):
        rows = np.array(own) - batch.row_start[k]
        answer[i] = int(np.argmax(batch.facts[k].supports()[rows[1:], rows[0]]))
    return choices(answer, np.full(len(roles), SUPPORT_GAP_M))


def _floors(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    scene = np.flatnonzero([part.scene.floor_polygon is not None for part in batch.facts])
    return scene, np.zeros((len(scene), 0), dtype=np.int64)


def _outlines(batch: Batch, k: int) -> NDArray[np.object_]:
    """Outlines of what stands on the floor of a scene."""
    from qa_engine.geometry.route_search import obstacles

    scene = batch.facts[k].scene
    rows = np.arange(batch.row_start[k], batch.row_start[k + 1])
    return batch.facts[k].remember("tasks/obstacles", lambda _: obstacles(scene.boxes, batch.structure[rows]))


def _free_area(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    import shapely

    value = np.zeros(len(scene))
    for i, k in enumerate(scene.tolist()):
        floor = shapely.make_valid(shapely.Polygon(batch.facts[k].scene.floor_polygon))
        value[i] = shapely.difference(floor, shapely.union_all(_outlines(batch, k))).area
    return numbers(value, area_bounds(value), step=0.1)


def _paths(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    scene, roles = drawn_sets(batch, of_scene(batch), rng, 2)
    kept = np.array([batch.facts[k].scene.floor_polygon is not None for k in scene.tolist()], dtype=bool)
    return scene[kept], roles[kept]


def _is_free(batch: Batch, scene: Rows, roles: Rows, radius_m: float) -> NDArray[np.bool_]:
    """Tell between which two objects a robot of a radius drives straight, (n,)."""
    free, rows = np.zeros(len(roles), dtype=bool), batch.first_row[roles]
    for k in np.unique(scene).tolist():
        asked = np.flatnonzero(scene == k)
        own, place = np.unique(rows[asked], return_inverse=True)
        place = place.reshape(-1, 2)
        outline = batch.facts[k].scene.floor_polygon
        legs = free_legs(
            batch.center[own, :2], own - batch.row_start[k], _outlines(batch, k), outline, radius_m=radius_m
        )
        free[asked] = legs[place[:, 0], place[:, 1]]
    return free


def _drives(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    free = _is_free(batch, scene, roles, ROBOT_RADIUS_M)
    return choices(np.where(free, 0, 1), np.full(len(roles), PASSAGE_SLACK_M))


def _same_for_others(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    """Refuse ways that a slightly wider or narrower robot would find otherwise."""
    wide, narrow = (_is_free(batch, scene, roles, ROBOT_RADIUS_M + s * PASSAGE_SLACK_M) for s in (1, -1))
    return [(Reason.UNSTABLE, wide != narrow)]


_TAGS = Tags("planning", "planning", ("free space",))

TASKS: tuple[Task, ...] = (
    declare(
        "support_surface",
        roles=("object", "under", "other_1", "other_2", "other_3"),
        kinds=("name",) * 5,
        listed_by=_on_what,
        measure=_support,
        wordings=(
            "On which of these does the {object} stand: {listed_0}, {listed_1}, {listed_2}, {listed_3}?",
            "What carries the {object}: {listed_0}, {listed_1}, {listed_2} or {listed_3}?",
        ),
        program="argmax([{listed_0_literal}, {listed_1_literal}, {listed_2_literal}, {listed_3_literal}], "
        + f"[{', '.join(f'1 if supports({{listed_{j}_id}}, {{object_id}}) else 0' for j in range(4))}])",
        margin_unit="m",
        listed=(1, 2, 3, 4),
        knob=Knob("margin", ("all",), (), "m"),
        tags=Tags("planning", "relation", ("support", "search")),
        needs="an object that stands on another, three more",
    ),
    declare(
        "stacked_height",
        roles=("under", "upper"),
        kinds=("name", "name"),
        listed_by=lambda batch, rng: drawn_sets(batch, of_scene(batch), rng, 2, ordered=True),
        measure=_stacked,
        rules=_room_on_top,
        wordings=(
            "If the {upper} were put on top of the {under}, how high would the two be together, in centimeters?",
            "Imagine the {upper} standing on the {under}. How many centimeters above the bottom of the {under} would "
            "its top be?",
        ),
        program="height_cm({under_id}) + height_cm({upper_id})",
        answer_type="integer",
        unit="cm",
        knob=Knob("size", ("<100", "100-200", ">=200"), (100, 200), "cm"),
        tags=Tags("planning", "transformation", ("size", "counterfactual")),
        needs="two objects that can be referred to, one larger than the other",
    ),
    declare(
        "fits_through_door",
        roles=("object",),
        kinds=("name",),
        listed_by=lambda batch, rng: drawn_sets(batch, of_scene(batch), rng, 1),
        measure=_through_door,
        rules=_clear_of_frame,
        wordings=(
            f"Could the {{object}}, kept upright, be carried through a door {DOOR_CM[0]} cm wide and {DOOR_CM[1]} cm "
            "high?",
            f"A door is {DOOR_CM[0]} cm wide and {DOOR_CM[1]} cm high. Does the {{object}} pass through it upright?",
        ),
        program=f'"yes" if breadth_cm({{object_id}}) < cm({DOOR_CM[0]}) and height_cm({{object_id}}) < '
        f'cm({DOOR_CM[1]}) else "no"',
        margin_unit="cm",
        options=Options(fixed=_YES_NO),
        knob=Knob("margin", ("<25", ">=25"), (25,), "cm"),
        tags=Tags("planning", "planning", ("size", "fit")),
        needs="an object that can be referred to",
    ),
    declare(
        "free_floor_area",
        roles=(),
        kinds=(),
        listed_by=_floors,
        measure=_free_area,
        wordings=(
            "How many square meters of this room's floor does nothing stand on? Rugs and what hangs above 1.5 m do not "
            "count.",
            "What area of the floor is free, in square meters, leaving rugs and hanging things out?",
        ),
        program="free_area_m2()",
        answer_type="number",
        unit="m2",
        knob=Knob("area", ("<10", "10-20", ">=20"), (10, 20), "m2"),
        tags=_TAGS,
        needs="scenes.floor_polygon",
        basis=Basis(source="room_size"),
    ),
    declare(
        "straight_way_free",
        roles=("begin", "goal"),
        kinds=("name", "name"),
        listed_by=_paths,
        measure=_drives,
        rules=_same_for_others,
        wordings=(
            "Can a robot 40 cm wide drive in a straight line from the {begin} to the {goal} without touching anything "
            "else?",
            "Is the straight way from the {begin} to the {goal} free for a robot that is 40 cm wide?",
        ),
        program='"yes" if path_clear({begin_id}, {goal_id}) else "no"',
        margin_unit="m",
        options=Options(fixed=_YES_NO),
        knob=Knob("margin", ("all",), (), "m"),
        tags=_TAGS,
        needs="scenes.floor_polygon, two objects that can be referred to",
    ),
)
