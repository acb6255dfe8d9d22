"""What two images show of one place: what only one of them has, what both have, and where things are from the other."""

from __future__ import annotations

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason
from qa_engine.checks.ambiguity import MIN_DEPTH_GAP_M, MIN_DISTANCE_M, MIN_LEVEL, MIN_SECTOR_MARGIN_DEG
from qa_engine.checks.noise import camera_turn_noise_deg
from qa_engine.facts.batch import Batch
from qa_engine.geometry.cameras import levelness, view_turns_deg
from qa_engine.geometry.directions import QUARTERS
from qa_engine.tasks.base import Answers, Draw, Knob, Options, Tags, Task, choices, numbers
from qa_engine.tasks.forms import Rule, declare
from qa_engine.tasks.pools import of_scene
from qa_engine.tasks.quantities import CAMERA_DISTANCE, DISTANCE

MAX_PAIRS = 60
"""Ordered pairs of images that are looked at per scene."""

_TAGS = Tags("pairs", "relation", ("view matching",), "two")
_QUARTERS = tuple(dict.fromkeys(QUARTERS.names))


def _pairs(batch: Batch, rng: Draw) -> Rows:
    """Draw ordered pairs of images of one scene, (p, 2)."""
    frames, found = batch.frames, [np.zeros((0, 2), dtype=np.int64)]
    for k in range(len(batch)):
        own = np.arange(frames.start[k], frames.start[k + 1])
        first, second = np.nonzero(~np.eye(len(own), dtype=bool))
        if len(first) > MAX_PAIRS:
            chosen = np.sort(rng(k).permutation(len(first))[:MAX_PAIRS])
            first, second = first[chosen], second[chosen]
        found.append(np.stack([own[first], own[second]], axis=1))
    return np.concatenate(found)


