"""How many times fewer samples, or operations, an arm needs than another one to the same score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.tableio import with_every_column
from qa_contract.tables import SAVINGS

from qa_loop.experiment.collect import Tables
from qa_loop.experiment.plan import DECAYED, Cell, cells
from qa_loop.experiment.sections import ExperimentConfig

Array = NDArray[np.float64]

INTERVAL = (2.5, 97.5)
"""Percentiles of a 95% interval."""

BOOTSTRAP_SEED = 0

LEAST_ERROR = 1e-6
"""Error below which a score counts as this, so that its logarithm is finite."""


@dataclass(frozen=True)
class Curve:
    """Scores of an arm over budgets.

    Attributes
    ----------
    budgets : (k,) float64
    flops : (k,) float64
        Mean over seeds; NaN where not known.
    score : (k,) float64
        Mean over seeds of the mean over question types.
    resampled : (b, k) float64
        The same, seeds and scenes drawn with replacement.
    seeds : int
        Seeds that count: those that every arm has run with every budget.
    """

    budgets: Array
    flops: Array
    score: Array
    resampled: Array
    seeds: int

    def interval(self) -> tuple[Array, Array]:
        """Give the ends of the 95% interval, (k,) each."""
        low, high = np.nanpercentile(self.resampled, INTERVAL, axis=0)
        return low, high


def rising(score: Array) -> Array:
    """Fit the nearest curve that never falls, row by row: (b, k) to (b, k).

    Notes
    -----
    Isotonic regression by its min-max formula: the largest over starts of the smallest over ends of the mean between
    them.

    Examples
    --------
    >>> rising(np.array([[0.1, 0.3, 0.2, 0.4]])).round(6).tolist()
    [[0.1, 0.25, 0.25, 0.4]]
    """
    k = score.shape[1]
    total = np.concatenate([np.zeros((len(score), 1)), np.cumsum(score, axis=1)], axis=1)
    mean = np.full((len(score), k, k), np.nan)
    for i in range(k):
        mean[:, i, i:] = (total[:, i + 1 :] - total[:, i : i + 1]) / np.arange(1, k - i + 1)
    fitted = [
        np.stack([mean[:, i, j:].min(axis=1) for i in range(j + 1)], axis=1).max(axis=1) if k else score[:, j]
        for j in range(k)
    ]
    return np.stack(fitted, axis=1)


def needed(x: Array, score: Array, goal: Array) -> Array:
    """Say where curves reach a goal, by straight lines between log x and log error; infinite where they do not.

    Parameters
    ----------
    x : (k,) float64
        Ascending, above 0.
    score : (b, k) float64
        0 to 1, not falling; see `rising`.
    goal : (b,) float64

    Returns
    -------
    (b,) float64
        At most `x[0]` where the first score is there already.

    Examples
    --------
    >>> needed(np.array([100.0, 400.0]), np.array([[0.5, 0.75], [0.5, 0.6]]), np.array([0.6464, 0.7])).round(0).tolist()
    [200.0, inf]
    """
    error, aim = (np.log(np.maximum(1 - value, LEAST_ERROR)) for value in (score, goal))
    reaches = error <= aim[:, None] + 1e-12
    first = np.argmax(reaches, axis=1)
    before, row = np.maximum(first - 1, 0), np.arange(len(score))
    step = error[row, before] - error[row, first]
    part = np.divide(error[row, before] - aim, step, out=np.ones(len(score)), where=step > 0)
    at = np.log(x)[before] + np.clip(part, 0, 1) * (np.log(x)[first] - np.log(x)[before])
    return np.where(reaches.any(axis=1), np.exp(np.where(first == 0, np.log(x[0]), at)), np.inf)


def curves(
    tables: Tables, config: ExperimentConfig, cell: Cell, test: str, *, kind: str | None = None
) -> dict[str, Curve]:
    """Make the curve of every arm on one pool, of one question type or of the mean over types.

    Only seeds that every arm has run with every budget count, so that arms are paired.
    """
    here = (pl.col("waste") == cell.waste) & (pl.col("noise") == cell.noise) & (pl.col("schedule") == DECAYED)
    rows = tables.scores.filter(here & (pl.col("test") == test) & pl.col("arm").is_in(list(config.arms)))
    rows = rows if kind is None else rows.filter(question_type=kind)
    budgets = [budget for budget in config.rules.budgets if budget in rows["budget"]]
    arms = [name for name in config.arms if name in rows["arm"]]
    whole = rows.group_by("seed").agg(n=pl.struct("arm", "budget").n_unique()).filter(n=len(arms) * len(budgets))
    seeds = sorted(whole["seed"].to_list())
    if not seeds:
        return {}
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    scenes, kinds = sorted(rows["scene_name"].unique()), sorted(rows["question_type"].unique())
    n = config.rules.resamples
    scene_weight = rng.multinomial(len(scenes), np.full(len(scenes), 1 / len(scenes)), n).astype(np.float64)
    seed_weight = rng.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), n) / len(seeds)
    place = {name: i for i, name in enumerate(scenes)}, {name: i for i, name in enumerate(kinds)}
    found: dict[str, Curve] = {}
    by_unit = rows.filter(pl.col("seed").is_in(seeds)).partition_by("arm", "budget", "seed", as_dict=True)
    spent = tables.costs.filter(here).with_columns(flops=pl.sum_horizontal(_FLOPS, ignore_nulls=False))
    for arm in arms:
        score, resampled = np.zeros(len(budgets)), np.zeros((n, len(budgets)))
        for k, budget in enumerate(budgets):
            of_seeds = [_resample(by_unit[arm, budget, seed], place, scene_weight) for seed in seeds]
            score[k] = np.mean([mean for mean, _ in of_seeds])
            resampled[:, k] = (np.stack([drawn for _, drawn in of_seeds], axis=1) * seed_weight).sum(axis=1)
        cost = spent.filter(arm=arm).filter(pl.col("seed").is_in(seeds)).group_by("budget").agg(pl.col("flops").mean())
        flops = dict(cost.iter_rows())
        of_budgets = np.array([flops.get(budget) or np.nan for budget in budgets], dtype=np.float64)
        found[arm] = Curve(np.array(budgets, dtype=np.float64), of_budgets, score, resampled, len(seeds))
    return found


_FLOPS = ("flops_train", "flops_gates", "flops_passes")


def _resample(
    rows: pl.DataFrame, place: tuple[Mapping[str, int], Mapping[str, int]], weight: Array
) -> tuple[float, Array]:
    """Give the mean over types of the mean over questions, and the same under weights of scenes (b, s)."""
    scenes, kinds = place
    n, total = np.zeros((len(kinds), len(scenes))), np.zeros((len(kinds), len(scenes)))
    at = (
        [kinds[name] for name in rows["question_type"].to_list()],
        [scenes[name] for name in rows["scene_name"].to_list()],
    )
    n[at], total[at] = rows["n"].to_numpy(), (rows["n"] * rows["score"]).to_numpy()
    asked = n.sum(axis=1) > 0
    n, total = n[asked], total[asked]
    with np.errstate(invalid="ignore"):
        drawn = np.nanmean((weight @ total.T) / (weight @ n.T), axis=1)
    return float((total.sum(axis=1) / n.sum(axis=1)).mean()), drawn


def savings(tables: Tables, config: ExperimentConfig) -> pl.DataFrame:
    """Compare every arm with the target, and the best one with its control, on every pool and both axes."""
    rules, parts = config.rules, [pl.DataFrame(schema=dict(SAVINGS))]
    for cell in cells(config):
        found = curves(tables, config, cell, config.test[0].name)
        pairs = [(arm, rules.target) for arm in found if arm != rules.target]
        pairs += [(rules.best, rules.shuffled)] if rules.best and rules.shuffled else []
        if rules.target not in found:
            continue
        for arm, reference in dict.fromkeys(pairs):
            if arm in found and reference in found:
                parts += [
                    _compared(found, arm, reference, axis, config, cell)
                    for axis in ("samples", "flops")
                    if axis == "samples" or np.isfinite([*found[arm].flops, *found[reference].flops]).all()
                ]
    return pl.concat(parts)


def _compared(
    found: Mapping[str, Curve], arm: str, reference: str, axis: str, config: ExperimentConfig, cell: Cell
) -> pl.DataFrame:
    goal_of = found[config.rules.target]
    goals = rising(np.vstack([goal_of.score, goal_of.resampled]))[:, -1]
    both = []
    for one in (found[arm], found[reference]):
        x = one.budgets if axis == "samples" else one.flops
        both.append((x, needed(x, rising(np.vstack([one.score, one.resampled])), goals)))
    (x, own), (x_other, other) = both
    # A reference that never gets there needs more than it was given: the ratio is at least so much.
    given = np.minimum(other, x_other[-1])
    ratio = np.where(np.isinf(own), 0.0, given / np.where(np.isinf(own), 1.0, own))
    low, high = np.percentile(ratio[1:], INTERVAL)
    change = found[arm].resampled[:, -1] - found[reference].resampled[:, -1]
    difference_low, difference_high = np.nanpercentile(change, INTERVAL)
    row = {
        **{"waste": cell.waste, "noise": cell.noise, "arm": arm, "reference": reference, "axis": axis},
        "goal": goals[0],
        "needed": own[0] if np.isfinite(own[0]) else None,
        "ratio": ratio[0],
        "low": low,
        "high": high,
        "reached": float(np.isfinite(own[1:]).mean()),
        "at_least": bool(own[0] <= x[0] or np.isinf(other[0])) and bool(np.isfinite(own[0])),
        "difference": found[arm].score[-1] - found[reference].score[-1],
        "difference_low": difference_low,
        "difference_high": difference_high,
        "seeds": found[arm].seeds,
    }
    return with_every_column(pl.DataFrame([row]), SAVINGS)
