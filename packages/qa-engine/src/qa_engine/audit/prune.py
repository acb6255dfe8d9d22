"""Drop the questions that can be answered without looking, until the rest cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa_engine.audit.blind import BlindScores, blind_scores
from qa_engine.audit.questions import AuditItem

STEP = 0.1
"""Part of a question type's questions that one iteration drops at most."""

FEWEST = 20
"""Questions of a type below which nothing is dropped: too few to tell a shortcut from luck."""


@dataclass(frozen=True)
class Pruning:
    """What pruning left.

    Attributes
    ----------
    kept : (n,) bool
    dropped_in : (n,) int64
        Iteration in which a question went, from 1; 0 for those that stay.
    iterations : int
    unfinished : tuple of str
        Question types that are still above the target with so few questions left that pruning stopped.
    """

    kept: NDArray[np.bool_]
    dropped_in: NDArray[np.int64]
    iterations: int
    unfinished: tuple[str, ...]


def prune(
    items: Sequence[AuditItem],
    first: BlindScores,
    *,
    target: float,
    folds: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda iteration, kept: None,
) -> Pruning:
    """Drop the most biased questions of each type above the target, train again on the rest, and so on.

    Parameters
    ----------
    items : sequence of AuditItem
    first : BlindScores
        Of all items.
    target : float
        A type is done when its blind score is at most chance plus this.
    folds, seed : int
    progress : callable
        Called with the iteration and the questions left.
    """
    kinds = [f"{item.question_type}/{bool(item.options)}" for item in items]
    kept, dropped_in = np.ones(len(items), dtype=bool), np.zeros(len(items), dtype=np.int64)
    scores = {name: np.array(getattr(first, name)) for name in ("forest", "bias", "chance")}
    iteration = 0
    while True:
        drop, unfinished = _to_drop(kinds, kept, scores, target)
        if not len(drop):
            names = tuple(sorted({kind.rpartition("/")[0] for kind in unfinished}))
            return Pruning(kept, dropped_in, iteration, names)
        iteration += 1
        kept[drop], dropped_in[drop] = False, iteration
        progress(iteration, int(kept.sum()))
        changed = {kinds[i] for i in drop.tolist()}
        rows = [i for i in np.flatnonzero(kept).tolist() if kinds[i] in changed]
        again = blind_scores([items[i] for i in rows], folds=folds, seed=seed)
        for name, values in scores.items():
            values[rows] = getattr(again, name)


def _to_drop(
    kinds: list[str], kept: NDArray[np.bool_], scores: dict[str, NDArray[np.float64]], target: float
) -> tuple[NDArray[np.int64], list[str]]:
    """Choose rows: of each type as many as its excess asks for, the most biased first."""
    drop: list[NDArray[np.int64]] = []
    unfinished = []
    for kind in sorted(set(kinds)):
        rows = np.flatnonzero(np.array([name == kind for name in kinds]) & kept)
        excess = float((scores["forest"][rows] - scores["chance"][rows]).mean()) - target
        if excess <= 0:
            continue
        if len(rows) <= FEWEST:
            unfinished.append(kind)
            continue
        wanted = int(np.ceil(len(rows) * min(STEP, excess)))
        lead = scores["bias"][rows] - scores["chance"][rows]
        drop.append(rows[np.argsort(-lead, kind="stable")[: min(wanted, len(rows) - FEWEST)]])
    return (np.concatenate(drop) if drop else np.zeros(0, dtype=np.int64)), unfinished
