"""Random generators that depend on what they are for, never on the order or place in which work runs."""

from __future__ import annotations

import hashlib

import numpy as np


def scene_rng(seed: int, scene_name: str, task: str, index: int = 0) -> np.random.Generator:
    """Make the random generator of one piece of work.

    Parameters
    ----------
    seed : int
        Seed of the run.
    scene_name : str
        Scene, or another unit of work.
    task : str
        What the numbers are for: a question type, a stage.
    index : int
        Number of the draw within scene and task.

    Returns
    -------
    numpy.random.Generator
        Seeded with the SHA-256 of the four values, so the result depends on neither the order of scenes nor the
        number of workers.

    Examples
    --------
    >>> first = scene_rng(7, "room_0", "object_counting").integers(1000, size=3)
    >>> again = scene_rng(7, "room_0", "object_counting").integers(1000, size=3)
    >>> bool((first == again).all())
    True
    """
    return np.random.default_rng(np.frombuffer(_digest(seed, scene_name, task, index), dtype="<u4"))


def hashed_fraction(seed: int, name: str, task: str) -> float:
    """Map a name to a number in [0, 1) that is uniform over names and fixed for a seed.

    Examples
    --------
    >>> 0 <= hashed_fraction(0, "room_0", "split") < 1
    True
    """
    return (int.from_bytes(_digest(seed, name, task, 0)[:8], "big") >> 11) * 2.0**-53


def _digest(seed: int, name: str, task: str, index: int) -> bytes:
    """Hash the four values; the unit separator keeps ("a", "bc") apart from ("ab", "c")."""
    return hashlib.sha256(f"{seed}\x1f{name}\x1f{task}\x1f{index}".encode("utf-8", "surrogatepass")).digest()
