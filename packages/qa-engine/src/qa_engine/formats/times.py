"""Join what was recorded apart by the time it was recorded at, and read times from names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

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


UNIT_S = {10: 1.0, 13: 1e-3, 16: 1e-6, 19: 1e-9}
"""Digits of a time since 1970 in whole seconds, milliseconds, microseconds or nanoseconds, and the unit."""


def times_of_names(names: Sequence[str], per_second: float | None = None) -> list[float] | None:
    """Read the times of images from their names, seconds.

    Parameters
    ----------
    names : sequence of str
    per_second : float, optional
        Frames per second: the last number of each name is that of a frame. Without it, names count that are times
        themselves, as robots and datasets of SLAM write them.

    Returns
    -------
    list of float or None
        None where not every name says one; differences alone mean something.

    Examples
    --------
    >>> times_of_names(["rgb/1305031102.175304.png", "rgb/1305031102.211214.png"])
    [1305031102.175304, 1305031102.211214]
    >>> times_of_names(["frame_0001.jpg"]) is None, times_of_names(["frame_0015.jpg"], per_second=30)
    (True, [0.5])
    """
    stems = [name[: -len(suffix)] if (suffix := _ending(name)) else name for name in names]
    stems = [PurePosixPath(stem).name for stem in stems]
    if per_second is not None:
        found = [re.findall(r"[0-9]+", stem) for stem in stems]
        return [int(numbers[-1]) / per_second for numbers in found] if names and all(found) else None
    if names and all(re.fullmatch(r"[0-9]{1,10}\.[0-9]+", stem) for stem in stems):
        return [float(stem) for stem in stems]
    if names and all(stem.isascii() and stem.isdecimal() for stem in stems):
        digits = {len(stem) for stem in stems}
        if len(digits) == 1 and (unit := UNIT_S.get(digits.pop())):
            return [(int(stem) - int(stems[0])) * unit for stem in stems]
    return None


def _ending(name: str) -> str:
    """Find the ending of an image's name; digits after a dot are none."""
    suffix = PurePosixPath(name).suffix
    return "" if suffix[1:].isdecimal() else suffix
