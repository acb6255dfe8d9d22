"""Which questions to ask next: weights over (question type x cell), and quotas per scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from qa_engine.arrays import Array, Rows
from qa_engine.errors import unknown_name

if TYPE_CHECKING:
    from qa_engine.tasks import Task


FLOOR = 0.05
"""Weight before normalisation that every cell keeps, however easy or hard: what is never asked stays
unknown."""


PRIOR_FRONTIER, PRIOR_COUNT = 0.35, 2.0
"""Profile `learning`: share of frontier questions expected of a cell before any is asked, and how many questions that
expectation is worth. [SpatialEvo, arXiv 2604.14144: smoothed accuracy with prior 0.35 and 2 pseudo-counts]"""

SUSPECT_DAMPING = 0.5
"""Profile `learning`: part of its weight that a cell loses where every question is suspect."""

ROUND_DECAY = 0.5
"""Profile `learning`: what a question counts per round that has passed since it was asked."""

LEAST_SHARE, LARGEST_SHARE = 0.25, 3.0
"""Profile `learning`: bounds of a question type's share of the questions, in parts of an even share."""

SAMPLERS = {
    "baseline": "max(0.05, (frontier + 1) / (n + 2)); cells never asked have 0.05",
    "learning": "frontier share with a prior, newer rounds first, suspect damped, bounds per question type",
    "predicted": "cells as learning; within a cell, first what a model of earlier answers expects at the frontier",
    "paper": "weights never change; the last round's questions are exemplars for the llm proposer only",
}
"""Name of a rule to what it does."""


@dataclass(frozen=True)
class CellChoice:
    """Why a cell has its weight.

    Attributes
    ----------
    question_type, cell : str
    n, n_easy, n_frontier, n_hard, n_suspect : int
        Of the feedback, pooled over scenes and rounds.
    weight : float
        Share of the questions that the cell is meant to have.
    why : str
    """

    question_type: str
    cell: str
    n: int
    n_easy: int
    n_frontier: int
    n_hard: int
    n_suspect: int
    weight: float
    why: str


def cell_names(tasks: Sequence[Task]) -> list[tuple[str, str]]:
    """List (question type, cell) of all tasks, in order."""
    return [(task.question_type, cell) for task in tasks for cell in task.knob.cells]


def cell_weights(tasks: Sequence[Task], feedback: pl.DataFrame | None = None, *, sampler: str = "baseline") -> Array:
    """Weight of each cell; they sum to 1.

    Parameters
    ----------
    tasks : sequence of Task
    feedback : DataFrame, optional
        Table `feedback`. Without it question types weigh alike, and cells alike within a type.
    sampler : str
        A name in `SAMPLERS`.

    Returns
    -------
    (k,) float64
        In the order of `cell_names`.

    Examples
    --------
    >>> from qa_engine.tasks import select_tasks
    >>> weights = cell_weights(select_tasks(["object_counting", "room_size_estimation"]))
    >>> weights.tolist()
    [0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125]
    """
    return np.array([choice.weight for choice in explain_cells(tasks, feedback, sampler=sampler)])


def explain_cells(
    tasks: Sequence[Task], feedback: pl.DataFrame | None = None, *, sampler: str = "baseline"
) -> list[CellChoice]:
    """Give the weight of each cell with the counts behind it and the reason, in the order of `cell_names`.

    Raises
    ------
    QAEngineError
        There is no such sampler.

    Notes
    -----
    `baseline` pools all rounds: max(0.05, (n_frontier + 1) / (n + 2)), the expected share of questions that are neither
    easy nor hard, with one pseudo-count each way; cells never asked have the floor.

    `learning` lets a question count half as much per round that has passed, expects a frontier share of 0.35 of cells
    never asked, damps cells with suspect answers, and keeps every question type between a quarter and three times an
    even share. `predicted` weighs cells alike; what it chooses within a cell, the module
    `predicted` decides.

    Examples
    --------
    >>> from qa_engine.tasks import select_tasks
    >>> explain_cells(select_tasks(["object_counting"]))[0].why
    'no feedback: question types alike, then cells alike'
    """
    if sampler not in SAMPLERS:
        raise unknown_name("sampler", sampler, SAMPLERS, "See 'qa-engine generate --help'.")
    names = cell_names(tasks)
    if not names:
        return []
    sizes = [len(task.knob.labels) for task in tasks]
    even = np.concatenate([np.full(size, 1 / (len(tasks) * size)) for size in sizes])
    counts = np.zeros((len(names), 5)) if feedback is None else _pooled(names, feedback, decay=1.0)
    if feedback is None:
        weights, reasons = even, ["no feedback: question types alike, then cells alike"] * len(names)
    elif sampler == "paper":
        weights, reasons = even, ["profile paper: feedback chooses exemplars only"] * len(names)
    elif sampler == "baseline":
        raw, reasons = _baseline(counts)
        weights = raw / raw.sum()
    else:
        raw, reasons = _learning(_pooled(names, feedback, decay=ROUND_DECAY))
        weights, bounded = _bounded_types(raw / raw.sum(), cell_types(tasks))
        reasons = [reason + note for reason, note in zip(reasons, bounded, strict=True)]
    choices = []
    for k, (kind, cell) in enumerate(names):
        n, easy, frontier, hard, suspect = (int(value) for value in counts[k])
        choices.append(CellChoice(kind, cell, n, easy, frontier, hard, suspect, float(weights[k]), reasons[k]))
    return choices


