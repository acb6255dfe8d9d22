"""How far apart two objects are."""

from __future__ import annotations

import numpy as np

from qa_engine.checks import Reason, Reject
from qa_engine.checks.ambiguity import MIN_DISTANCE_M
from qa_engine.checks.noise import distance_noise_m
from qa_engine.facts import Facts
from qa_engine.tasks.base import Answers, Candidates, Draw, Knob, Rows, Task, numbers


def measure(facts: Facts, roles: Rows) -> Answers:
    """Take the distance between the closest points, as the profile defines it."""
    first, second = facts.first_row[roles[:, 0]], facts.first_row[roles[:, 1]]
    distance = facts.distance(first, second)
    noise = distance_noise_m(facts.half_diagonal_m[first], facts.half_diagonal_m[second])
    return numbers(distance, (np.maximum(distance - noise, 0), distance + noise), step=0.1)


def find(facts: Facts, rng: Draw) -> Candidates:
    """Find the pairs of objects, each the only one of its category, that are clearly apart."""
    places = np.stack(np.triu_indices(len(facts.unique), k=1), axis=1)
    roles = facts.unique[places].reshape(-1, 2)
    answers = measure(facts, roles)
    apart = np.rint(answers.value * 10) >= MIN_DISTANCE_M * 10
    rejects = [
        Reject(
            Reason.TOO_CLOSE,
            ", ".join(facts.categories[code] for code in roles[k].tolist()),
            detail=f"{answers.value[k]:.3f} m",
        )
        for k in np.flatnonzero(~apart).tolist()
    ]
    if len(facts.unique) < 2:
        detail = f"{len(facts.unique)} of 2 categories with one object"
        rejects.append(Reject(Reason.TOO_FEW_OBJECTS, detail=detail))
    distance = answers.value
    found = Candidates(roles, answers, distance, {"distance_m": distance}, rejects)
    return found.take(np.flatnonzero(apart))


TASK = Task(
    question_type="object_abs_distance",
    answer_type="number",
    unit="m",
    margin_unit="m",
    roles=("a", "b"),
    single=(0, 1),
    question="Measuring from the closest point of each object, what is the distance between the {listed_0} and the "
    "{listed_1} (in meters)?",
    program="distance_m({a_id}, {b_id})",
    find=find,
    measure=measure,
    knob=Knob("distance", ("<1", "1-2", "2-4", ">=4"), (1, 2, 4), "m"),
    needs="two categories with one object each",
    listed=(0, 1),
)
