"""Accuracy of multiple-choice answers."""

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


def choice_accuracy(answer: Sequence[str | None], ground_truth: Sequence[str]) -> NDArray[np.float64]:
    """1 where the answer equals the ground truth regardless of case, else 0; no answer is wrong.

    Parameters
    ----------
    answer : sequence of str or None, length n
        Option letters as a parser extracted them.
    ground_truth : sequence of str, length n

    Returns
    -------
    (n,) float64

    Examples
    --------
    >>> choice_accuracy(["b", "A", None], ["B", "C", "A"])
    array([1., 0., 0.])
    """
    codes: dict[str, int] = {}
    return (fold_codes(answer, codes) == fold_codes(ground_truth, codes)).astype(np.float64)


def fold_codes(texts: Sequence[str | None], codes: dict[str, int]) -> NDArray[np.intp]:
    """Give texts that are equal in lower case one number, None the number -1; `codes` grows with new texts.

    Examples
    --------
    >>> fold_codes(["A", "b", "a", None], {})
    array([ 0,  1,  0, -1])
    """
    numbers = (-1 if text is None else codes.setdefault(text.lower(), len(codes)) for text in texts)
    return np.fromiter(numbers, dtype=np.intp, count=len(texts))
