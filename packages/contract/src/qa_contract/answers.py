"""Reading and scoring of an answer as VSI-Bench's own evaluation does it, for one answer and for arrays.

References
----------
VSI-Bench (arXiv 2412.14171), ``lmms_eval/tasks/vsibench/utils.py`` of vision-x-nyu/thinking-in-space.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE_THRESHOLDS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
"""The ten thresholds; their floats decide the scores on the edges, so they are never written as literals."""

MAX_ERRORS: NDArray[np.float64] = (1 - CONFIDENCE_THRESHOLDS)[::-1].copy()
"""Largest relative error that passes each threshold, ascending: about 0.05, 0.10, ..., 0.50."""

_ERRORS: tuple[float, ...] = tuple(MAX_ERRORS.tolist())  # a bisection in a tuple is 20 times as quick as a NumPy call


def first_token(completion: str) -> str:
    r"""Text before the first space, without final dots, then without white space.

    Notes
    -----
    The dots go before the white space: ``"B.\n"`` gives ``"B."``, which is no letter, and a leading space gives ``""``.

    Examples
    --------
    >>> first_token("B. sofa"), first_token(" B"), first_token("B.\n")
    ('B', '', 'B.')
    """
    return completion.split(" ", 1)[0].rstrip(".").strip()


def first_number(completion: str) -> float | None:
    """Read the first token as a Python float.

    Examples
    --------
    >>> first_number("190 cm"), first_number("190cm")
    (190.0, None)
    """
    try:
        return float(first_token(completion))
    except ValueError:
        return None


def relative_accuracy(predicted: float, truth: float) -> float:
    """Give the share of the ten thresholds t for which ``|predicted - truth| / truth <= 1 - t``, of one number.

    The same floats as `mean_relative_accuracy`: 0 where the prediction is not finite, NaN where the truth is 0.

    Examples
    --------
    >>> relative_accuracy(9.0, 10.0), relative_accuracy(8.0, 10.0), relative_accuracy(float("nan"), 1.0)
    (0.9, 0.6, 0.0)
    """
    return math.nan if truth == 0 else share_within(abs(predicted - truth) / truth)


def share_within(error: float) -> float:
    """Give the share of the ten thresholds t for which a relative error is at most ``1 - t``; 0 for NaN.

    Examples
    --------
    >>> share_within(0.0), share_within(0.31), share_within(float("inf"))
    (1.0, 0.4, 0.0)
    """
    if not error <= _ERRORS[-1]:  # NaN too
        return 0.0
    return (len(_ERRORS) - bisect_left(_ERRORS, error)) / float(len(_ERRORS))


def mean_relative_accuracy(
    prediction: ArrayLike, ground_truth: ArrayLike, *, zero_is_absolute: bool = False
) -> NDArray[np.float64]:
    """Mean over the thresholds t of ``|prediction - ground_truth| / ground_truth <= 1 - t``.

    Parameters
    ----------
    prediction, ground_truth : (n,) float64
        In the same unit. The arrays broadcast.
    zero_is_absolute : bool
        Use the absolute error where the ground truth is 0, and divide by its absolute value elsewhere.

    Returns
    -------
    (n,) float64
        One of 0, 0.1, ..., 1; NaN where the ground truth is 0, because the relative error is undefined there,
        unless `zero_is_absolute`.

    Notes
    -----
    A prediction that is NaN or infinite scores 0. The comparison is ``<=`` as in the benchmark's code (its paper
    writes ``<``), in float64: an error of exactly 0.20 fails the threshold that 0.20 should pass.

    Examples
    --------
    >>> mean_relative_accuracy([9.0, 8.0, 3.0, float("inf")], [10.0, 10.0, 2.0, 2.0])
    array([0.9, 0.6, 0.1, 0. ])
    """
    predicted = np.asarray(prediction, dtype=np.float64)
    truth = np.asarray(ground_truth, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        divisor = np.where(truth == 0, 1.0, np.abs(truth)) if zero_is_absolute else truth
        error = np.abs(predicted - truth) / divisor
    passed = len(MAX_ERRORS) - np.searchsorted(MAX_ERRORS, error, side="left")
    undefined = (truth == 0) & (not zero_is_absolute)
    return np.where(undefined, np.nan, passed / float(len(MAX_ERRORS)))


def score_number(completion: str, truth: float) -> float:
    """Score one completion against a number: 0 where its first token is none, NaN where the truth is 0.

    Examples
    --------
    >>> score_number("9", 10.0), score_number("about 10", 10.0)
    (0.9, 0.0)
    """
    predicted = first_number(completion)
    return relative_accuracy(math.nan if predicted is None else predicted, truth)


def score_choice(completion: str, truth: str) -> float:
    """Score one completion against a letter: 1 where its first token is that letter regardless of case, else 0.

    Examples
    --------
    >>> score_choice("b. bed", "B"), score_choice("(B)", "B")
    (1.0, 0.0)
    """
    return float(first_token(completion).lower() == truth.lower())


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
