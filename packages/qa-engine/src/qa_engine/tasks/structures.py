"""Questions whose answer is JSON: a map, a box in space, a graph of relations."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason
from qa_engine.checks.ambiguity import (
    MAX_CAMERA_DISTANCE_M,
    MAX_TILT_DEG,
    MIN_CAMERA_DISTANCE_M,
    MIN_DEPTH_GAP_M,
    MIN_LEVELNESS,
    MIN_MAP_GAP_M,
    MIN_MAP_M,
    MIN_PICTURE_GAP,
)
from qa_engine.facts.batch import Batch
from qa_engine.facts.structures import box_text, map_text, relations_text
from qa_engine.geometry.cameras import levelness
from qa_engine.tasks.base import Answers, Draw, Knob, Tags, Task, structures
from qa_engine.tasks.forms import Quantity, Rule, declare
from qa_engine.tasks.pools import drawn_sets, of_image, of_scene, singles
from qa_engine.tasks.quantities import CAMERA_DISTANCE, IMAGE_X

SETS = 20
"""Sets tried per scene or image; sets that differ in few things ask much the same."""

PAIRS_OF_THREE = tuple(combinations(range(3), 2))


def _gaps_m(batch: Batch, roles: Rows) -> Array:
    """Distances between the centres of each two of the things, seen from above, (n, pairs)."""
    plan = batch.center[batch.first_row[roles], :2]
    pairs = combinations(range(roles.shape[1]), 2)
    return np.stack([np.linalg.norm(plan[:, i] - plan[:, j], axis=1) for i, j in pairs], axis=1)


def _map_width(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    return structures(_gaps_m(batch, roles).max(axis=1, initial=0.0))


def _map_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    gaps = _gaps_m(batch, roles)
    return [(Reason.TOO_CLOSE, (gaps < MIN_MAP_GAP_M).any(axis=1)), (Reason.UNSTABLE, answers.margin < MIN_MAP_M)]


def _map_texts(batch: Batch, scene: Rows, roles: Rows) -> list[str]:
    return [map_text(plan) for plan in batch.center[batch.first_row[roles], :2]]


def _box_distance(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    return structures(CAMERA_DISTANCE.of(batch, roles[:, :1], roles[:, 1]))


def _box_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    up = np.abs(batch.rotation[batch.first_row[roles[:, 1]], :, 2]).max(axis=1, initial=0.0)
    steep = levelness(batch.frames.pose[roles[:, 0]]) < MIN_LEVELNESS
    return [
        (Reason.TILTED, (up < np.cos(np.radians(MAX_TILT_DEG))) | steep),
        (Reason.TOO_CLOSE, answers.margin < MIN_CAMERA_DISTANCE_M),
        (Reason.TOO_FAR, answers.margin > MAX_CAMERA_DISTANCE_M),
    ]


def _box_texts(batch: Batch, scene: Rows, roles: Rows) -> list[str]:
    rows = batch.first_row[roles[:, 1]]
    columns = batch.frames.pose[roles[:, 0]], batch.center[rows], batch.size[rows], batch.rotation[rows]
    return [box_text(*box) for box in zip(*columns, strict=True)]


def _each(quantity: Quantity, batch: Batch, roles: Rows) -> tuple[Array, Array]:
    """Values of the three things and their noise, (n, 3) each."""
    frame, columns = roles[:, :1], roles[:, 1:].T
    values = [quantity.of(batch, frame, column) for column in columns]
    noise = [quantity.noise(batch, frame, column, value) for column, value in zip(columns, values, strict=True)]
    return np.stack(values, axis=1), np.stack(noise, axis=1)


def _lead(quantity: Quantity, batch: Batch, roles: Rows) -> tuple[Array, Array]:
    """Smallest gap between two of the three, and by how much it is above its noise, (n,) each."""
    values, noise = _each(quantity, batch, roles)
    gaps = np.stack([np.abs(values[:, i] - values[:, j]) for i, j in PAIRS_OF_THREE], axis=1)
    doubt = np.stack([np.hypot(noise[:, i], noise[:, j]) for i, j in PAIRS_OF_THREE], axis=1)
    return gaps.min(axis=1), (gaps - doubt).min(axis=1)


def _relations_lead(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    return structures(_lead(CAMERA_DISTANCE, batch, roles)[0])


def _relation_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    rules: list[Rule] = []
    for quantity, least in ((IMAGE_X, MIN_PICTURE_GAP), (CAMERA_DISTANCE, MIN_DEPTH_GAP_M)):
        gap, over_noise = _lead(quantity, batch, roles)
        rules += [(Reason.TIE_WITHIN_MARGIN, gap < least), (Reason.UNSTABLE, over_noise < 0)]
    return rules


def _relation_texts(batch: Batch, scene: Rows, roles: Rows) -> list[str]:
    places, distances = (_each(quantity, batch, roles)[0] for quantity in (IMAGE_X, CAMERA_DISTANCE))
    return [relations_text(x, distance) for x, distance in zip(places, distances, strict=True)]


def _fours(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    return drawn_sets(batch, of_scene(batch), rng, 4, limit=SETS)


def _threes(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    return drawn_sets(batch, of_image(batch), rng, 3, limit=SETS)


_ABCD = "A is the {listed_0}, B the {listed_1}, C the {listed_2} and D the {listed_3}. "
_ABC = "A is the {listed_0}, B the {listed_1} and C the {listed_2}. "

TASKS: tuple[Task, ...] = (
    declare(
        "cognitive_map",
        roles=("a", "b", "c", "d"),
        kinds=("name",) * 4,
        listed=(0, 1, 2, 3),
        listed_by=_fours,
        measure=_map_width,
        rules=_map_rules,
        text=_map_texts,
        wordings=(
            _ABCD + "Draw a map of their centres as seen from above: the smallest square that holds them, cut into "
            "10 x 10 cells with half a cell of margin, turned so that B is straight up from A. "
            "Give the cell [column, row] of each, counted from 0 at the lower left, as JSON: "
            '{"A": [column, row], ...}.',
            "Where do these stand on a 10 x 10 grid? " + _ABCD + "Look from above, turn the plan until B lies exactly "
            "upwards of A, and let the grid be the smallest one on whose cells all four centres fall. Columns count "
            'from the left and rows from the bottom, from 0 to 9. Answer as JSON: {"A": [column, row], ...}.',
        ),
        program="grid_map([{listed_0_id}, {listed_1_id}, {listed_2_id}, {listed_3_id}])",
        answer_type="json",
        knob=Knob("width", ("<3", "3-5", ">=5"), (3, 5), "m"),
        tags=Tags("structures", "transformation", ("layout", "position")),
        needs="four objects that can be referred to",
    ),
    declare(
        "image_object_box",
        roles=("frame", "object"),
        kinds=("frame", "name"),
        listed_by=lambda batch, rng: singles(of_image(batch)),
        measure=_box_distance,
        rules=_box_rules,
        text=_box_texts,
        wordings=(
            "Where in space is the {object}? Give its box as the camera would see it if it were held level, in meters: "
            '{"center": [to the right, ahead, up], "size": [longer side, shorter side, height], "yaw": degrees from '
            "the right to the longer side, counter-clockwise seen from above}.",
            "Find the {object} in 3D. Coordinates start at the camera and are level: x to the right, y ahead, z up, in "
            'meters. Answer {"center": [x, y, z], "size": [longer side, shorter side, height], "yaw": degrees by which '
            "the longer side is turned away from x, counter-clockwise seen from above}.",
        ),
        program="box_from({object_id}, {frame_id})",
        answer_type="json",
        knob=Knob("distance", ("<1", "1-2", "2-4", ">=4"), (1, 2, 4), "m"),
        tags=Tags("structures", "measurement", ("position", "size", "depth"), "one"),
        needs="an image that shows an object that can be referred to",
        shows="frames",
    ),
    declare(
        "image_scene_graph",
        roles=("frame", "a", "b", "c"),
        kinds=("frame", "name", "name", "name"),
        listed=(1, 2, 3),
        listed_by=_threes,
        measure=_relations_lead,
        rules=_relation_rules,
        text=_relation_texts,
        wordings=(
            _ABC + "Which of them is left of which in this image, and which is nearer to the camera than which, each "
            'measured to its closest point? Give all that hold as JSON: [["A", "left of", "B"], ...], with the '
            'relations "left of" and "nearer than".',
            "Describe the layout of this image as a graph. " + _ABC + "List every true triplet of the relations "
            '"left of" (in the picture) and "nearer than" (to the camera, by the closest point) as JSON: '
            '[["A", "nearer than", "C"], ...].',
        ),
        program="relations_shown([{listed_0_id}, {listed_1_id}, {listed_2_id}], {frame_id})",
        answer_type="json",
        knob=Knob("margin", ("<0.5", "0.5-1", ">=1"), (0.5, 1), "m"),
        tags=Tags("structures", "relation", ("position", "depth", "comparison"), "one"),
        needs="an image that shows three objects that can be referred to",
        shows="frames",
    ),
)
"""Question types whose answers are read by their form, see `qa_contract.structures`."""
