"""What scorers get and give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """Rows to score, with each distinct text held once.

    Attributes
    ----------
    types, truths, texts : list
        Distinct question types, ground truths, completions; the codes hold the position of each row's own.
    truth_value : (len(truths),) float64
        Ground truths as numbers, NaN where they are none.
    references : list of (list of str) or None
        All right answers of every row, for free text.
    """

    types: list[str]
    type_code: NDArray[np.intp]
    truths: list[str | None]
    truth_code: NDArray[np.intp]
    truth_value: NDArray[np.float64]
    texts: list[str | None]
    text_code: NDArray[np.intp]
    references: Sequence[Sequence[str] | None] | None


@dataclass(frozen=True)
class Part:
    """Scores of some rows, whether an answer was read, and its text."""

    score: NDArray[np.float64]
    failed: NDArray[np.bool_]
    parsed: NDArray[np.object_]


def read_used(function: Callable[[str], T | None], texts: list[str | None], used: NDArray[np.intp]) -> list[T | None]:
    """Apply a parser function to the texts whose position is in `used`, once each; None for the others."""
    wanted = np.zeros(len(texts), dtype=bool)
    wanted[used] = True
    return [function(t or "") if w else None for t, w in zip(texts, wanted.tolist(), strict=True)]


def objects(values: Sequence[Any]) -> NDArray[np.object_]:
    """Hold values in an array as they are."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
