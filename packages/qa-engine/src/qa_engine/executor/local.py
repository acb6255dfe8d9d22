"""Processes of this machine."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Lock
from typing import Any

from qa_engine.executor.runs import in_runs

LOST = "a worker process was killed (is the memory full?); its work is done again here, with one process"

LOOK_S = 5.0
"""Seconds after which a result that does not come is asked about."""


@dataclass(frozen=True)
class LocalExecutor:
    """The process that asks, and `workers - 1` others.

    Attributes
    ----------
    workers : int
    say : callable
        Is told when a worker was lost.
    """

    workers: int = 1
    say: Callable[[str], None] = lambda text: None

    @contextmanager
    def crew(self, make: Callable[..., object], *args: Any) -> Iterator[LocalCrew]:
        """Open a crew; see `Executor.crew`."""
        crew = LocalCrew(self.workers - 1, make, args, self.say)
        try:
            yield crew
        finally:
            crew.close()


class LocalCrew:
    """Works on items in this process and in others.

    Processes are spawned, not forked: forking a process with threads, as polars has, can hang. This process works too,
    because starting others takes about as long as a small store needs: with one worker nothing is started at all, and
    with several the first results are there before the others are.

    A process that is killed from outside costs time and nothing else: its items, and all that follow, are worked on
    here.
    """

    def __init__(
        self, others: int, make: Callable[..., object], args: tuple[Any, ...], say: Callable[[str], None]
    ) -> None:
        self.others, self.make, self.args, self.say = others, make, args, say
        self.pool: ProcessPoolExecutor | None = None
        if others:
            os.environ.setdefault("POLARS_MAX_THREADS", "1")  # for the processes; this one has its threads already
            self.pool = ProcessPoolExecutor(others, get_context("spawn"), initializer=_start, initargs=(make, args))
        self.thread = ThreadPoolExecutor(1)
        self.lock = Lock()

    @cached_property
    def here(self) -> object:
        """The worker of this process."""
        return self.make(*self.args)

    def close(self) -> None:
        """End the other processes; what they have begun is finished, the rest is not."""
        if self.pool is not None:
            if _is_dead(self.pool):
                _drop(self.pool)
            else:
                self.pool.shutdown(cancel_futures=True)
        self.thread.shutdown(cancel_futures=True)

    def map(self, method: str, items: Iterable[Any], *, run: int = 1) -> Iterator[Any]:
        """Hand items out ahead; while the next result is not there, work here; see `Crew.map`."""
        for results in self._map(method, in_runs(items, run, 1 + self.others)):
            yield from results

    def _map(self, method: str, parts: Iterable[list[Any]]) -> Iterator[list[Any]]:
        left = iter(parts)
        waiting: deque[tuple[list[Any], Future[Any]]] = deque()
        while True:
            if self.pool is not None:
                ahead = 2 * self.others - sum(not future.done() for _, future in waiting)
                waiting.extend((part, self._elsewhere(method, part)) for part in islice(left, max(ahead, 0)))
            here = []
            if not waiting or (not waiting[0][1].done() and len(waiting) < 4 * self.others):
                here = [(part, self._here(method, part)) for part in islice(left, 1)]
                waiting.extend(here)
            if not waiting:
                return
            if not here or waiting[0][1].done():
                part, future = waiting.popleft()
                yield self._result(method, part, future)

    def submit(self, method: str, item: Any) -> Future[Any]:
        """Work on one item beside those of `map`: in another process, or else in a thread."""
        if self.pool is None:
            return self.thread.submit(getattr(self.here, method), item)
        elsewhere = self._elsewhere(method, [item])
        return self.thread.submit(lambda: self._result(method, [item], elsewhere)[0])

    def _elsewhere(self, method: str, items: list[Any]) -> Future[Any]:
        pool = self.pool  # another thread may have found it broken
        try:
            if pool is not None:
                return pool.submit(_work, method, items)
            problem: Exception = BrokenProcessPool(LOST)
        except BrokenProcessPool as error:
            problem = error
        except RuntimeError:  # a thread of the pool cannot be started for lack of memory
            problem = BrokenProcessPool(LOST)
        failed: Future[Any] = Future()
        failed.set_exception(problem)
        return failed

    def _here(self, method: str, items: list[Any]) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result([getattr(self.here, method)(item) for item in items])
        return future

    def _result(self, method: str, items: list[Any], future: Future[Any]) -> list[Any]:
        """Wait for the results of some items; work on them here where their process was lost."""
        try:
            while not wait_for([future], LOOK_S).done:
                if self.pool is None or _is_dead(self.pool):
                    raise BrokenProcessPool(LOST)
            return future.result()
        except BrokenProcessPool:
            with self.lock:  # both threads of this process may find it broken
                pool, self.pool = self.pool, None
            if pool is not None:
                self.say(LOST)
                _drop(pool)
            return [getattr(self.here, method)(item) for item in items]


def _is_dead(pool: ProcessPoolExecutor) -> bool:
    """Tell whether the thread that hands out a pool's work has ended, of which the pool tells nobody.

    Where memory is short it fails to start threads of its own; all who wait for results would wait for ever.
    """
    manager: Any = pool._executor_manager_thread  # a Thread, which its annotation does not know
    return manager is not None and not manager.is_alive()


def _drop(pool: ProcessPoolExecutor) -> None:
    """End a broken pool: its processes would be waited for at the end of this one."""
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)


_worker: object = None


def _start(make: Callable[..., object], args: tuple[Any, ...]) -> None:
    """Prepare a process: it makes its worker once, leaves Ctrl-C to the first process, and does not outlive it."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _worker = make(*args)


def _leave_with_parent() -> None:
    """End this process when the first one is gone, however it went: nobody else would tell it."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(method: str, items: list[Any]) -> list[Any]:
    """Work on some items in a process of the pool."""
    return [getattr(_worker, method)(item) for item in items]
