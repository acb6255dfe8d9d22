"""What samplers on the clean pass share: a rule per cell that is normalised within question types."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.generation.samplers.base import FLOOR, CleanMeans, Past, Sampler

PRIOR_ROWS = 8.0
"""Answers that the mean of a question type is worth when a cell of it is judged."""


class SignalSampler(Sampler):
    """Question types share alike; within a type a cell weighs what `value` says of it.

    Without a clean pass in the feedback all cells share alike, and a note says so.
    """

    exploration: ClassVar[float] = 0.25

    @abstractmethod
    def value(self, clean: CleanMeans) -> tuple[Array, list[str]]:
        """Say what a cell is worth, (k,) and at least 0, NaN where nothing is known, and the reason of each."""

    def weigh(self, past: Past) -> tuple[Array, list[str]]:
        """Weigh by the clean passes of all rounds, newer ones first."""
        clean = past.clean(self.cells)
        if clean is None:
            self.notes.append(
                f"Sampler '{type(self).__name__.lower()}': the feedback tells of no clean pass "
                "(see 'qa-confidence signal'), so all cells share alike."
            )
            return self.cells.even, ["no clean pass: question types alike, then cells alike"] * len(self.cells)
        value, reasons = self.value(clean)
        expected = shrunk(value, clean.n, self.cells.types)
        reasons = [
            reason if known else f"never answered: expected {mean:.2f} as its type"
            for reason, known, mean in zip(reasons, np.isfinite(value), expected, strict=True)
        ]
        return within_types(expected, self.cells.types), reasons


def shrunk(value: Array, n: Array, types: Rows) -> Array:
    """Draw the values of cells towards the mean of their type, of unknown cells all the way.

    Parameters
    ----------
    value : (k,) float64
        NaN where nothing is known.
    n : (k,) float64
        Answers behind each.
    types : (k,) int64

    Examples
    --------
    >>> shrunk(np.array([0.2, np.nan, 0.1]), np.array([8.0, 0.0, 8.0]), np.array([0, 0, 1])).round(3).tolist()
    [0.2, 0.2, 0.1]
    """
    known = np.isfinite(value)
    n = np.where(known, n, 0.0)
    filled = np.where(known, value, 0.0)
    everywhere = filled @ n / n.sum() if n.sum() else 0.0
    total = np.bincount(types, weights=n)
    mean = np.divide(
        np.bincount(types, weights=filled * n), total, out=np.full(len(total), everywhere), where=total > 0
    )
    return (filled * n + PRIOR_ROWS * mean[types]) / (n + PRIOR_ROWS)


def within_types(value: Array, types: Rows) -> Array:
    """Give every question type an even share, and its cells theirs by value; no cell less than `FLOOR` of its type.

    Examples
    --------
    >>> within_types(np.array([0.3, 0.1, 0.0]), np.array([0, 0, 1])).round(3).tolist()
    [0.375, 0.125, 0.5]
    """
    raw = np.maximum(value, 0.0)
    total = np.bincount(types, weights=raw)
    size = np.bincount(types)
    share = np.divide(raw, total[types], out=1 / size[types], where=total[types] > 0)
    share = np.maximum(share, FLOOR)
    return share / np.bincount(types, weights=share)[types] / len(size)