def _looks(batch: Batch, frame: int, codes: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Tell which objects an image shows clearly, and which not by a single pixel, (u,) each."""
    rows = batch.first_row[codes]
    views = batch.frames.views(np.full(len(rows), frame), rows)
    return batch.frames.clear[views], batch.frames.pixels[views] == 0


def _known(batch: Batch) -> list[Rows]:
    """Objects of each scene that can be referred to whichever image shows them: by the only name, or by mark."""
    members = of_scene(batch).members
    if batch.reference != "description":
        return members
    return [codes[codes < len(batch.categories)] for codes in members]


def _seen_in_one(batch: Batch, rng: Draw, *, first: bool, second: bool) -> list[tuple[int, int, int, Rows]]:
    """List pairs of images with the objects that each of them shows clearly, or not at all."""
    known, found = _known(batch), []
    for a, b in _pairs(batch, rng).tolist():
        k = int(batch.frames.scene[a])
        codes = known[k]
        (clear_a, never_a), (clear_b, never_b) = (_looks(batch, frame, codes) for frame in (a, b))
        kept = (clear_a if first else never_a) & (clear_b if second else never_b)
        found.append((k, a, b, codes[kept]))
    return found


def _stacked(rows: list[tuple[int, tuple[int, ...]]], width: int) -> tuple[Rows, Rows]:
    scene = np.array([k for k, _ in rows], dtype=np.int64)
    return scene, np.array([roles for _, roles in rows], dtype=np.int64).reshape(-1, width)


def _in_both(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List pairs of images with each object that both show."""
    found = _seen_in_one(batch, rng, first=True, second=True)
    return _stacked([(k, (a, b, code)) for k, a, b, codes in found for code in codes.tolist()], 3)


def _only_first(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List pairs of images with each object that only the first shows."""
    found = _seen_in_one(batch, rng, first=True, second=False)
    return _stacked([(k, (a, b, code)) for k, a, b, codes in found for code in codes.tolist()], 3)


def _one_in_each(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List pairs of images with an object that only the first shows and one that only the second shows."""
    only_first = {(a, b): (k, codes) for k, a, b, codes in _seen_in_one(batch, rng, first=True, second=False)}
    only_second = {(a, b): codes for _, a, b, codes in _seen_in_one(batch, rng, first=False, second=True)}
    rows = [
        (k, (a, b, one, other))
        for (a, b), (k, codes) in only_first.items()
        for one in codes.tolist()
        for other in only_second[a, b].tolist()
    ]
    return _stacked(rows, 4)


def _new_and_old(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List pairs of images with one object that only the second shows and two that both show."""
    both = {(a, b): codes for _, a, b, codes in _seen_in_one(batch, rng, first=True, second=True)}
    rows = [
        (k, (a, b, new, *both[a, b][[i, j]].tolist()))
        for k, a, b, codes in _seen_in_one(batch, rng, first=False, second=True)
        for new in codes.tolist()
        for i in range(len(both[a, b]))
        for j in range(i + 1, len(both[a, b]))
    ]
    return _stacked(rows, 5)


def _first_is_new(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    """Take the one that the first image does not show; by construction it is the first of the objects."""
    rows = batch.first_row[roles[:, 2:]]
    frames = np.repeat(roles[:, :1], rows.shape[1], axis=1)
    pixels = batch.frames.pixels[batch.frames.views(frames.ravel(), rows.ravel())].reshape(rows.shape)
    ranked = np.sort(pixels, axis=1)
    return choices(np.argmin(pixels, axis=1), (ranked[:, 1] - ranked[:, 0]).astype(np.float64))


def _change(batch: Batch, roles: Rows) -> Array:
    first, second = (CAMERA_DISTANCE.of(batch, roles[:, [j]], roles[:, 2]) for j in (0, 1))
    return second - first


def _nearer(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    change = _change(batch, roles)
    return choices(np.where(change > 0, 0, 1), np.abs(change))


def _nearer_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    noise = CAMERA_DISTANCE.noise(batch, roles[:, [0]], roles[:, 2], answers.margin)
    return [(Reason.TIE_WITHIN_MARGIN, answers.margin < MIN_DEPTH_GAP_M), (Reason.UNSTABLE, answers.margin < noise)]


def _across(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    value = DISTANCE.of(batch, roles[:, 2:3], roles[:, 3])
    noise = DISTANCE.noise(batch, roles[:, 2:3], roles[:, 3], value)
    return numbers(value, (np.maximum(value - noise, 0), value + noise), step=0.1)


def _across_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    return [(Reason.TOO_CLOSE, np.rint(answers.value * 10) < MIN_DISTANCE_M * 10)]


def _turn(batch: Batch, roles: Rows) -> Array:
    return view_turns_deg(batch.frames.pose[roles[:, 1]], batch.center[batch.first_row[roles[:, 2]]])


def _side(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    turn = _turn(batch, roles)
    place = np.array([_QUARTERS.index(name) for name in QUARTERS.names])
    return choices(place[QUARTERS.index(turn)], QUARTERS.margin_deg(turn))


def _side_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    pose, center = batch.frames.pose[roles[:, 1]], batch.center[batch.first_row[roles[:, 2]]]
    noise = camera_turn_noise_deg(np.linalg.norm(center[:, :2] - pose[:, :2, 3], axis=1))
    return [
        (Reason.NEAR_SECTOR_BORDER, levelness(pose) < MIN_LEVEL),
        (Reason.NEAR_SECTOR_BORDER, answers.margin < MIN_SECTOR_MARGIN_DEG),
        (Reason.UNSTABLE, answers.margin < noise),
    ]


_ROLES = ("frame", "other")
_FRAMES = ("frame", "frame")

TASKS: tuple[Task, ...] = (
    declare(
        "pair_nearer_in",
        roles=(*_ROLES, "object"),
        kinds=(*_FRAMES, "name"),
        listed_by=_in_both,
        measure=_nearer,
        rules=_nearer_rules,
        wordings=(
            "In which of the two images was the camera nearer to the {object}: the first or the second?",
            "Which image was taken from closer to the {object}, the first or the second?",
        ),
        program='"first" if camera_distance_m({object_id}, {other_id}) > camera_distance_m({object_id}, {frame_id}) '
        'else "second"',
        margin_unit="m",
        options=Options(fixed=("first", "second")),
        knob=Knob("margin", ("<0.5", "0.5-1", ">=1"), (0.5, 1), "m"),
        tags=_TAGS,
        needs="two images that show an object that can be referred to",
        shows="frames",
    ),
    declare(
        "pair_only_in_second",
        roles=(*_ROLES, "new", "old_1", "old_2"),
        kinds=(*_FRAMES, "name", "name", "name"),
        listed_by=_new_and_old,
        measure=_first_is_new,
        wordings=(
            "Which of these does the second image show and the first image not: {listed_0}, {listed_1}, {listed_2}?",
            "One of {listed_0}, {listed_1}, {listed_2} is in the second image only. Which one?",
        ),
        program="argmin([{listed_0_literal}, {listed_1_literal}, {listed_2_literal}], [pixels_shown({listed_0_id}, "
        "{frame_id}), pixels_shown({listed_1_id}, {frame_id}), pixels_shown({listed_2_id}, {frame_id})])",
        margin_unit="px",
        listed=(2, 3, 4),
        knob=Knob("margin", ("<1000", ">=1000"), (1000,), "px"),
        tags=_TAGS,
        needs="two images, an object that only one shows, two that both show",
        shows="frames",
        seen_in=(0, 1, 1, 1, 1),
    ),
    declare(
        "pair_object_distance",
        roles=(*_ROLES, "a", "b"),
        kinds=(*_FRAMES, "name", "name"),
        listed_by=_one_in_each,
        measure=_across,
        rules=_across_rules,
        wordings=(
            "How far is the {a}, which only the first image shows, from the {b}, which only the second one shows, from "
            "closest point to closest point (in meters)?",
            "Put the two images together: what is the distance in meters between the {a} of the first and the {b} of "
            "the second?",
        ),
        program="distance_m({a_id}, {b_id})",
        answer_type="number",
        unit="m",
        knob=Knob("distance", ("<1", "1-2", "2-4", ">=4"), (1, 2, 4), "m"),
        tags=Tags("pairs", "measurement", ("distance", "view matching"), "two"),
        needs="two images, each with an object that the other does not show",
        shows="frames",
        seen_in=(0, 1, 0, 1),
    ),
    declare(
        "pair_side_of_second",
        roles=(*_ROLES, "object"),
        kinds=(*_FRAMES, "name"),
        listed_by=_only_first,
        measure=_side,
        rules=_side_rules,
        wordings=(
            "Only the first image shows the {object}. For somebody who stands where the second image was taken and "
            "looks as it does, is the {object} in front, to the left, behind, or to the right?",
            "I took the second image and have not moved. Where from me is the {object} of the first image?",
        ),
        program="view_side({other_id}, {object_id})",
        margin_unit="deg",
        options=Options(fixed=_QUARTERS),
        knob=Knob("margin", ("<20", "20-30", ">=30"), (20, 30), "deg"),
        tags=Tags("pairs", "transformation", ("perspective", "view matching"), "two"),
        needs="two images, an object that only one shows",
        shows="frames",
    ),
)
