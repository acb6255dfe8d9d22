"""Linear probes: ridge regression whose strength is chosen on a part of the training scenes."""

from __future__ import annotations

import numpy as np

STRENGTHS = 10.0 ** np.arange(-4, 5)
"""Strengths tried, as multiples of the features' mean variance times the rows."""
VALIDATION = 0.2
"""Share of the training rows, the last ones, on which the strength is chosen."""


def ridge(train: np.ndarray, target: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Fit a ridge regression and predict.

    Parameters
    ----------
    train : (n, d) float
        Features; columns are centred and scaled by the whole matrix's standard deviation.
    target : (n, k) float
    test : (m, d) float

    Returns
    -------
    (m, k) float64

    Notes
    -----
    Solved through the (n, n) matrix of inner products where there are fewer rows than features, else through the
    (d, d) matrix; one eigen-decomposition serves all strengths.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> bool(np.abs(ridge(x[:150], x[:150, :1] * 2 + 1, x[150:]) - (x[150:, :1] * 2 + 1)).max() < 1e-2)
    True
    """
    fitted = max(1, round(len(train) * (1 - VALIDATION)))
    strength = STRENGTHS[0]
    if fitted < len(train):
        path = _solve(train[:fitted], target[:fitted], train[fitted:], STRENGTHS)
        strength = STRENGTHS[int(((path - target[fitted:]) ** 2).mean((1, 2)).argmin())]
    return _solve(train, target, test, np.array([strength]))[0]


def _solve(train: np.ndarray, target: np.ndarray, test: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """Predictions (s, m, k) for every strength."""
    middle, offset = train.mean(0), target.mean(0)
    x, y, z = train - middle, target - offset, test - middle
    scale = float((x**2).sum() / len(x)) or 1.0
    if len(x) < x.shape[1]:
        values, vectors = np.linalg.eigh(x @ x.T / scale)
        seen, wanted = (z @ x.T / scale) @ vectors, vectors.T @ y
    else:
        values, vectors = np.linalg.eigh(x.T @ x / scale)
        seen, wanted = z @ vectors / scale, vectors.T @ (x.T @ y)
    weights = 1 / (np.maximum(values, 0.0)[None] + strengths[:, None] * len(x) / x.shape[1] * 1e-2 + 1e-9)
    return np.einsum("me,se,ek->smk", seen, weights, wanted, optimize=True) + offset
