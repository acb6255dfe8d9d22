"""Batches of scenes on several processes, with results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context

from qa_engine.generation.request import Request
from qa_engine.generation.samplers import Sampler
from qa_engine.generation.worker import Result, Work, Worker
from qa_engine.scenes.store import Store


class Pool:
    """Runs batches in this process and in `workers - 1` others, and returns the results in order.

    Processes are spawned, not forked: forking a process with threads, as polars has, can hang. This process works too,
    because starting others takes about as long as a small store needs: with one worker nothing is started at all, and
    with several the first results are there before the others are. Results come in the order of the work, so that
    their number changes nothing in the output.
    """

    def __init__(self, workers: int, store: Store, request: Request, sampler: Sampler) -> None:
        self.others = workers - 1
        self.arguments = (store, request, sampler)
        self.local = Worker(*self.arguments)
        self.pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Pool:
        if self.others:
            os.environ.setdefault("POLARS_MAX_THREADS", "1")  # for the processes; this one has its threads already
            context = get_context("spawn")
            self.pool = ProcessPoolExecutor(self.others, context, initializer=_start, initargs=self.arguments)
        return self

    def __exit__(self, *error: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def map(self, stage: str, work: list[Work], progress: Callable[[str, int, int], None]) -> Iterator[Result]:
        """Run one stage over all batches; only a few are under way at a time, so that memory stays flat."""
        of, done = sum(len(part.names) for part in work), 0
        for result in self._results(stage, iter(work)):
            done += len(result.scene_names)
            progress(stage, done, of)
            yield result

    def _results(self, stage: str, work: Iterator[Work]) -> Iterator[Result]:
        """Hand batches out ahead; while the next result is not there, work on a batch here."""
        waiting: deque[Future[Result]] = deque()
        while True:
            if self.pool is not None:
                ahead = 2 * self.others - sum(not future.done() for future in waiting)
                waiting.extend(self.pool.submit(_work, stage, part) for part in islice(work, max(ahead, 0)))
            here = []
            if not waiting or (not waiting[0].done() and len(waiting) < 4 * self.others):
                here = [self._here(stage, part) for part in islice(work, 1)]
                waiting.extend(here)
            if not waiting:
                return
            if not here or waiting[0].done():
                yield waiting.popleft().result()

    def _here(self, stage: str, work: Work) -> Future[Result]:
        future: Future[Result] = Future()
        future.set_result(getattr(self.local, stage)(work))
        return future


_worker: Worker | None = None


def _start(store: Store, request: Request, sampler: Sampler) -> None:
    """Prepare a process of the pool; scenes come to it by name, so that its store and tables are read once."""
    global _worker
    _worker = Worker(store, request, sampler)


def _work(stage: str, work: Work) -> Result:
    """Run one batch in a process of the pool."""
    return getattr(_worker, stage)(work)
