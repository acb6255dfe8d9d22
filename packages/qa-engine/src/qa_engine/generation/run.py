"""Generate questions over the scenes of a store: one pass to count the candidates, one to write those chosen."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from qa_contract.tablestream import TableStream

from qa_engine.checks import Reason
from qa_engine.errors import QAEngineError
from qa_engine.executor import Crew, Executor
from qa_engine.facts.batch import SCENES_PER_BATCH
from qa_engine.generation.refusals import Refusals
from qa_engine.generation.request import Request
from qa_engine.generation.samplers import Sampler
from qa_engine.generation.shards import ROWS_PER_SHARD, Drafts, Shard
from qa_engine.generation.shares import counts_of, groups_of, share_quotas
from qa_engine.generation.worker import Result, Work, Worker
from qa_engine.scenes.store import SCENES_PER_STRIP, Store
from qa_engine.seeding import scene_rng

Progress = Callable[[str, int, int], None]
"""Called with a stage, and scenes done and to do."""

MOST_QUESTIONS = 1_000_000
"""Questions above which a run stops: objects have triples by the hundred thousand, and a disk has an end."""

SHARDS_AHEAD = 2
"""Shards that are being written while the next batches are made."""


@dataclass
class Generation:
    """The figures of a run.

    Attributes
    ----------
    n_scenes, n_available, n_questions, n_shards : int
    refusals : Refusals
        Its counts; the rows are in the table.
    of_types : Counter of str
        Questions per type.
    of_collections : dict of str to (int, int)
        Questions wanted of each collection with a share, and those that there are.
    """

    n_scenes: int = 0
    n_available: int = 0
    n_questions: int = 0
    n_shards: int = 0
    refusals: Refusals = field(default_factory=Refusals)
    of_types: Counter[str] = field(default_factory=Counter)
    of_collections: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def n_bad_scenes(self) -> int:
        """Scenes that could not be read."""
        return self.refusals.counts["", Reason.BAD_SCENE]


def generate(
    store: Store,
    request: Request,
    sampler: Sampler,
    drafts: Drafts,
    rejects: TableStream,
    *,
    exclude: pl.DataFrame | None = None,
    executor: Executor,
    all_rejects: bool = False,
    limit: int = MOST_QUESTIONS,
    progress: Progress = lambda stage, done, of: None,
) -> Generation:
    """Generate questions into the files of `drafts`, one per shard of about `ROWS_PER_SHARD` shuffled rows.

    Parameters
    ----------
    store : Store
    request : Request
    sampler : Sampler
    drafts : Drafts
    rejects : TableStream
        Gets refusals as they come.
    exclude : DataFrame, optional
        Columns `scene_name` and `signature` of questions that were asked before.
    executor : Executor
        Where the work is done, which changes nothing in the output.
    all_rejects : bool
        Write a row for every refusal of a scene, not examples.
    limit : int
        Questions above which the run stops with a QAEngineError.
    progress : callable
    """
    groups = groups_of(store, request.split, request.collections)
    names = sorted(name for group in groups for name in group.scenes)
    run = Generation(n_scenes=len(names), refusals=Refusals(all_rejects))
    names = _shuffled(names, scene_rng(request.seed, "", "generate/scenes", request.round))
    batches = [names[i : i + SCENES_PER_BATCH] for i in range(0, len(names), SCENES_PER_BATCH)]
    asked = _by_batch(exclude, batches)
    work = [Work(k, batch, None, asked[k]) for k, batch in enumerate(batches)]

    def results(crew: Crew, stage: str) -> Iterator[Result]:
        of, done = sum(len(part.names) for part in work), 0
        for result in crew.map(stage, work, run=SCENES_PER_STRIP // SCENES_PER_BATCH):
            if stage == "count" or request.count is None:  # a counting pass has refused the same before
                run.n_available += int(result.available.sum())
                run.refusals.merge(result.refusals)
                rejects.write(run.refusals.take())
            run.of_types.update(result.of_types)
            _check_limit(run.of_types, limit)
            done += result.n_scenes
            progress(stage, done, of)
            yield result

    with executor.crew(Worker, store, request, sampler, drafts, all_rejects) as crew:
        if request.count is not None:
            available = np.concatenate([result.available for result in results(crew, "count")])
            seeds = {"seed": request.seed, "round": request.round}
            weights, types = sampler.weights(), sampler.cells.types
            shares = share_quotas(groups, names, available, weights, types, request.count, **seeds)
            if request.collections:
                wanted = counts_of(groups, request.count)
                found = [int(shares[np.isin(names, group.scenes)].sum()) for group in groups]
                run.of_collections = {g.name: (n, m) for g, n, m in zip(groups, wanted, found, strict=True)}
            quotas = np.split(shares, np.cumsum([len(batch) for batch in batches])[:-1])
            work = [replace(part, quota=quota) for part, quota in zip(work, quotas, strict=True) if quota.any()]
        written: deque[Future[int]] = deque()
        for shard in _shards(results(crew, "write")):
            if len(written) >= SHARDS_AHEAD:
                run.n_questions += written.popleft().result()
            written.append(crew.submit("shard", shard))
            run.n_shards += 1
        run.n_questions += sum(future.result() for future in written)
    return run


def _shuffled(names: list[str], rng: np.random.Generator) -> list[str]:
    """Shuffle scenes within the strips in which a store reads them, and the strips: a worker holds few of them."""
    strips = [names[i : i + SCENES_PER_STRIP] for i in range(0, len(names), SCENES_PER_STRIP)]
    shuffled = [[strip[i] for i in rng.permutation(len(strip))] for strip in strips]
    return [name for k in rng.permutation(len(shuffled)) for name in shuffled[k]]


def _check_limit(of_types: Counter[str], limit: int) -> None:
    """Stop where there are more questions than anybody meant to ask for."""
    if of_types.total() > limit:
        most = ", ".join(f"{kind} {n:,}" for kind, n in of_types.most_common(5))
        raise QAEngineError(
            f"More than --limit {limit:,} questions, most of them of: {most}. Ask for fewer by --count, "
            "--per-scene or --tasks, or raise the limit."
        )


def _shards(results: Iterator[Result]) -> Iterator[Shard]:
    """Collect batches into shards; there is one even where there is no question."""
    batches: list[int] = []
    index = n = 0
    for result in results:
        if not result.n_questions:
            continue
        batches.append(result.number)
        n += result.n_questions
        if n >= ROWS_PER_SHARD:
            yield Shard(index, tuple(batches))
            batches, index, n = [], index + 1, 0
    if batches or index == 0:
        yield Shard(index, tuple(batches))


def _by_batch(exclude: pl.DataFrame | None, batches: list[list[str]]) -> list[pl.Series]:
    """Split excluded signatures by batch."""
    if exclude is None:
        return [pl.Series([], dtype=pl.String) for _ in batches]
    names = pl.DataFrame({"scene_name": batches, "batch": range(len(batches))}).explode("scene_name")
    known = exclude.join(names, on="scene_name").partition_by("batch", as_dict=True, include_key=False)
    none = exclude.clear()
    return [known.get((k,), none)["signature"].unique() for k in range(len(batches))]
