"""How large the floor of a room is."""

from __future__ import annotations

import numpy as np

from qa_engine.arrays import Rows
from qa_engine.checks import Reason, Reject
from qa_engine.checks.noise import area_bounds
from qa_engine.facts.batch import Batch
from qa_engine.tasks.base import Answers, Basis, Candidates, Draw, Knob, Tags, Task, numbers


def measure(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    """Take the floor area of the scene; NaN where it has none."""
    value = batch.room_size_m2[scene]
    return numbers(value, area_bounds(value), step=0.1)


def find(batch: Batch, rng: Draw) -> Candidates:
    """Ask once per scene that has a floor area."""
    unknown = np.isnan(batch.room_size_m2)
    rejects = [
        Reject(Reason.NO_ROOM_SIZE, detail="scenes.room_size_m2 is null", scene=k)
        for k in np.flatnonzero(unknown).tolist()
    ]
    scene = np.flatnonzero(~unknown)
    roles = np.zeros((len(scene), 0), dtype=np.int64)
    answers = measure(batch, scene, roles)
    return Candidates(scene, roles, answers, answers.value, {"area_m2": answers.value}, rejects)


TASK = Task(
    question_type="room_size_estimation",
    answer_type="number",
    unit="m2",
    margin_unit="m2",
    roles=(),
    single=(),
    question="What is the size of this room (in square meters)? \n"
    "If multiple rooms are shown, estimate the size of the combined space.",
    program="room_area_m2()",
    find=find,
    measure=measure,
    knob=Knob("area", ("<15", "15-25", "25-40", ">=40"), (15, 25, 40), "m2"),
    needs="scenes.room_size_m2",
    tags=Tags("vsi-bench", "measurement", ("area",)),
    basis=Basis(source="room_size"),
)
