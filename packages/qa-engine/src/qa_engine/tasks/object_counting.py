"""How many objects of a category a room has, or of those that the frames of a frame set show."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Rows
from qa_engine.checks import Reason, Reject
from qa_engine.checks.ambiguity import MIN_COUNT
from qa_engine.facts.batch import Batch
from qa_engine.tasks.base import Answers, Basis, Candidates, Draw, Knob, Tags, Task, numbers


def measure(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    """Count what the frame set of the batch shows, where it tells; otherwise all objects.

    All objects are counted by the published counts, not by boxes. A count does not move with the noise of boxes.
    """
    count = _counts(batch)[roles[:, 0]].astype(np.float64)
    return numbers(count, (count, count), step=1.0)


def _counts(batch: Batch) -> Rows:
    return np.where(_judged(batch), batch.recognised, batch.counts)


def _judged(batch: Batch) -> NDArray[np.bool_]:
    """Tell of which categories the frame set says what it shows, (c,)."""
    return batch.judged[batch.scene_of_code[: len(batch.categories)]]


def find(batch: Batch, rng: Draw) -> Candidates:
    """Find the categories with several objects; in frames also those of which several are seen."""
    counts, judged = _counts(batch), _judged(batch)
    unknown = judged & (batch.counts != batch.boxes)
    several = (counts >= MIN_COUNT) & ~unknown
    roles = np.flatnonzero(several)[:, None]
    rejects = []
    for code in np.flatnonzero(~several).tolist():
        count, boxes, seen = int(batch.counts[code]), int(batch.boxes[code]), int(counts[code])
        if count < MIN_COUNT:
            reason, detail = Reason.COUNT_BELOW_TWO, f"count {count}"
        elif unknown[code]:
            reason, detail = Reason.COUNT_MISMATCH, f"count {count}, boxes {boxes}"
        else:
            reason, detail = Reason.NOT_VISIBLE, f"{seen} of {count} in the frames"
        rejects.append(Reject(reason, batch.categories[code], detail=detail, scene=int(batch.scene_of_code[code])))
    scene = batch.scene_of_code[roles[:, 0]]
    answers = measure(batch, scene, roles)
    variant = batch.judged[scene].astype(np.int64)
    return Candidates(scene, roles, answers, answers.value, {"count": answers.value}, rejects, variant)


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
    tags=Tags("vsi-bench", "measurement", ("counting",)),
    basis=Basis(source="counts"),
    adapt=lambda given: TASK if given.screened_by is None else counting_task(given.screened_by),
)


_SEEN = Basis(source="counts", shown="seen")


def counting_task(frame_set_id: str) -> Task:
    """Make the task that counts what the frames of a frame set show, and everything where they cannot tell.

    Examples
    --------
    >>> counting_task("uniform-32").variants[1].program
    'count_seen({counted_literal}, "uniform-32")'
    """
    seen = replace(
        TASK,
        program=f"count_seen({{counted_literal}}, {json.dumps(frame_set_id, ensure_ascii=False)})",
        parameters=frame_set_id,
        basis=_SEEN,
    )
    return replace(TASK, basis=_SEEN, variants=(TASK, seen))
