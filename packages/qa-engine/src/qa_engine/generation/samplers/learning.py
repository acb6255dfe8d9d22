"""Sampler `learning`: the expected share at the frontier, with a prior, newer rounds first."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.generation.samplers.base import FLOOR, ROUND_DECAY, Past, Sampler

PRIOR_FRONTIER, PRIOR_COUNT = 0.35, 2.0
"""Share of frontier questions expected of a cell before any is asked, and how many questions that expectation is
worth. [SpatialEvo, arXiv 2604.14144: smoothed accuracy with prior 0.35 and 2 pseudo-counts]"""

SUSPECT_DAMPING = 0.5
"""Part of its weight that a cell loses where every question is suspect."""

LEAST_SHARE, LARGEST_SHARE = 0.25, 3.0
"""Bounds of a question type's share of the questions, in parts of an even share."""


class Learning(Sampler):
    """A question counts half as much per round that has passed, and cells with suspect answers are damped.

    Cells never asked are expected to have a frontier share of 0.35, and every question type keeps between a quarter and
    three times an even share.
    """

    about: ClassVar[str] = "frontier share with a prior, newer rounds first, suspect damped, bounds per question type"

    def weigh(self, past: Past) -> tuple[Array, list[str]]:
        """Weigh by the counts of all rounds, newer ones first."""
        raw, reasons = _expected(past.counts(self.cells, decay=ROUND_DECAY))
        weights, bounded = _bounded_types(raw / raw.sum(), self.cells.types)
        return weights, [reason + note for reason, note in zip(reasons, bounded, strict=True)]


def _expected(counts: Array) -> tuple[Array, list[str]]:
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
    notes = np.full(n_types, "", dtype=object)
    notes[(goal < share) & np.isclose(goal, high)] = ", type held down to its largest share"
    notes[(goal > share) & np.isclose(goal, low)] = ", type lifted to its least share"
    return weights * scale[types], notes[types].tolist()
