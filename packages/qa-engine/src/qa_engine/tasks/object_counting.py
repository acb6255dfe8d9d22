"""How many objects of a category a room has."""

from __future__ import annotations

import numpy as np

from qa_engine.batch import Batch
from qa_engine.checks import Reason, Reject
from qa_engine.checks.ambiguity import MIN_COUNT
from qa_engine.tasks.base import Answers, Candidates, Draw, Knob, Rows, Task, numbers


def measure(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    """Count by the published counts, not by boxes; a count does not move with the noise of boxes."""
    count = batch.counts[roles[:, 0]].astype(np.float64)
    return numbers(count, (count, count), step=1.0)


def find(batch: Batch, rng: Draw) -> Candidates:
    """Find the categories with several objects."""
    several = batch.counts >= MIN_COUNT
    roles = np.flatnonzero(several)[:, None]
    few = np.flatnonzero(~several)
    rejects = [
        Reject(Reason.COUNT_BELOW_TWO, batch.categories[code], detail=f"count {count}", scene=scene)
        for code, count, scene in zip(
            few.tolist(), batch.counts[few].tolist(), batch.scene_of_code[few].tolist(), strict=True
        )
    ]
    scene = batch.scene_of_code[roles[:, 0]]
    answers = measure(batch, scene, roles)
    return Candidates(scene, roles, answers, answers.value, {"count": answers.value}, rejects)


TASK = Task(
    question_type="object_counting",
    answer_type="integer",
    unit="objects",
    margin_unit="objects",
    roles=("counted",),
    single=(),
    question="How many {counted}(s) are in this room?",
    program="count({counted_literal})",
    find=find,
    measure=measure,
    knob=Knob("count", ("2", "3", "4", "5+"), (3, 4, 5), "objects"),
    needs="a category with at least two objects",
)
