"""Structure: walls, floors and ceilings, which annotations list beside objects. They are the room, not things in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STRUCTURE = ("wall", "walls", "floor", "ceiling", "room")
"""Categories that are parts of a room: nobody counts them, asks where they are, or walks to them."""


def is_structure(categories: Sequence[str] | NDArray[np.str_]) -> NDArray[np.bool_]:
    """Tell which categories are parts of a room, (n,).

    Examples
    --------
    >>> is_structure(["wall", "wall clock", "Floor"]).tolist()
    [True, False, True]
    """
    return np.array([str(name).strip().lower() in STRUCTURE for name in categories], dtype=bool)
