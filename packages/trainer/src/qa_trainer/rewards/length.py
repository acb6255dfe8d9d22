"""Reward for a short completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FREE_TOKENS = 16
"""A direct answer with a unit and an end token fits."""
LIMIT_TOKENS = 64


def length(completions: Sequence[Any], completion_ids: Sequence[Sequence[int]], **columns: Any) -> list[float | None]:
    """1 up to `FREE_TOKENS` tokens, falling linearly to 0 at `LIMIT_TOKENS`.

    Examples
    --------
    >>> length(["", "", ""], [[1] * 3, [1] * 40, [1] * 90])
    [1.0, 0.5, 0.0]
    """
    span = LIMIT_TOKENS - FREE_TOKENS
    return [min(1.0, max(0.0, (LIMIT_TOKENS - len(ids)) / span)) for ids in completion_ids]
