"""Paired difference of two runs on the same questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa_eval.metrics.aggregate import Overall, aggregate
from qa_eval.metrics.bootstrap import Interval, cluster_bootstrap


@dataclass(frozen=True)
class Difference:
    """Mean score of B minus that of A, as fractions of 1.

    Attributes
    ----------
    n : int
        Questions that both runs answered.
    a, b, difference : float
    interval : Interval
        Of the difference, by a bootstrap over scenes.
    """

    n: int
    a: float
    b: float
    difference: float
    interval: Interval

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0."""
        low, high = self.interval.low, self.interval.high
        return low is not None and high is not None and (low > 0 or high < 0)


@dataclass(frozen=True)
class Comparison:
    """Differences per question type, per task, overall and micro; wins and losses count questions."""

    types: dict[str, Difference]
    tasks: dict[str, Difference]
    overall: Difference
    micro: Difference
    wins: int
    losses: int


def paired_difference(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    question_type: Sequence[str],
    scene: Sequence[str],
    tasks: Mapping[str, Sequence[str]],
    *,
    rng: np.random.Generator,
    overall: Overall = "tasks",
    n_resamples: int = 2000,
) -> Comparison:
    """Compare two runs question by question.

    Parameters
    ----------
    a, b : (n,) float64
        Scores of the same questions; NaN where a run has none. Only questions that both scored count.
    question_type, scene : sequences of str, length n
    tasks : mapping of task name to question types
    overall : str
        Both as for `aggregate`.
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        No question is scored by both.

    Notes
    -----
    The interval is that of the mean difference: questions are paired, so what both runs find hard cancels out and the
    interval is narrower than those of the two runs suggest.

    Examples
    --------
    >>> a, b = np.array([0.0, 0.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0, 1.0])
    >>> result = paired_difference(a, b, ["size"] * 4, list("pqrs"), {}, rng=np.random.default_rng(0))
    >>> result.overall.difference, result.wins, result.losses
    (0.5, 2, 0)
    """
    both = ~np.isnan(a) & ~np.isnan(b)
    if not both.any():
        raise ValueError("no question is scored by both runs")
    names = [name for name, keep in zip(question_type, both, strict=True) if keep]
    scenes = [name for name, keep in zip(scene, both, strict=True) if keep]
    first, second, delta = a[both], b[both], (b - a)[both]
    mean_a, mean_b = (aggregate(values, names, tasks, overall=overall) for values in (first, second))
    intervals = cluster_bootstrap(delta, names, scenes, tasks, rng=rng, overall=overall, n_resamples=n_resamples)

    def row(n: int, left: float | None, right: float | None, interval: Interval) -> Difference:
        left, right = left or 0.0, right or 0.0
        return Difference(n, left, right, right - left, interval)

    counts = {t: sum(mean_a.counts.get(m, 0) for m in tasks.get(t, [t])) for t in mean_a.tasks}
    return Comparison(
        types={t: row(mean_a.counts[t], mean_a.types[t], mean_b.types[t], intervals.types[t]) for t in mean_a.types},
        tasks={t: row(counts[t], mean_a.tasks[t], mean_b.tasks[t], intervals.tasks[t]) for t in mean_a.tasks},
        overall=row(len(names), mean_a.overall, mean_b.overall, intervals.overall),
        micro=row(len(names), mean_a.micro, mean_b.micro, intervals.micro),
        wins=int((delta > 0).sum()),
        losses=int((delta < 0).sum()),
    )
