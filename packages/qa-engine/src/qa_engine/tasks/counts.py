"""Counts of several categories, and what a video has shown so far."""

from __future__ import annotations

import json
from functools import partial

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason
from qa_engine.facts.batch import Batch, ranges
from qa_engine.tasks.base import Answers, Basis, Conditions, Draw, Knob, Options, Tags, Task, choices, numbers
from qa_engine.tasks.forms import Listed, Rule, declare
from qa_engine.tasks.pools import Pool, drawn_sets

_TAGS = Tags("counts", "relation", ("counting",))
_COUNT = Knob("count", ("<4", "4-6", ">=7"), (4, 7), "objects")
_GAP = Knob("margin", ("1", "2", "3+"), (2, 3), "objects")


def countable(batch: Batch) -> Pool:
    """Pool the categories of each scene whose objects are all known."""
    codes = np.flatnonzero((batch.boxes > 0) & (batch.boxes == batch.counts) & (batch.counts > 0))
    start = np.searchsorted(batch.scene_of_code[codes], np.arange(len(batch) + 1))
    members = [codes[start[k] : start[k + 1]] for k in range(len(batch))]
    return Pool(np.arange(len(batch)), np.zeros((len(batch), 0), dtype=np.int64), members)


def _sets(k: int, *, ordered: bool = False) -> Listed:
    def listed(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
        return drawn_sets(batch, countable(batch), rng, k, ordered=ordered, limit=40)

    return listed


def _counts(batch: Batch, roles: Rows) -> Array:
    return batch.counts[roles].astype(np.float64)


def _number(value: Array) -> Answers:
    return numbers(value, (value, value), step=1.0)


def _some_several(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    """Refuse sums of single objects: they are known without counting."""
    return [(Reason.COUNT_BELOW_TWO, _counts(batch, roles).max(axis=1, initial=0) < 2)]


def _lead(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    count = _counts(batch, roles)
    ranked = np.sort(count, axis=1)
    return choices(np.argmax(count, axis=1), ranked[:, -1] - ranked[:, -2])


def _led(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    return [(Reason.TIE_WITHIN_MARGIN, answers.margin < 1)]


def _categories(k: int) -> tuple[str, ...]:
    return tuple(f"category_{j + 1}" for j in range(k))


def _so_far(batch: Batch, rng: Draw, *, frame_set_id: str) -> tuple[Rows, Rows]:
    """List every category with every frame of the set but the first and the last."""
    if batch.frame_set_id != frame_set_id:
        return np.zeros(0, dtype=np.int64), np.zeros((0, 2), dtype=np.int64)
    pool, frames = countable(batch), batch.frames
    scenes = np.flatnonzero(np.diff(frames.start) > 2)
    code = np.concatenate([np.zeros(0, dtype=np.int64), *(pool.members[k] for k in scenes.tolist())])
    scene = batch.scene_of_code[code]
    owner, frame = ranges(frames.start[scene] + 1, np.diff(frames.start)[scene] - 2)
    return scene[owner], np.column_stack([code[owner], frame])


def _seen_so_far(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    owner, place = ranges(batch.member_start[roles[:, 0]], batch.boxes[roles[:, 0]])
    first = batch.first_place[batch.by_code[place]]
    seen = (first >= 0) & (first < batch.frames.number[roles[owner, 1]])
    return _number(np.bincount(owner[seen], minlength=len(roles)).astype(np.float64))


def _not_all(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    """Refuse what the whole video would answer alike: half of the questions would be plain counting."""
    return [
        (Reason.NOT_VISIBLE, answers.value < 1),
        (Reason.TIE_WITHIN_MARGIN, answers.value >= batch.recognised[roles[:, 0]]),
    ]


def so_far_task(frame_set_id: str) -> Task:
    """Make the task that counts what the first frames of a frame set show.

    Examples
    --------
    >>> so_far_task("uniform-8").program
    'length([x for x in seen_so_far("uniform-8", {frame}) if category(x) == {counted_literal}])'
    """
    quoted = json.dumps(frame_set_id, ensure_ascii=False).replace("{", "{{").replace("}", "}}")
    return declare(
        "count_so_far",
        roles=("counted", "frame"),
        kinds=("name", "frame"),
        single=(),
        listed_by=partial(_so_far, frame_set_id=frame_set_id),
        measure=_seen_so_far,
        rules=_not_all,
        wordings=(
            "How many different {counted}(s) has the video shown up to and including frame {frame}?",
            "Stop at frame {frame}: how many different {counted}(s) have been seen so far?",
        ),
        program=f"length([x for x in seen_so_far({quoted}, {{frame}}) if category(x) == {{counted_literal}}])",
        answer_type="integer",
        unit="objects",
        knob=Knob("count", ("1", "2", "3+"), (2, 3), "objects"),
        tags=Tags("counts", "perception", ("counting", "memory")),
        needs="a frame set and observations, a category of which the video shows more later",
        basis=Basis(source="observations", shown="seen"),
        adapt=_under,
    )


def _under(given: Conditions) -> Task:
    return so_far_task(given.screened_by or "")


TAKEN = (1, 2, 3)
"""Objects that are carried out of the room in a question."""


def _with_taken(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List every category with several objects, and how many of them are taken: not all."""
    codes = np.concatenate([np.zeros(0, dtype=np.int64), *countable(batch).members])
    roles = np.column_stack([np.repeat(codes, len(TAKEN)), np.tile(TAKEN, len(codes))])
    roles = roles[batch.counts[roles[:, 0]] > roles[:, 1]]
    return batch.scene_of_code[roles[:, 0]], roles


def _several(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List single categories and categories with several objects, equally many of each in a scene."""
    found = [np.zeros(0, dtype=np.int64)]
    for k, codes in enumerate(countable(batch).members):
        single, more = (codes[mask] for mask in (batch.counts[codes] == 1, batch.counts[codes] > 1))
        n = min(len(single), len(more))
        if n:
            draw = rng(k)
            found.append(np.sort(np.concatenate([draw.permutation(part)[:n] for part in (single, more)])))
    codes = np.concatenate(found)
    return batch.scene_of_code[codes], codes[:, None]


_REFUSAL = ("yes", "no, there are several")


TASKS: tuple[Task, ...] = (
    declare(
        "count_after_removal",
        roles=("counted", "taken"),
        kinds=("name", "number"),
        single=(),
        listed_by=_with_taken,
        measure=lambda batch, scene, roles: _number((batch.counts[roles[:, 0]] - roles[:, 1]).astype(np.float64)),
        wordings=(
            "If {taken} of the {counted}(s) were carried out of this room, how many {counted}(s) would be left?",
            "Somebody takes away {taken} {counted}(s). How many remain?",
        ),
        program="count({counted_literal}) - {taken_id}",
        answer_type="integer",
        unit="objects",
        knob=Knob("count", ("1", "2", "3+"), (2, 3), "objects"),
        tags=Tags("counts", "transformation", ("counting", "counterfactual")),
        needs="a category with several objects",
        basis=Basis(source="counts"),
    ),
    declare(
        "question_answerable",
        roles=("named",),
        kinds=("name",),
        single=(),
        listed_by=_several,
        measure=lambda batch, scene, roles: choices(
            (batch.counts[roles[:, 0]] > 1).astype(np.int64), np.maximum(batch.counts[roles[:, 0]] - 1.0, 1.0)
        ),
        wordings=(
            'Somebody asks about this room: "How high is the {named}?" Is it clear which object is meant?',
            'Can the question "How wide is the {named}?" be answered for this room as it stands?',
        ),
        program='"yes" if count({named_literal}) == 1 else "no, there are several"',
        margin_unit="objects",
        options=Options(fixed=_REFUSAL),
        knob=Knob("margin", ("1", "2+"), (2,), "objects"),
        tags=Tags("counts", "perception", ("refusal", "counting")),
        needs="a category with one object and one with several",
        basis=Basis(source="counts"),
    ),
    declare(
        "count_together",
        roles=_categories(2),
        kinds=("name",) * 2,
        single=(),
        listed_by=_sets(2),
        measure=lambda batch, scene, roles: _number(_counts(batch, roles).sum(axis=1)),
        rules=_some_several,
        wordings=(
            "How many {listed_0}(s) and {listed_1}(s) are in this room, counted together?",
            "Add up the {listed_0}(s) and the {listed_1}(s): how many objects are there?",
        ),
        program="count({listed_0_literal}) + count({listed_1_literal})",
        listed=(0, 1),
        answer_type="integer",
        unit="objects",
        knob=_COUNT,
        tags=_TAGS,
        needs="two categories, one of them with several objects",
        basis=Basis(source="counts"),
    ),
    declare(
        "count_difference",
        roles=_categories(2),
        kinds=("name",) * 2,
        single=(),
        listed_by=_sets(2, ordered=True),
        measure=lambda batch, scene, roles: _number(_counts(batch, roles) @ np.array([1.0, -1.0])),
        rules=lambda batch, scene, roles, answers: [(Reason.COUNT_BELOW_TWO, answers.value < 1)],
        wordings=(
            "How many more {category_1}(s) than {category_2}(s) are in this room?",
            "By how much does the number of {category_1}(s) exceed that of {category_2}(s)?",
        ),
        program="count({category_1_literal}) - count({category_2_literal})",
        answer_type="integer",
        unit="objects",
        knob=_GAP,
        tags=_TAGS,
        needs="two categories with different numbers of objects",
        basis=Basis(source="counts"),
    ),
    declare(
        "count_most",
        roles=_categories(3),
        kinds=("name",) * 3,
        single=(),
        listed_by=_sets(3),
        measure=_lead,
        rules=_led,
        wordings=(
            "Of which of these are there the most in this room: {listed_0}, {listed_1}, {listed_2}?",
            "Which category has the most objects here: {listed_0}, {listed_1}, {listed_2}?",
        ),
        program="argmax([{listed_0_literal}, {listed_1_literal}, {listed_2_literal}], "
        "[count({listed_0_literal}), count({listed_1_literal}), count({listed_2_literal})])",
        listed=(0, 1, 2),
        margin_unit="objects",
        knob=_GAP,
        tags=_TAGS,
        needs="three categories, one with more objects than the others",
        basis=Basis(source="counts"),
    ),
    so_far_task(""),
)
