"""Items that follow each other and read the same, for one worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

SINGLE = 2
"""Runs for each worker at the end of the work that are handed out item by item, so that all end together."""


def in_runs(items: Iterable[Any], run: int, workers: int) -> Iterator[list[Any]]:
    """Cut items into what a worker gets at once: `run` of them, and single ones where that would leave others idle.

    Examples
    --------
    >>> [len(part) for part in in_runs(range(14), 3, 2)]
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    >>> [len(part) for part in in_runs(range(20), 3, 2)]
    [3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    if run == 1 or workers == 1:
        for item in items:
            yield [item]
        return
    every = list(items)
    whole = max(len(every) // run - SINGLE * workers, 0) * run
    for start in range(0, whole, run):
        yield every[start : start + run]
    for item in every[whole:]:
        yield [item]
