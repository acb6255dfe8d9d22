"""How far objects are from each other: closest, farthest, orders, and how many lie within a radius."""

from __future__ import annotations

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason
from qa_engine.checks.ambiguity import MAX_SMALL_M, MIN_CLOSEST_M, MIN_OPTION_GAP_M
from qa_engine.checks.noise import distance_noise_m
from qa_engine.facts.batch import Batch, ranges
from qa_engine.tasks.base import Answers, Draw, Knob, Tags, Task, numbers
from qa_engine.tasks.forms import Context, Rule, declare
from qa_engine.tasks.pools import Pool, around
from qa_engine.tasks.quantities import DISTANCE
from qa_engine.tasks.rankings import ask_most, ask_order, ask_place

RADII_M = (1, 2, 3)
"""Radii that objects are counted in."""

AROUND = Context(around, ("anchor",), ("name",))
_RELATION = Tags("distances", "relation", ("distance", "comparison"))
_GAP = Knob("margin", ("<0.3", "0.3-0.6", "0.6-1.2", ">=1.2"), (0.3, 0.6, 1.2), "m")
_FROM = "Measuring from the closest point of each object, "


def around_small(batch: Batch) -> Pool:
    """Pool the objects around each small one: what one would say where it is by."""
    pool = around(batch)
    small = np.flatnonzero(batch.longest_side_m[batch.first_row[pool.context[:, 0]]] <= MAX_SMALL_M)
    return Pool(pool.scene[small], pool.context[small], [pool.members[k] for k in small.tolist()])


def _compared(name: str, *, most: bool, k: int) -> Task:
    word = "farthest from" if most else "closest to"
    return ask_most(
        name,
        DISTANCE,
        wordings=(
            f"{_FROM}which of these objects is {word} the {{anchor}}: {{listed}}?",
            f"Which one of {{listed}} is {word} the {{anchor}}, from closest point to closest point?",
        ),
        most=most,
        k=k,
        min_gap=MIN_OPTION_GAP_M,
        min_value=MIN_CLOSEST_M,
        context=AROUND,
        knob=_GAP,
        tags=_RELATION,
        limit=20,
    )


def _within(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List an object, a category with several objects, and a radius: all of them."""
    counted = np.flatnonzero((batch.boxes > 1) & (batch.boxes == batch.counts))
    start = np.searchsorted(batch.scene_of_code[counted], np.arange(len(batch) + 1))
    scene = batch.unique_scene
    owner, place = ranges(start[scene], np.diff(start)[scene])
    anchor, category = np.repeat(batch.unique[owner], len(RADII_M)), np.repeat(counted[place], len(RADII_M))
    roles = np.column_stack([anchor, category, np.tile(RADII_M, len(owner))])
    roles = roles[batch.category_of(anchor) != category]  # not "how many chairs by this chair"
    return batch.scene_of_code[roles[:, 0]], roles


def _members(batch: Batch, roles: Rows) -> tuple[Rows, Array, Array]:
    """Question, distance and noise of every object that a question counts."""
    owner, place = ranges(batch.member_start[roles[:, 1]], batch.boxes[roles[:, 1]])
    rows, anchor = batch.by_code[place], batch.first_row[roles[owner, 0]]
    half = batch.half_diagonal_m
    return owner, batch.distance(anchor, rows), distance_noise_m(half[anchor], half[rows])


def _count_within(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    owner, distance, _ = _members(batch, roles)
    count = np.bincount(owner[distance <= roles[owner, 2]], minlength=len(roles)).astype(np.float64)
    return numbers(count, (count, count), step=1.0)


def _clear_border(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    owner, distance, noise = _members(batch, roles)
    gap = np.abs(distance - roles[owner, 2])
    near, unstable = np.zeros(len(roles), dtype=bool), np.zeros(len(roles), dtype=bool)
    np.logical_or.at(near, owner, gap < MIN_OPTION_GAP_M)
    np.logical_or.at(unstable, owner, gap < noise)
    return [
        (Reason.COUNT_BELOW_TWO, answers.value < 1),
        (Reason.TIE_WITHIN_MARGIN, near),
        (Reason.UNSTABLE, unstable),
    ]


TASKS: tuple[Task, ...] = (
    _compared("object_closest_of_two", most=False, k=2),
    _compared("object_closest_of_three", most=False, k=3),
    _compared("object_farthest_of_two", most=True, k=2),
    _compared("object_farthest_of_three", most=True, k=3),
    _compared("object_farthest_of_four", most=True, k=4),
    ask_order(
        "object_distance_order",
        DISTANCE,
        wordings=(
            f"{_FROM}order these objects by their distance to the {{anchor}}, the closest first: {{listed}}.",
            "Sort {listed} by how far they are from the {anchor}, the closest first.",
        ),
        k=3,
        min_gap=MIN_OPTION_GAP_M,
        context=AROUND,
        knob=_GAP,
        tags=_RELATION,
    ),
    ask_most(
        "object_nearest_reference",
        DISTANCE,
        wordings=(
            f"I am looking for the {{anchor}}. {_FROM}which of these is it closest to: {{listed}}?",
            "To tell somebody where the {anchor} is, which is the closest landmark of {listed}?",
        ),
        most=False,
        k=4,
        min_gap=MIN_OPTION_GAP_M,
        context=Context(around_small, ("anchor",), ("name",), needs="one of them small"),
        knob=_GAP,
        tags=Tags("distances", "relation", ("distance", "search")),
        limit=20,
    ),
    ask_place(
        "object_closest_after_removal",
        DISTANCE,
        wordings=(
            f"{_FROM}suppose that the closest of these to the {{anchor}} is taken away: {{listed}}. Which of the "
            "others is then the closest to the {anchor}?",
            "Remove whichever of {listed} is closest to the {anchor}. Which one is the closest now?",
        ),
        place=1,
        k=3,
        min_gap=MIN_OPTION_GAP_M,
        context=AROUND,
        knob=_GAP,
        tags=Tags("distances", "transformation", ("distance", "counterfactual")),
        limit=20,
    ),
    declare(
        "object_count_within",
        roles=("anchor", "counted", "radius"),
        kinds=("name", "name", "number"),
        single=(0,),
        listed_by=_within,
        measure=_count_within,
        rules=_clear_border,
        wordings=(
            "How many {counted}(s) are within {radius} m of the {anchor}, from closest point to closest point?",
            "Count the {counted}(s) that are no farther than {radius} m from the {anchor}.",
        ),
        program="length([x for x in instances({counted_literal}) if distance_m({anchor_id}, x) <= m({radius})])",
        answer_type="integer",
        unit="objects",
        knob=Knob("count", ("1", "2", "3", "4+"), (2, 3, 4), "objects"),
        tags=Tags("distances", "relation", ("distance", "counting")),
        needs="an object that can be referred to, a category with two objects",
    ),
)
