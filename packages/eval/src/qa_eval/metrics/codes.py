"""Codes of distinct values, so that each is worked on once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import count
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=Hashable)


def factorize(values: Sequence[T]) -> tuple[list[T], NDArray[np.intp]]:
    """Distinct values in the order of first use, and the position of every value among them.

    Examples
    --------
    >>> factorize(["b", "a", "b"])
    (['b', 'a'], array([0, 1, 0]))
    """
    position: defaultdict[T, int] = defaultdict(count().__next__)  # a new value gets the next number in one look-up
    codes = np.fromiter(map(position.__getitem__, values), dtype=np.intp, count=len(values))
    return list(position), codes
