"""Mean relative accuracy of numbers, as VSI-Bench computes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE_THRESHOLDS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
"""The ten thresholds; their floats decide the scores on the edges, so they are never written as literals."""

MAX_ERRORS: NDArray[np.float64] = (1 - CONFIDENCE_THRESHOLDS)[::-1].copy()
"""Largest relative error that passes each threshold, ascending: about 0.05, 0.10, ..., 0.50."""


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

    References
    ----------
    VSI-Bench (arXiv 2412.14171), ``lmms_eval/tasks/vsibench/utils.py`` of vision-x-nyu/thinking-in-space.

    Examples
    --------
    >>> mean_relative_accuracy([9.0, 8.0, 3.0, float("inf")], [10.0, 10.0, 2.0, 2.0])
    array([0.9, 0.6, 0.1, 0. ])
    """
    predicted = np.asarray(prediction, dtype=np.float64)
    truth = np.asarray(ground_truth, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        divisor = np.where(truth == 0, 1.0, np.abs(truth)) if zero_is_absolute else truth
        error = np.abs(predicted - truth) / divisor
    passed = len(MAX_ERRORS) - np.searchsorted(MAX_ERRORS, error, side="left")
    undefined = (truth == 0) & (not zero_is_absolute)
    return np.where(undefined, np.nan, passed / float(len(MAX_ERRORS)))
