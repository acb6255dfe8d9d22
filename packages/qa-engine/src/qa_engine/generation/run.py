"""Generate questions over the scenes of a store: one pass to count the candidates, one to write those chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from qa_contract.tables import DETAILS, QUESTIONS

from qa_engine.checks import Reason
from qa_engine.errors import QAEngineError
from qa_engine.facts.batch import SCENES_PER_BATCH
from qa_engine.generation.pool import Pool
from qa_engine.generation.request import Request
from qa_engine.generation.samplers import Past, Sampler
from qa_engine.generation.samplers.quota import allot
from qa_engine.generation.worker import Result, Work
from qa_engine.scenes.store import Store
from qa_engine.seeding import scene_rng

ROWS_PER_SHARD = 50_000
"""Rows of a file; questions are shuffled within it, and scenes over files."""


@dataclass
class Generation:
    """A run: hands out tables of questions one after the other, and fills the rest as it goes.

    Attributes
    ----------
    rejects : list of DataFrame
    n_scenes, n_available, n_questions, n_bad_scenes : int
    """

    rejects: list[pl.DataFrame] = field(default_factory=list)
    n_scenes: int = 0
    n_available: int = 0
    n_questions: int = 0
    n_bad_scenes: int = 0


def generate(
    store: Store,
    request: Request,
    *,
    sampler: Sampler | None = None,
    exclude: pl.DataFrame | None = None,
    workers: int = 1,
    progress: Callable[[str, int, int], None] = lambda stage, done, of: None,
) -> tuple[Generation, Iterator[pl.DataFrame]]:
    """Generate questions.

    Parameters
    ----------
    store : Store
    request : Request
    sampler : Sampler, optional
        Default: that of the request, in a first round.
    exclude : DataFrame, optional
        Columns `scene_name` and `signature` of questions that were asked before.
    workers : int
        Processes; their number changes nothing in the output.
    progress : callable
        Called with a stage, and scenes done and to do.

    Returns
    -------
    Generation, iterator of DataFrame
        The figures of the run, complete once the iterator is exhausted, and tables of at most about `ROWS_PER_SHARD`
        shuffled questions, with the columns that the sampler adds.
    """
    names = store.scene_names(request.split)
    if not names:
        where = f"in split {request.split!r}" if request.split else "in the store"
        raise QAEngineError(f"{store.path}: no scenes {where}, so there is nothing to ask about.")
    generation = Generation(n_scenes=len(names))
    sampler = sampler or request.make_sampler(Past())
    return generation, _run(store, request, names, generation, sampler, exclude, workers, progress)


def _run(
    store: Store,
    request: Request,
    names: list[str],
    generation: Generation,
    sampler: Sampler,
    exclude: pl.DataFrame | None,
    workers: int,
    progress: Callable[[str, int, int], None],
) -> Iterator[pl.DataFrame]:
    order = scene_rng(request.seed, "", "generate/scenes", request.round).permutation(len(names))
    names = [names[i] for i in order]
    batches = [names[i : i + SCENES_PER_BATCH] for i in range(0, len(names), SCENES_PER_BATCH)]
    work = [Work(batch, None, asked) for batch, asked in zip(batches, _by_batch(exclude, batches), strict=True)]
    with Pool(workers, store, request, sampler) as pool:
        if request.count is not None:
            counted = list(pool.map("count", work, progress))
            generation.rejects = [batch.rejects for batch in counted]
            available = np.concatenate([batch.available for batch in counted])
            generation.n_available = int(available.sum())
            rng = scene_rng(request.seed, "", "generate/plan", request.round)
            shares = allot(available, sampler.weights(), sampler.cells.types, request.count, rng)
            quotas = np.split(shares, np.cumsum([len(batch) for batch in batches])[:-1])
            work = [replace(part, quota=quota) for part, quota in zip(work, quotas, strict=True) if quota.any()]
        results = pool.map("write", work, progress)
        yield from _shards(_collected(results, request, generation), request, generation)


def _collected(results: Iterator[Result], request: Request, generation: Generation) -> Iterator[pl.DataFrame]:
    """Pass the questions on; keep the rejects, which a counting pass has already returned."""
    for batch in results:
        if request.count is None:
            generation.rejects.append(batch.rejects)
            generation.n_available += int(batch.available.sum())
        if batch.questions is not None and len(batch.questions):
            yield batch.questions
    bad = [part.filter(pl.col("reason") == Reason.BAD_SCENE).height for part in generation.rejects]
    generation.n_bad_scenes = sum(bad)


def _shards(tables: Iterator[pl.DataFrame], request: Request, generation: Generation) -> Iterator[pl.DataFrame]:
    """Collect tables into files and shuffle the rows of each."""
    waiting: list[pl.DataFrame] = []
    index = 0
    for table in tables:
        waiting.append(table)
        del table  # what is handed on is not kept here, so that one file's rows are in memory once
        if sum(map(len, waiting)) >= ROWS_PER_SHARD:
            yield _shuffled(waiting, request, index, generation)
            index += 1
    if waiting or index == 0:
        yield _shuffled(waiting or [pl.DataFrame(schema=dict(QUESTIONS) | dict(DETAILS))], request, index, generation)


def _shuffled(tables: list[pl.DataFrame], request: Request, index: int, generation: Generation) -> pl.DataFrame:
    """Take the tables out of the list, and return their rows in a random order."""
    table = pl.concat(tables, rechunk=True)  # rows are gathered ten times faster from one chunk than from many
    tables.clear()
    rng = scene_rng(request.seed, f"shard {index}", "generate/shuffle", request.round)
    generation.n_questions += len(table)
    return table[rng.permutation(len(table))]


def _by_batch(exclude: pl.DataFrame | None, batches: list[list[str]]) -> list[pl.Series]:
    """Split excluded signatures by batch."""
    if exclude is None:
        return [pl.Series([], dtype=pl.String) for _ in batches]
    names = pl.DataFrame({"scene_name": batches, "batch": range(len(batches))}).explode("scene_name")
    known = exclude.join(names, on="scene_name").partition_by("batch", as_dict=True, include_key=False)
    none = exclude.clear()
    return [known.get((k,), none)["signature"].unique() for k in range(len(batches))]


__all__ = ["Generation", "Request", "generate"]
