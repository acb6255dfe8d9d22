"""How long the longest side of an object is."""

from __future__ import annotations

import numpy as np

from qa_engine.checks import Reason, Reject
from qa_engine.checks.noise import length_bounds
from qa_engine.facts import Facts
from qa_engine.tasks.base import Answers, Candidates, Draw, Knob, Rows, Task, numbers


def measure(facts: Facts, roles: Rows) -> Answers:
    """Take the longest extent of the box."""
    value = facts.longest_side_m[facts.first_row[roles[:, 0]]] * 100
    return numbers(value, length_bounds(value), step=1.0)


def find(facts: Facts, rng: Draw) -> Candidates:
    """Find the objects that are the only one of their category."""
    roles = facts.unique[:, None]
    side = facts.longest_side_m[facts.unique_rows]
    return Candidates(roles, measure(facts, roles), side, {"size_m": side}, _not_unique(facts))


def _not_unique(facts: Facts) -> list[Reject]:
    """Refuse the categories that no "the" refers to."""
    several = np.ones(len(facts.categories), dtype=bool)
    several[facts.unique] = False
    return [
        Reject(
            Reason.NOT_UNIQUE if facts.counts[code] == facts.boxes[code] else Reason.COUNT_MISMATCH,
            facts.categories[code],
            detail=f"count {facts.counts[code]}, boxes {facts.boxes[code]}",
        )
        for code in np.flatnonzero(several).tolist()
    ]


TASK = Task(
    question_type="object_size_estimation",
    answer_type="integer",
    unit="cm",
    margin_unit="cm",
    roles=("object",),
    single=(0,),
    question="What is the length of the longest dimension (length, width, or height) of the {object}, measured in "
    "centimeters?",
    program="longest_side_cm({object_id})",
    find=find,
    measure=measure,
    knob=Knob("size", ("<0.5", "0.5-1", "1-2", ">=2"), (0.5, 1, 2), "m"),
    needs="a category with one object",
)
