"""Work on many items by several processes, here or on a cluster: one interface, and the same results in the same order.

An executor opens a *crew*: workers that are made once, from a class and its arguments, and then keep what they have
read. `Crew.map` hands the items out one by one, or those together that read the same, to whoever is free, and gives the
results in the order of the items, so that the number of workers, and where they are, changes nothing in the output.
What is large goes through files that all workers see; items and results are names and figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol

from qa_engine.executor.local import LocalExecutor
from qa_engine.executor.on_ray import RayExecutor

__all__ = ["HERE", "Crew", "Executor", "LocalExecutor", "RayExecutor", "make_executor"]


class Crew(Protocol):
    """Workers that were made alike."""

    def map(self, method: str, items: Iterable[Any], *, run: int = 1) -> Iterator[Any]:
        """Call a method of a worker with each item, a few at a time; results come in the order of the items.

        So many items in a `run` read the same, and go to one worker where there are many.
        """
        ...

    def submit(self, method: str, item: Any) -> Future[Any]:
        """Call a method of some worker with one item, beside what `map` does."""
        ...


class Executor(Protocol):
    """Somewhere to work."""

    def crew(self, make: Callable[..., object], *args: Any) -> AbstractContextManager[Crew]:
        """Open a crew of workers `make(*args)`; both travel to other processes, so they can be pickled."""
        ...


HERE = LocalExecutor()
"""This process alone."""


def make_executor(
    workers: int = 1, ray_address: str | None = None, *, say: Callable[[str], None] = lambda text: None
) -> Executor:
    """Choose where the work is done.

    Parameters
    ----------
    workers : int
        Processes.
    ray_address : str, optional
        Of a Ray cluster that sees the same files: `auto`, `ray://HOST:10001`, or `local` to start one here.
        Default: processes of this machine.
    say : callable
        Is told when a worker was lost.
    """
    return LocalExecutor(workers, say) if ray_address is None else RayExecutor(workers, ray_address)
