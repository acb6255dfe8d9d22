"""Confidence intervals by resampling whole scenes, because answers about one scene are not independent."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from qa_confidence.arrays import Floats, Ints, Labels, Rows, check_rows, labels_of
from qa_confidence.errors import InputError, unknown_name
from qa_confidence.metrics.cells import MAX_RANK_CELLS, Metric
from qa_confidence.metrics.registry import METRICS, find_metric

RESAMPLES = 1000
MAX_CLUSTERS = 2000
"""More clusters than this are put together at random into this many, each resampled as a whole."""

Interval = Literal["percentile", "bca"]


@dataclass(frozen=True)
class Estimate:
    """A metric with its interval; the bounds are NaN where fewer than two clusters exist."""

    value: float
    low: float
    high: float
    n: int
    n_clusters: int


class ClusterBootstrap:
    """Resampled cluster weights, shared by every metric so that differences are paired.

    Parameters
    ----------
    cluster : (n,) array_like, optional
        Scene of every row; without it every row is its own cluster.
    n : int
        Number of rows.
    resamples, seed : int
    """

    def __init__(
        self, cluster: ArrayLike | Labels | None, *, n: int, resamples: int = RESAMPLES, seed: int = 0
    ) -> None:
        rng = np.random.default_rng(seed)
        codes: Ints = np.arange(n) if cluster is None else labels_of(cluster, n, name="cluster").code
        self.n_found = int(codes.max()) + 1 if n else 0
        if self.n_found > MAX_CLUSTERS:
            codes = (rng.permutation(self.n_found) % MAX_CLUSTERS)[codes]
        self.codes = codes
        self.n_clusters = min(self.n_found, MAX_CLUSTERS)
        share = np.full(max(self.n_clusters, 1), 1 / max(self.n_clusters, 1))
        self.draws = rng.multinomial(self.n_clusters, share, size=resamples).astype(np.float64)


class Evaluator:
    """Metrics of one set of rows; sums are kept, as several metrics are computed from the same ones."""

    def __init__(self, rows: Rows, boot: ClusterBootstrap) -> None:
        self.rows = rows
        self.boot = boot
        self._totals: dict[Hashable, Floats] = {}
        self._clusters: dict[Hashable, Floats] = {}

    def value(self, metric: Metric) -> float:
        """Compute the metric of all rows."""
        if metric.layout not in self._totals:
            self._totals[metric.layout] = metric.cells(self.rows).totals(self.rows.weight)
        return float(metric.value(self._totals[metric.layout]))

    def resampled(self, metric: Metric) -> Floats:
        """Compute the metric of every resample, (resamples,)."""
        totals = self._cluster_totals(metric)
        flat = totals.reshape(len(totals), -1)
        return metric.value((self.boot.draws @ flat).reshape(-1, *totals.shape[1:]))

    def left_out(self, metric: Metric) -> Floats:
        """Compute the metric with every cluster left out once, (n_clusters,)."""
        totals = self._cluster_totals(metric)
        return metric.value(totals.sum(axis=0) - totals)

    def estimate(self, metric: Metric, *, level: float = 0.95, interval: Interval = "percentile") -> Estimate:
        """Compute a metric with its interval."""
        value = self.value(metric)
        low = high = float("nan")
        if self.boot.n_clusters > 1:
            left_out = self.left_out(metric) if interval == "bca" else np.empty(0)
            low, high = _bounds(value, self.resampled(metric), left_out, level=level, interval=interval)
        return Estimate(value, low, high, len(self.rows.score), self.boot.n_found)

    def _cluster_totals(self, metric: Metric) -> Floats:
        if metric.layout not in self._clusters:
            cells = metric.cells(self.rows, max_cells=MAX_RANK_CELLS)
            totals = cells.cluster_totals(self.rows.weight, self.boot.codes, self.boot.n_clusters)
            self._clusters[metric.layout] = totals
        return self._clusters[metric.layout]


def bootstrap(
    confidence: ArrayLike,
    score: ArrayLike,
    *,
    metric: str | Metric = "ece",
    cluster: ArrayLike | Labels | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    interval: Interval = "percentile",
    seed: int = 0,
) -> Estimate:
    """Compute a metric with a bootstrap interval that resamples clusters.

    Bin edges of equal-mass bins are those of the whole sample; metrics that rank tell at most 512 ranks apart in
    the resamples (all of them in the value). Percentile intervals of an ECE lie high, as the ECE of a resample is
    biased upward; `bca` corrects for bias and skew, and needs about 20 clusters or more.

    Parameters
    ----------
    confidence, score : (n,) array_like
    metric : str or Metric
        A name in `METRICS`, or a metric with other options, such as ``BinnedError(bins=15)``.
    cluster : (n,) array_like, optional
        Scene of every row.
    level : float
        Coverage of the interval.
    interval : {"percentile", "bca"}

    Examples
    --------
    >>> result = bootstrap([0.8] * 40, [1, 1, 1, 0] * 10, metric="brier", cluster=[i // 4 for i in range(40)])
    >>> round(result.value, 4), round(result.low, 4), result.n_clusters
    (0.19, 0.19, 10)
    """
    rows = check_rows(confidence, score)
    boot = ClusterBootstrap(cluster, n=len(rows.score), resamples=resamples, seed=seed)
    return Evaluator(rows, boot).estimate(find_metric(metric), level=level, interval=interval)


def paired_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    score: ArrayLike,
    *,
    metric: str | Metric = "cross_entropy",
    cluster: ArrayLike | Labels | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Difference metric(first) - metric(second) on the same rows and the same resamples, percentile interval.

    Examples
    --------
    >>> result = paired_bootstrap([0.9] * 20, [0.5] * 20, [0, 1] * 10, metric="brier")
    >>> round(result.value, 4)
    0.16
    """
    one, two = check_rows(first, score), check_rows(second, score)
    chosen = find_metric(metric)
    boot = ClusterBootstrap(cluster, n=len(one.score), resamples=resamples, seed=seed)
    evaluators = Evaluator(one, boot), Evaluator(two, boot)
    value = evaluators[0].value(chosen) - evaluators[1].value(chosen)
    low = high = float("nan")
    if boot.n_clusters > 1:
        differences = evaluators[0].resampled(chosen) - evaluators[1].resampled(chosen)
        low, high = _bounds(value, differences, differences, level=level, interval="percentile")
    return Estimate(value, low, high, len(one.score), boot.n_found)


def evaluate(
    confidence: ArrayLike,
    score: ArrayLike,
    *,
    metrics: Mapping[str, Metric] | None = None,
    cluster: ArrayLike | Labels | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Compute several metrics with intervals from one set of resamples.

    Examples
    --------
    >>> sorted(evaluate([0.5, 0.9], [0, 1], metrics={"brier": find_metric("brier")}))
    ['brier']
    """
    rows = check_rows(confidence, score)
    boot = ClusterBootstrap(cluster, n=len(rows.score), resamples=resamples, seed=seed)
    chosen = METRICS if metrics is None else metrics
    evaluator = Evaluator(rows, boot)
    return {name: evaluator.estimate(metric) for name, metric in chosen.items()}


def _bounds(
    value: float, resampled: Floats, left_out: Floats, *, level: float, interval: Interval
) -> tuple[float, float]:
    """Interval from the replicates."""
    if interval not in ("percentile", "bca"):
        raise unknown_name("interval", interval, ["percentile", "bca"])
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, found {level}.")
    finite = resampled[np.isfinite(resampled)]
    if not len(finite):
        return float("nan"), float("nan")
    tails = [(1 - level) / 2, (1 + level) / 2]
    if interval == "bca":
        normal = NormalDist()
        below = (np.mean(finite < value) + np.mean(finite <= value)) / 2
        z0 = normal.inv_cdf(float(np.clip(below, 0.5 / len(finite), 1 - 0.5 / len(finite))))
        centred = np.nanmean(left_out) - left_out[np.isfinite(left_out)]
        size = float(np.sum(centred**2)) ** 1.5
        skew = float(np.sum(centred**3)) / (6 * size) if size > 0 else 0.0
        shifted = [z0 + normal.inv_cdf(tail) for tail in tails]
        tails = [normal.cdf(z0 + z / (1 - skew * z)) for z in shifted]
    low, high = np.quantile(finite, tails)
    return float(low), float(high)
