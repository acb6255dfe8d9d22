"""How far apart two objects are."""

from __future__ import annotations

import numpy as np
import polars as pl

from qa_engine.checks import Reason, Reject
from qa_engine.checks.ambiguity import MIN_DISTANCE_M
from qa_engine.checks.noise import distance_noise_m
from qa_engine.facts import Facts
from qa_engine.tasks.base import Array, Candidates, Knob, Rows, Task, numbers


def find(facts: Facts, rng: np.random.Generator) -> Candidates:
    """Find the pairs of objects, each the only one of its category, that are clearly apart."""
    rows, codes = facts.unique_rows, facts.unique
    if len(rows) < 2:
        rejects = [Reject(Reason.TOO_FEW_OBJECTS, detail=f"{len(rows)} of 2 categories with one object")]
        return _candidates(facts, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), rejects)
    i, j = np.triu_indices(len(rows), k=1)
    distance = facts.distance(rows[i], rows[j])
    apart = np.rint(distance * 10) >= MIN_DISTANCE_M * 10
    rejects = [
        Reject(
            Reason.TOO_CLOSE,
            f"{facts.categories[codes[i[k]]]}, {facts.categories[codes[j[k]]]}",
            detail=f"{distance[k]:.3f} m",
        )
        for k in np.flatnonzero(~apart).tolist()
    ]
    return _candidates(facts, i[apart], j[apart], distance[apart], rejects)


def _candidates(facts: Facts, i: Rows, j: Rows, distance: Array, rejects: list[Reject]) -> Candidates:
    """Make the candidates of places `i`, `j` in `Facts.unique`."""
    rows, codes = facts.unique_rows, facts.unique
    noise = distance_noise_m(facts.half_diagonal_m[rows[i]], facts.half_diagonal_m[rows[j]])
    return numbers(
        np.stack([codes[i], codes[j]], axis=1),
        distance,
        (np.maximum(distance - noise, 0), distance + noise),
        knob=distance,
        difficulty="distance_m",
        step=0.1,
        rejects=rejects,
    )


TASK = Task(
    question_type="object_abs_distance",
    answer_type="number",
    unit="m",
    margin_unit="m",
    roles=("a", "b"),
    find=find,
    question=pl.format(
        "Measuring from the closest point of each object, what is the distance between the {} and the {} (in meters)?",
        "listed_0",
        "listed_1",
    ),
    program=pl.format("distance_m({}, {})", "a_id", "b_id"),
    knob=Knob("distance", ("<1", "1-2", "2-4", ">=4"), (1, 2, 4), "m"),
    needs="two categories with one object each",
    listed=(0, 1),
)
