"""How large the floor of a room is."""

from __future__ import annotations

import numpy as np
import polars as pl

from qa_engine.checks import Reason, Reject
from qa_engine.checks.noise import area_bounds
from qa_engine.facts import Facts
from qa_engine.tasks.base import Candidates, Knob, Task, numbers


def find(facts: Facts, rng: np.random.Generator) -> Candidates:
    """Ask once per scene that has a floor area."""
    area = facts.scene.room_size_m2
    value = np.array([] if area is None else [area], dtype=np.float64)
    rejects = [Reject(Reason.NO_ROOM_SIZE, detail="scenes.room_size_m2 is null")] if area is None else []
    roles = np.zeros((len(value), 0), dtype=np.int64)
    bounds = area_bounds(value)
    return numbers(roles, value, bounds, knob=value, difficulty="area_m2", step=0.1, rejects=rejects)


TASK = Task(
    question_type="room_size_estimation",
    answer_type="number",
    unit="m2",
    margin_unit="m2",
    roles=(),
    find=find,
    question=pl.lit(
        "What is the size of this room (in square meters)? \n"
        "If multiple rooms are shown, estimate the size of the combined space."
    ),
    program=pl.lit("room_area_m2()"),
    knob=Knob("area", ("<15", "15-25", "25-40", ">=40"), (15, 25, 40), "m2"),
    needs="scenes.room_size_m2",
)
