"""A memory for results that are needed again, with a limit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any


class Kept:
    """Tuples of tensors by name; above the limit the least recently used go first.

    Parameters
    ----------
    limit_bytes : int

    Examples
    --------
    >>> import torch
    >>> kept = Kept(limit_bytes=8)
    >>> for name in "abc":
    ...     kept.put(name, (torch.zeros(1),))
    >>> [name in kept for name in "abc"]
    [False, True, True]
    """

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used = 0
        self._values: OrderedDict[Hashable, tuple[Any, ...]] = OrderedDict()

    def __contains__(self, name: Hashable) -> bool:
        return name in self._values

    def get(self, name: Hashable) -> tuple[Any, ...] | None:
        """Give what is kept under a name."""
        if name in self._values:
            self._values.move_to_end(name)
        return self._values.get(name)

    def put(self, name: Hashable, value: tuple[Any, ...]) -> None:
        """Keep tensors, each one that nothing else holds in memory, in place of those of that name."""
        self._used += _bytes(value) - _bytes(self._values.pop(name, ()))
        self._values[name] = value
        while self._used > self._limit:
            self._used -= _bytes(self._values.popitem(last=False)[1])


def _bytes(value: tuple[Any, ...]) -> int:
    return sum(tensor.nbytes for tensor in value)