_COUNTS = ("n", "n_easy", "n_frontier", "n_hard", "n_suspect")


def _pooled(names: list[tuple[str, str]], feedback: pl.DataFrame, *, decay: float) -> Array:
    """Sum the counts per cell over scenes and rounds, (k, 5); a round counts `decay` times what the next one does."""
    age = (pl.col("round").max() - pl.col("round")).fill_null(0)
    weighted = [pl.col(name).fill_null(0) * pl.lit(decay).pow(age) for name in _COUNTS]
    pooled = feedback.with_columns(weighted).group_by("question_type", "cell").agg(pl.col(_COUNTS).sum())
    asked = {(row[0], row[1]): row[2:] for row in pooled.select("question_type", "cell", *_COUNTS).iter_rows()}
    return np.array([asked.get(name, (0.0,) * len(_COUNTS)) for name in names], dtype=np.float64)


def _baseline(counts: Array) -> tuple[Array, list[str]]:
    n, frontier = counts[:, 0], counts[:, 2]
    raw = np.where(n > 0, np.maximum(FLOOR, (frontier + 1) / (n + 2)), FLOOR)
    reasons = [
        f"({f:g} frontier + 1) / ({total:g} asked + 2)" if total else f"never asked: floor {FLOOR}"
        for total, f in zip(n.tolist(), frontier.tolist(), strict=True)
    ]
    return raw, reasons


def _learning(counts: Array) -> tuple[Array, list[str]]:
    n, frontier, suspect = counts[:, 0], counts[:, 2], counts[:, 4]
    expected = (frontier + PRIOR_FRONTIER * PRIOR_COUNT) / (n + PRIOR_COUNT)
    doubt = np.divide(suspect, n, out=np.zeros_like(n), where=n > 0)
    raw = np.maximum(FLOOR, expected * (1 - SUSPECT_DAMPING * doubt))
    reasons = []
    for k in range(len(n)):
        why = f"expected frontier share {expected[k]:.2f} ({frontier[k]:.3g} of {n[k]:.3g}, newer rounds count more)"
        if n[k] == 0:
            why = f"never asked: expected frontier share {PRIOR_FRONTIER}"
        if doubt[k] > 0:
            why += f", damped as {100 * doubt[k]:.0f}% are suspect"
        reasons.append(why + (f", floor {FLOOR}" if raw[k] == FLOOR else ""))
    return raw, reasons


def _bounded_types(weights: Array, types: Rows) -> tuple[Array, list[str]]:
    """Bring the share of every question type within its bounds; the others pass on or take up the difference."""
    n_types = int(types.max()) + 1
    share = np.bincount(types, weights=weights, minlength=n_types)
    low, high = min(LEAST_SHARE / n_types, 1.0), min(LARGEST_SHARE / n_types, 1.0)
    goal = share.copy()
    for _ in range(n_types):
        clipped = np.clip(goal, low, high)
        free = (clipped > low) & (clipped < high)
        left = 1 - clipped[~free].sum()
        goal = clipped
        if not free.any() or abs(clipped.sum() - 1) < 1e-12:
            break
        goal[free] = clipped[free] * left / clipped[free].sum()
    goal = goal / goal.sum()
    scale = np.divide(goal, share, out=np.ones(n_types), where=share > 0)
    notes = [
        ", type held down to its largest share" if goal[k] < share[k] and np.isclose(goal[k], high)
        else ", type lifted to its least share" if goal[k] > share[k] and np.isclose(goal[k], low)
        else ""
        for k in range(n_types)
    ]  # fmt: skip
    return weights * scale[types], [notes[k] for k in types.tolist()]


