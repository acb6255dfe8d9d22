"""How many objects of a category a room has."""

from __future__ import annotations

import numpy as np
import polars as pl

from qa_engine.checks import Reason, Reject
from qa_engine.checks.ambiguity import MIN_COUNT
from qa_engine.facts import Facts
from qa_engine.tasks.base import Candidates, Knob, Task, numbers


def find(facts: Facts, rng: np.random.Generator) -> Candidates:
    """Find the categories with several objects; the published counts decide, not the number of boxes.

    A count does not move with the noise of boxes, so its bounds are the count.
    """
    asked = np.flatnonzero(facts.counts >= MIN_COUNT)
    rejects = [
        Reject(Reason.COUNT_BELOW_TWO, facts.categories[code], detail=f"count {facts.counts[code]}")
        for code in np.flatnonzero(facts.counts < MIN_COUNT).tolist()
    ]
    count = facts.counts[asked].astype(np.float64)
    bounds = (count, count)
    return numbers(asked[:, None], count, bounds, knob=count, difficulty="count", step=1.0, rejects=rejects)


TASK = Task(
    question_type="object_counting",
    answer_type="integer",
    unit="objects",
    margin_unit="objects",
    roles=("counted",),
    find=find,
    question=pl.format("How many {}(s) are in this room?", "counted"),
    program=pl.format("count({})", "counted_literal"),
    knob=Knob("count", ("2", "3", "4", "5+"), (3, 4, 5), "objects"),
    needs="a category with at least two objects",
)
