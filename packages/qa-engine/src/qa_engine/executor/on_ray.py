"""Workers on a Ray cluster, whose machines see the same files."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from qa_engine.errors import QAEngineError
from qa_engine.executor.runs import in_runs
from qa_engine.extras import require

AHEAD = 2
"""Items that a worker has before it: it never waits for the next one."""


@dataclass(frozen=True)
class RayExecutor:
    """Actors of a Ray cluster.

    Attributes
    ----------
    workers : int
        Actors, one core each.
    address : str
        `auto` or `ray://HOST:10001` for a cluster that runs, `local` for one that is started here and ends with the
        command.
    """

    workers: int
    address: str

    @contextmanager
    def crew(self, make: Callable[..., object], *args: Any) -> Iterator[RayCrew]:
        """Open a crew; see `Executor.crew`.

        Raises
        ------
        QAEngineError
            Ray is not installed, or no cluster answers at the address.
        """
        ray = require("ray", extra="ray", purpose="--ray-address")
        begun = not ray.is_initialized()
        if begun:
            cores = {"num_cpus": self.workers} if self.address == "local" else {}
            try:
                ray.init(self.address, log_to_driver=False, include_dashboard=False, logging_level="error", **cores)
            except Exception as error:  # Ray raises bare ones, for a node that does not start in time among others
                raise QAEngineError(f"--ray-address {self.address}: no cluster answers there ({error}).") from error
        try:
            actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(_Actor)
            yield RayCrew(ray, [actor.remote(make, args) for _ in range(self.workers)])
        finally:
            if begun:
                ray.shutdown()


class RayCrew:
    """Works on items in actors; one that is lost is made again by Ray, and its items are given to it again."""

    def __init__(self, ray: Any, actors: list[Any]) -> None:
        self.ray, self.actors = ray, actors
        self.next = 0

    def map(self, method: str, items: Iterable[Any], *, run: int = 1) -> Iterator[Any]:
        """Keep every actor busy; see `Crew.map`."""
        for results in self._map(method, in_runs(items, run, len(self.actors))):
            yield from results

    def _map(self, method: str, parts: Iterable[list[Any]]) -> Iterator[list[Any]]:
        left, busy = iter(parts), dict.fromkeys(range(len(self.actors)), 0)
        waiting: deque[Any] = deque()
        under_way: dict[Any, int] = {}
        while True:
            # A result that is long in coming must not leave the others idle, nor pile up more than a few before it.
            room = 4 * AHEAD * len(self.actors) - len(waiting)
            free = sum(AHEAD - n for n in busy.values())
            for part in islice(left, max(min(free, room), 0)):
                k = min(busy, key=busy.__getitem__)
                reference = self.actors[k].work.remote(method, part)
                busy[k] += 1
                waiting.append(reference)
                under_way[reference] = k
            if not waiting:
                return
            if waiting[0] in under_way:
                ready, _ = self.ray.wait(list(under_way), num_returns=1)
                for reference in ready:
                    busy[under_way.pop(reference)] -= 1
            else:
                yield self.ray.get(waiting.popleft())

    def submit(self, method: str, item: Any) -> Future[Any]:
        """Give one item to the actors in turn."""
        self.next = (self.next + 1) % len(self.actors)
        return self.actors[self.next].work_once.remote(method, item).future()


class _Actor:
    """A worker on some machine of the cluster."""

    def __init__(self, make: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.worker = make(*args)

    def work(self, method: str, items: list[Any]) -> list[Any]:
        """Work on some items."""
        return [self.work_once(method, item) for item in items]

    def work_once(self, method: str, item: Any) -> Any:
        """Work on one item."""
        return getattr(self.worker, method)(item)