def cell_types(tasks: Sequence[Task]) -> Rows:
    """Return the number of the task that each cell belongs to, in the order of `cell_names`."""
    return np.repeat(np.arange(len(tasks)), [len(task.knob.labels) for task in tasks])


def plan(available: Rows, weights: Array, types: Rows, total: int, rng: np.random.Generator) -> Rows:
    """Share `total` questions out over question types and cells by weight, and within a cell evenly over scenes.

    Parameters
    ----------
    available : (s, k) int64
        Candidates per scene and cell.
    weights : (k,) float64
        A type weighs as much as its cells together.
    types : (k,) int64
        Question type of each cell.
    total : int
        Wanted; where fewer are available, all are taken.
    rng : numpy.random.Generator
        Decides which scenes get the one question more that does not divide.

    Returns
    -------
    (s, k) int64
        Questions per scene and cell, none above `available`.

    Notes
    -----
    A cell that runs out passes its share on to the cells of its type, a type to the other types.

    Examples
    --------
    >>> available, weights = np.array([[5, 1], [5, 0]]), np.array([0.5, 0.5])
    >>> plan(available, weights, np.array([0, 0]), 6, np.random.default_rng(0)).sum(axis=0).tolist()
    [5, 1]
    """
    supply = available.sum(axis=0)
    n_types = int(types.max(initial=-1)) + 1
    of_type = np.arange(n_types)[:, None] == types
    per_type = share_out(of_type @ supply, of_type @ weights, total)
    per_cell = np.zeros_like(supply)
    for kind in np.flatnonzero(per_type):
        own = of_type[kind]
        per_cell[own] = share_out(supply[own], weights[own], int(per_type[kind]))
    quotas = np.zeros_like(available)
    for k in np.flatnonzero(per_cell):
        quotas[:, k] = _level(available[:, k], int(per_cell[k]), rng)
    return quotas


def share_out(available: Rows, weights: Array, total: int) -> Rows:
    """Share `total` out by weight, none above what is available; what is left over goes to the largest remainders.

    Examples
    --------
    >>> share_out(np.array([100, 2, 100]), np.array([0.5, 0.25, 0.25]), 10).tolist()
    [5, 2, 3]
    """
    shares = np.zeros(len(available))
    open_cells = available > 0
    left = float(min(total, int(available.sum())))
    while left > 1e-9 and open_cells.any():
        # Weights of zero cannot take a share; cells that only they are left to share alike.
        weight = np.where(open_cells, weights, 0.0)
        weight = weight if weight.sum() > 0 else open_cells.astype(np.float64)
        given = np.minimum(left * weight / weight.sum(), available - shares)
        shares += given
        left -= float(given.sum())
        open_cells = available - shares > 1e-9
    whole = np.floor(shares + 1e-9).astype(np.int64)
    missing = min(total, int(available.sum())) - int(whole.sum())
    order = np.argsort(-(shares - whole), kind="stable")
    order = order[whole[order] < available[order]]
    whole[order[:missing]] += 1
    return whole


def _level(available: Rows, total: int, rng: np.random.Generator) -> Rows:
    """Fill scenes to one level, none above what it has."""
    ranked = np.sort(available)
    before = np.concatenate([[0], np.cumsum(ranked)[:-1]])
    # Filling to level ranked[i] takes before[i] + ranked[i] * (scenes from i on).
    takes = before + ranked * np.arange(len(ranked), 0, -1)
    first = int(np.searchsorted(takes, total, side="left"))
    if first == len(ranked):
        return available.copy()
    level = (total - int(before[first])) // (len(ranked) - first)
    quota = np.minimum(available, level)
    can_take = np.flatnonzero(available > level)
    extra = rng.permutation(can_take)[: total - int(quota.sum())]
    quota[extra] += 1
    return quota
