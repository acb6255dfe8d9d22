"""How long the longest side of an object is."""

from __future__ import annotations

import numpy as np

from qa_engine.arrays import Rows
from qa_engine.checks import Reason, Reject
from qa_engine.checks.noise import length_bounds
from qa_engine.facts.batch import Batch
from qa_engine.tasks.base import Answers, Candidates, Draw, Knob, Tags, Task, numbers


def measure(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    """Take the longest extent of the box."""
    value = batch.longest_side_m[batch.first_row[roles[:, 0]]] * 100
    return numbers(value, length_bounds(value), step=1.0)


def find(batch: Batch, rng: Draw) -> Candidates:
    """Find the objects that are the only one of their category."""
    roles = batch.unique[:, None]
    side = batch.longest_side_m[batch.unique_rows]
    scene = batch.unique_scene
    return Candidates(scene, roles, measure(batch, scene, roles), side, {"size_m": side}, _not_unique(batch))


def _not_unique(batch: Batch) -> list[Reject]:
    """Refuse the categories that no "the" refers to."""
    several = np.ones(len(batch.categories), dtype=bool)
    several[batch.category_of(batch.unique)] = False
    codes = np.flatnonzero(several)
    columns = (column[codes].tolist() for column in (batch.counts, batch.boxes, batch.scene_of_code))
    return [
        Reject(
            Reason.NOT_UNIQUE if count == boxes else Reason.COUNT_MISMATCH,
            batch.categories[code],
            detail=f"count {count}, boxes {boxes}",
            scene=scene,
        )
        for code, count, boxes, scene in zip(codes.tolist(), *columns, strict=True)
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
    tags=Tags("vsi-bench", "measurement", ("size",)),
)
