"""Join what was recorded apart by the time it was recorded at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nearest(times: NDArray[np.float64], wanted: NDArray[np.float64], *, tolerance_s: float) -> NDArray[np.intp]:
    """Find the index of the nearest of `times` for each wanted one, -1 where none is within the tolerance.

    Parameters
    ----------
    times : (n,) float64, ascending
    wanted : (m,) float64

    Examples
    --------
    >>> nearest(np.array([0.0, 0.1]), np.array([0.098, 0.05]), tolerance_s=0.005).tolist()
    [1, -1]
    """
    if not len(times):
        return np.full(len(wanted), -1)
    right = np.clip(np.searchsorted(times, wanted), 1 if len(times) > 1 else 0, len(times) - 1)
    left = np.maximum(right - 1, 0)
    index = np.where(np.abs(times[left] - wanted) <= np.abs(times[right] - wanted), left, right)
    return np.where(np.abs(times[index] - wanted) <= tolerance_s, index, -1)
