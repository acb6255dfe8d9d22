"""Confidence intervals in closed form."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray


def wilson_interval(
    mean: ArrayLike, n: ArrayLike, *, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson score interval for the mean of n independent values in [0, 1].

    For values in [0, 1] the variance is at most m (1 - m), that of a coin, so the interval is wide enough for any
    such variable and stays inside [0, 1]; one value gives about [0.2, 1] when it is 1 and [0, 0.8] when it is 0.

    Parameters
    ----------
    mean, n : array_like
        Mean of the values, and how many there are.
    level : float
        Coverage, 0.95 by default.

    Returns
    -------
    low, high : arrays of float64

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Examples
    --------
    >>> low, high = wilson_interval(0.5, 10)
    >>> round(float(low), 4), round(float(high), 4)
    (0.2366, 0.7634)
    """
    m = np.asarray(mean, dtype=np.float64)
    count = np.asarray(n, dtype=np.float64)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    centre = (m + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(m * (1 - m) / count + z**2 / (4 * count**2))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)
