"""How far apart two objects are."""

from __future__ import annotations

import numpy as np

from qa_engine.arrays import Rows
from qa_engine.checks import Reason, Reject
from qa_engine.checks.ambiguity import MIN_DISTANCE_M
from qa_engine.checks.noise import distance_noise_m
from qa_engine.facts.batch import Batch, ranges
from qa_engine.tasks.base import Answers, Basis, Candidates, Draw, Knob, Tags, Task, numbers


def measure(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    """Take the distance between the closest points, as the profile defines it."""
    first, second = batch.first_row[roles[:, 0]], batch.first_row[roles[:, 1]]
    distance = batch.distance(first, second)
    noise = distance_noise_m(batch.half_diagonal_m[first], batch.half_diagonal_m[second])
    return numbers(distance, (np.maximum(distance - noise, 0), distance + noise), step=0.1)


def pairs(batch: Batch, roles: Rows) -> tuple[Rows, Rows, Rows]:
    """Pair the two objects of each question."""
    return np.arange(len(roles)), batch.first_row[roles[:, 0]], batch.first_row[roles[:, 1]]


def find(batch: Batch, rng: Draw) -> Candidates:
    """Find the pairs of objects, each the only one of its category, that are clearly apart."""
    places = np.arange(len(batch.unique))
    first, second = ranges(places + 1, batch.unique_start[1:][batch.unique_scene] - places - 1)
    roles, scene = batch.unique[np.stack([first, second], axis=1)], batch.unique_scene[first]
    answers = measure(batch, scene, roles)
    apart = np.rint(answers.value * 10) >= MIN_DISTANCE_M * 10
    close = np.flatnonzero(~apart)
    rejects = [
        Reject(Reason.TOO_CLOSE, f"{batch.text_of(a)}, {batch.text_of(b)}", detail=f"{distance:.3f} m", scene=k)
        for (a, b), distance, k in zip(
            roles[close].tolist(), answers.value[close].tolist(), scene[close].tolist(), strict=True
        )
    ]
    rejects += [
        Reject(Reason.TOO_FEW_OBJECTS, detail=f"{n} of 2 categories with one object", scene=k)
        for k, n in enumerate(np.diff(batch.unique_start).tolist())
        if n < 2
    ]
    distance = answers.value
    found = Candidates(scene, roles, answers, distance, {"distance_m": distance}, rejects)
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
    tags=Tags("vsi-bench", "measurement", ("distance",)),
    listed=(0, 1),
    basis=Basis(pairs=pairs),
)
