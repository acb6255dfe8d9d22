"""Confidence intervals by a bootstrap over scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa_eval.metrics.aggregate import Overall
from qa_eval.metrics.codes import factorize


@dataclass(frozen=True)
class Interval:
    """Limits of a central interval; None where too few scenes hold the rows."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class Intervals:
    """Intervals of a scored run, as fractions of 1."""

    types: dict[str, Interval]
    tasks: dict[str, Interval]
    overall: Interval
    micro: Interval


def cluster_bootstrap(
    score: NDArray[np.float64],
    question_type: Sequence[str],
    cluster: Sequence[str],
    tasks: Mapping[str, Sequence[str]],
    *,
    rng: np.random.Generator,
    overall: Overall = "tasks",
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Intervals:
    """Percentile intervals of the means that `aggregate` gives, resampling whole clusters.

    Parameters
    ----------
    score : (n,) float64
        NaN where a row is unscored.
    question_type, cluster : sequences of str, length n
        Questions about one scene share its frames, so their errors are not independent: the scene is the cluster.
    tasks : mapping of task name to question types
    overall : str
        Both as for `aggregate`.
    rng : numpy.random.Generator
    n_resamples : int
    level : float
        Probability inside the interval.

    Notes
    -----
    One draw of scenes serves all types, so that the interval of the overall score keeps their correlation. A type
    found in fewer than two scenes has no interval. Differences of two runs are intervals of `score` differences.

    Examples
    --------
    >>> scores, scenes = np.array([0.0, 1.0, 0.0, 1.0]), ["a", "a", "b", "b"]
    >>> cluster_bootstrap(scores, ["size"] * 4, scenes, {}, rng=np.random.default_rng(0)).overall
    Interval(low=0.5, high=0.5)
    """
    keep = ~np.isnan(score)
    types, columns = factorize([name for name, k in zip(question_type, keep, strict=True) if k])
    listed = {name for members in tasks.values() for name in members}
    groups = {**tasks, **{name: [name] for name in types if name not in listed}}
    groups = {task: [types.index(m) for m in members if m in types] for task, members in groups.items()}
    groups = {task: members for task, members in groups.items() if members}
    if not types:
        return Intervals({}, {}, Interval(None, None), Interval(None, None))
    scenes, rows = factorize([name for name, k in zip(cluster, keep, strict=True) if k])
    n_scenes, shape = len(scenes), (len(scenes), len(types))
    cells = rows * len(types) + columns
    sums = np.bincount(cells, weights=score[keep], minlength=shape[0] * shape[1]).reshape(shape)
    counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)

    draws = rng.multinomial(n_scenes, np.full(n_scenes, 1 / n_scenes), size=n_resamples).astype(np.float64)
    drawn_sums, drawn_counts = draws @ sums, draws @ counts
    with np.errstate(invalid="ignore"):
        means = drawn_sums / drawn_counts
        micro = drawn_sums.sum(axis=1) / drawn_counts.sum(axis=1)
    task_means = np.column_stack([_row_mean(means[:, members]) for members in groups.values()])
    total = micro if overall == "rows" else _row_mean(task_means)

    scenes_per_type = (counts > 0).sum(axis=0)
    limits = (0.5 - level / 2, 0.5 + level / 2)

    def interval(values: NDArray[np.float64], enough: bool) -> Interval:
        values = values[~np.isnan(values)]
        if not enough or not len(values):
            return Interval(None, None)
        low, high = np.quantile(values, limits)
        return Interval(float(low), float(high))

    return Intervals(
        types={name: interval(means[:, i], bool(scenes_per_type[i] > 1)) for i, name in enumerate(types)},
        tasks={
            task: interval(task_means[:, i], bool((scenes_per_type[members] > 1).all()))
            for i, (task, members) in enumerate(groups.items())
        },
        overall=interval(total, n_scenes > 1),
        micro=interval(micro, n_scenes > 1),
    )


def _row_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each row over the entries that are not NaN; NaN where there is none."""
    present = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(present, values, 0.0).sum(axis=1) / present.sum(axis=1)
