"""Places on a grid: a map of things seen from above."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from qa_contract.structures.numbers import read_numbers

REACH = 5.0
"""Cells from which on a place is worth nothing: half the side of a map of 10 x 10 (VSI-Bench, arXiv 2412.14171)."""

Cells = Mapping[str, list[float]]


def read_cells(value: Any) -> Cells | None:
    """Read an object of names and their cells, [column, row].

    Examples
    --------
    >>> read_cells({"A": [2, 7]}), read_cells({"A": [2]}), read_cells({})
    ({'a': [2.0, 7.0]}, None, None)
    """
    if not isinstance(value, dict):
        return None
    found = {name.strip().lower(): read_numbers(cell, 2) for name, cell in value.items()}
    kept = {name: cell for name, cell in found.items() if cell is not None}
    return kept if kept and len(kept) == len(value) else None


def cells_score(answer: Cells, truth: Cells) -> float:
    """Mean over the names of how near each cell is: 1 in place, 0 from `REACH` cells on or where one side lacks it.

    Examples
    --------
    >>> cells_score({"a": [0, 0], "b": [3, 4]}, {"a": [0, 0], "b": [3, 3]})
    0.9
    >>> cells_score({"a": [0, 0]}, {"a": [0, 0], "b": [3, 3]}), cells_score({"a": [9, 9], "c": [1, 1]}, {"a": [0, 0]})
    (0.5, 0.0)
    """
    near = [max(0.0, 1 - math.dist(answer[name], cell) / REACH) for name, cell in truth.items() if name in answer]
    return sum(near) / len(answer.keys() | truth.keys())
