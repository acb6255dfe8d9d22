"""What changed between two rounds, and whether the old calibrator still serves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from qa_confidence.arrays import Floats, Labels, check_unit, labels_of
from qa_confidence.calibrators import Calibrator, fit_calibrator
from qa_confidence.calibrators.artefact import Groups, group_columns
from qa_confidence.errors import InputError, QAConfidenceError
from qa_confidence.metrics import Estimate, bootstrap, paired_bootstrap
from qa_confidence.metrics.cells import sums
from qa_confidence.metrics.ece import BinnedError

PSI_BINS = 10
PSI_PSEUDO_ROWS = 0.5

ALL = "all"


@dataclass(frozen=True)
class GroupDrift:
    """One group in two rounds.

    Attributes
    ----------
    group : str
    n : tuple of int
        Rows before and after; the tuples below are before and after too.
    mean_confidence, mean_score : tuple of float
    gap : tuple of Estimate
        Mean confidence less mean score, with an interval by scene.
    ece : tuple of float
    anchors : int
        Questions answered in both rounds.
    psi, ks : float
        Shift of the confidence on the anchors, on all rows where there is none (`anchors` is 0 then).
    """

    group: str
    n: tuple[int, int]
    mean_confidence: tuple[float, float]
    mean_score: tuple[float, float]
    gap: tuple[Estimate, Estimate]
    ece: tuple[float, float]
    anchors: int
    psi: float
    ks: float


@dataclass(frozen=True)
class RefitVerdict:
    """Whether a new fit predicts the new round better than the old map.

    Attributes
    ----------
    gain : Estimate
        Cross-entropy of the old map less that of a map fitted on the new round, on scenes that it was not fitted on.
    refit : bool or None
        True where the interval lies above 0; None where there are too few scenes to say.
    """

    gain: Estimate
    refit: bool | None


def population_stability(before: ArrayLike, after: ArrayLike, *, bins: int = PSI_BINS) -> float:
    """Compute the population stability index: sum (q - p) log(q / p) over bins of equal mass of `before`.

    Half a row is added to every bin. Read as a rule of thumb: below 0.1 no shift, above 0.25 a large one.

    Examples
    --------
    >>> population_stability([0.1, 0.5, 0.9], [0.1, 0.5, 0.9])
    0.0
    """
    first, second = check_unit("before", before), check_unit("after", after)
    if not len(first) or not len(second):
        raise InputError("Both rounds need rows.")
    edges = np.unique(np.quantile(first, np.linspace(0, 1, bins + 1)[1:-1]))
    shares = []
    for values in (first, second):
        count = sums(np.searchsorted(edges, values, "right"), np.ones(len(values)), len(edges) + 1) + PSI_PSEUDO_ROWS
        shares.append(count / count.sum())
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def kolmogorov_smirnov(before: ArrayLike, after: ArrayLike) -> float:
    """Largest difference of the two distribution functions.

    Examples
    --------
    >>> kolmogorov_smirnov([0.1, 0.2], [0.8, 0.9])
    1.0
    """
    first, second = np.sort(check_unit("before", before)), np.sort(check_unit("after", after))
    if not len(first) or not len(second):
        raise InputError("Both rounds need rows.")
    grid = np.concatenate([first, second])
    below = np.searchsorted(first, grid, "right") / len(first) - np.searchsorted(second, grid, "right") / len(second)
    return float(np.abs(below).max())


def drift(before: pl.DataFrame, after: pl.DataFrame, *, resamples: int = 1000, seed: int = 0) -> list[GroupDrift]:
    """Compare two rounds over all rows and per question type.

    Parameters
    ----------
    before, after : DataFrame
        question_id, scene_name, question_type, value (confidence in [0, 1]), score.
    """
    groups = sorted(set(before["question_type"].unique()) & set(after["question_type"].unique()))
    result = [_group_drift(ALL, before, after, resamples=resamples, seed=seed)]
    for group in groups:
        inside = pl.col("question_type") == group
        result.append(_group_drift(group, before.filter(inside), after.filter(inside), resamples=resamples, seed=seed))
    return result


def _group_drift(name: str, before: pl.DataFrame, after: pl.DataFrame, *, resamples: int, seed: int) -> GroupDrift:
    """Compare the rows of one group."""
    if before.is_empty() or after.is_empty():
        raise QAConfidenceError(f"Group '{name}' has no scored row in one of the rounds.")
    rounds = (before, after)
    shared = before.select("question_id", first="value").join(
        after.select("question_id", second="value"), on="question_id", how="inner", maintain_order="left"
    )
    compared = (shared["first"], shared["second"]) if len(shared) else (before["value"], after["value"])
    first, second = (series.to_numpy() for series in compared)

    def mean_gap(frame: pl.DataFrame) -> Estimate:
        c, s = frame["value"].to_numpy(), frame["score"].to_numpy()
        cluster = frame["scene_name"].to_numpy()
        return bootstrap(c, s, metric=SignedGap(bins=1), cluster=cluster, resamples=resamples, seed=seed)

    def error(frame: pl.DataFrame) -> float:
        return bootstrap(frame["value"].to_numpy(), frame["score"].to_numpy(), metric="ece", resamples=1).value

    return GroupDrift(
        group=name,
        n=(len(before), len(after)),
        mean_confidence=(_mean(before["value"]), _mean(after["value"])),
        mean_score=(_mean(before["score"]), _mean(after["score"])),
        gap=(mean_gap(rounds[0]), mean_gap(rounds[1])),
        ece=(error(before), error(after)),
        anchors=len(shared),
        psi=population_stability(first, second),
        ks=kolmogorov_smirnov(first, second),
    )


@dataclass(frozen=True)
class SignedGap(BinnedError):
    """Mean confidence less mean score, with its sign."""

    def value(self, totals: Floats) -> Floats:
        """Compute the metric from the sums."""
        return -totals[..., 1, :].sum(axis=-1) / totals[..., 0, :].sum(axis=-1)


def refit_verdict(
    old: Calibrator,
    value: ArrayLike,
    score: ArrayLike,
    *,
    cluster: ArrayLike | Labels,
    group: Groups | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> RefitVerdict:
    """Test on a new round whether the old map should be fitted again.

    The scenes are halved; a map of the old one's method is fitted on each half and predicts the other. Both maps'
    cross-entropies are compared on the same rows by a paired bootstrap over scenes.

    Parameters
    ----------
    old : Calibrator
    value, score : (n,) array_like
        The new round's uncalibrated confidence and the scores.
    cluster : (n,) array_like
    group : array_like, optional
        As the old calibrator takes it.
    """
    c = check_unit("value", value)
    s = check_unit("score", score)
    scene = labels_of(cluster, len(c), name="cluster").code
    n_scenes = int(scene.max(initial=-1)) + 1
    half = (np.random.default_rng(seed).permutation(n_scenes) % 2)[scene]
    levels = None if group is None else tuple(group_columns(group, len(c)))
    before = old.predict(c, group=levels)
    after = before.copy()
    if n_scenes > 1:
        for part in (0, 1):
            fit, use = half != part, half == part
            train, test = (
                None if levels is None else tuple(level.take(rows) for level in levels) for rows in (fit, use)
            )
            new = fit_calibrator(
                c[fit],
                s[fit],
                method=old.method,
                group=train if old.levels else None,
                cluster=scene[fit],
                seed=seed,
            )
            after[use] = new.predict(c[use], group=test)
    gain = paired_bootstrap(before, after, s, metric="cross_entropy", cluster=scene, resamples=resamples, seed=seed)
    return RefitVerdict(gain, None if np.isnan(gain.low) else bool(gain.low > 0))


@dataclass(frozen=True)
class OrderBias:
    """How much of a training-time confidence is due to when in the round it was read.

    Attributes
    ----------
    n : int
    mean_difference : float
        Training-time less frozen confidence.
    slope_per_100_steps : Estimate
        Least-squares slope of that difference over the step, with an interval by scene; 0 without order bias.
    """

    n: int
    mean_difference: float
    slope_per_100_steps: Estimate


def order_bias(
    step: ArrayLike,
    training_time: ArrayLike,
    frozen: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> OrderBias:
    """Measure order bias: the same questions' confidence read while training and by one frozen snapshot.

    A row read late in the round comes from a model that has seen more, so it looks easier than an equal row read
    early. The frozen pass does not depend on the step; what of the difference rises with the step is bias.

    Examples
    --------
    >>> result = order_bias([0, 50, 100], [0.5, 0.6, 0.7], [0.5, 0.5, 0.5])
    >>> round(result.slope_per_100_steps.value, 6), round(result.mean_difference, 6)
    (0.2, 0.1)
    """
    x = np.asarray(step, dtype=np.float64)
    y = check_unit("training_time", training_time) - check_unit("frozen", frozen)
    if x.shape != y.shape or len(x) < 2 or not np.all(np.isfinite(x)) or np.ptp(x) == 0:
        raise InputError("Order bias needs at least two rows, of different steps, with one finite step each.")
    codes = np.arange(len(x)) if cluster is None else labels_of(cluster, len(x), name="cluster").code
    n_clusters = int(codes.max()) + 1
    parts = np.stack([sums(codes, column, n_clusters) for column in (np.ones(len(x)), x, y, x * x, x * y)], axis=1)
    share = np.full(n_clusters, 1 / n_clusters)
    draws = np.random.default_rng(seed).multinomial(n_clusters, share, size=resamples) @ parts
    low, high = np.nanquantile(_slope(draws), [0.025, 0.975]) if n_clusters > 1 else (np.nan, np.nan)
    value = float(_slope(parts.sum(axis=0)))
    slope = Estimate(100 * value, 100 * float(low), 100 * float(high), len(x), n_clusters)
    return OrderBias(len(x), float(y.mean()), slope)


def _slope(totals: Floats) -> Floats:
    """Least-squares slope from the sums of 1, x, y, xx, xy."""
    n, x, y, xx, xy = np.moveaxis(totals, -1, 0)
    spread = n * xx - x * x
    return np.divide(n * xy - x * y, spread, out=np.full(np.shape(spread), np.nan), where=spread > 0)


def _mean(series: pl.Series) -> float:
    """Mean of a column of numbers."""
    return float(series.to_numpy().mean())
