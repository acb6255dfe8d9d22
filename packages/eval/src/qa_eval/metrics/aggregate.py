"""Scores of rows to scores of question types, tasks and the benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qa_eval.metrics.codes import factorize


@dataclass(frozen=True)
class Aggregate:
    """Means of a scored run, as fractions of 1.

    Attributes
    ----------
    types : dict of str to float
        Mean score of each question type that has scored rows, in the order of first use.
    counts : dict of str to int
        Scored rows of each question type.
    tasks : dict of str to float
        Mean over the question types of a task that are present.
    overall : float or None
        Mean of `tasks`, or of the rows where the benchmark says so; None without a scored row.
    micro : float or None
        Mean over the scored rows.
    """

    types: dict[str, float]
    counts: dict[str, int]
    tasks: dict[str, float]
    overall: float | None
    micro: float | None


Overall = Literal["tasks", "rows"]
"""What the overall score is the mean of."""


def aggregate(
    score: NDArray[np.float64],
    question_type: Sequence[str],
    tasks: Mapping[str, Sequence[str]],
    *,
    overall: Overall = "tasks",
) -> Aggregate:
    """Aggregate scores by question type, then by task.

    Parameters
    ----------
    score : (n,) float64
        NaN where a row is unscored; such rows count nowhere.
    question_type : sequence of str, length n
    tasks : mapping of task name to question types
        A task is the plain mean of the types it lists. Types that no task lists are tasks of their own.
    overall : str
        ``tasks`` = the overall score is the mean of the tasks; ``rows`` = it is that of the rows.

    Notes
    -----
    Sums run in the order of `tasks`, types as numpy means over the rows in file order: the order decides the last
    digit, and VSI-Bench's aggregates are reproduced to it.

    Examples
    --------
    >>> result = aggregate(np.array([1.0, 0.0, 0.5]), ["easy", "easy", "size"], {"direction": ["easy", "hard"]})
    >>> result.tasks, result.overall, result.micro
    ({'direction': 0.5, 'size': 0.5}, 0.5, 0.5)
    """
    names, codes = factorize(question_type)
    scored = ~np.isnan(score)
    types: dict[str, float] = {}
    counts: dict[str, int] = {}
    for i, name in enumerate(names):
        rows = score[(codes == i) & scored]
        if len(rows):
            types[name] = float(rows.mean())
            counts[name] = len(rows)
    listed = {name for members in tasks.values() for name in members}
    groups = {**tasks, **{name: [name] for name in types if name not in listed}}
    means = {task: task_mean([types[name] for name in members if name in types]) for task, members in groups.items()}
    present = {task: mean for task, mean in means.items() if mean is not None}
    micro = float(score[scored].mean()) if scored.any() else None
    return Aggregate(
        types=types,
        counts=counts,
        tasks=present,
        overall=micro if overall == "rows" else task_mean(list(present.values())),
        micro=micro,
    )


def task_mean(values: Sequence[float]) -> float | None:
    """Sum from left to right and divide, or None without a value."""
    return sum(values) / len(values) if values else None
