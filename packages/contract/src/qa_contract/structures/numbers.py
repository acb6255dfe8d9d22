"""Numbers inside JSON answers."""

from __future__ import annotations

import math
from typing import Any

LARGEST = 1e6
"""No coordinate, size or angle is as large; what is larger would only overflow."""


def read_numbers(value: Any, n: int) -> list[float] | None:
    """Read a list of `n` numbers; None where the value is none.

    Examples
    --------
    >>> read_numbers([1, 2.5], 2), read_numbers([1, True], 2), read_numbers([1e9, 0], 2)
    ([1.0, 2.5], None, None)
    """
    if not isinstance(value, list) or len(value) != n:
        return None
    found = [float(item) for item in value if type(item) in (int, float) and abs(item) <= LARGEST]
    return found if len(found) == n and all(map(math.isfinite, found)) else None
