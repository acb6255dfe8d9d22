"""Generate questions over the scenes of a store: one pass to count the candidates, one to write those chosen."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from qa_engine.answerability import FrameEvidence
from qa_engine.checks import Reason
from qa_engine.errors import QAEngineError
from qa_engine.facts import Facts
from qa_engine.knobs import KnobModel, choose_expected, pool_size
from qa_engine.proposers.template import Found, TemplateProposer
from qa_engine.sampler import cell_names, cell_types, cell_weights, plan
from qa_engine.seeding import scene_rng
from qa_engine.sightings import FIRST_SEEN_PX, MIN_TIME_GAP_S, SightingIndex
from qa_engine.store import Store
from qa_engine.tables import QUESTIONS, REJECTS
from qa_engine.tasks import Task, select_tasks
from qa_engine.tasks.base import Rows
from qa_engine.tasks.obj_appearance_order import appearance_task
from qa_engine.tasks.object_counting import counting_task

SCENES_PER_BATCH = 128
"""Scenes that are worked on together: enough to spread the cost of starting vectorised work, few enough for memory."""

ROWS_PER_SHARD = 50_000
"""Rows of a file; questions are shuffled within it, and scenes over files."""


@dataclass(frozen=True)
class Request:
    """What to generate; everything here decides the content of the output.

    Attributes
    ----------
    tasks : tuple of str
        Question types.
    split : str or None
    count, per_scene : int or None
        Questions in all, or per scene; all candidates where both are None.
    seed, round : int
    profile : str
    frame_set_id : str or None
    sampler : str
        A name in `SAMPLERS`: how feedback becomes weights.
    min_visible_px : int
        Pixels from which on an object counts as seen in a frame.
    min_time_gap_s : float
        Seconds by which first appearances differ at least.
    screen : bool
        Ask only what the frames of the frame set show, and count what they show; needs observations.
    """

    tasks: tuple[str, ...]
    split: str | None = None
    count: int | None = None
    per_scene: int | None = None
    seed: int = 0
    round: int = 0
    profile: str = "exact"
    frame_set_id: str | None = None
    sampler: str = "baseline"
    min_visible_px: int = FIRST_SEEN_PX
    min_time_gap_s: float = MIN_TIME_GAP_S
    screen: bool = False

    def select_tasks(self) -> list[Task]:
        """Look up the tasks, with the parameters of this request."""
        own = [appearance_task(min_px=self.min_visible_px, min_gap_s=self.min_time_gap_s)]
        if self.screened_by is not None:
            own.append(counting_task(self.screened_by))
        by_type = {task.question_type: task for task in own}
        return [by_type.get(task.question_type, task) for task in select_tasks(self.tasks)]

    @property
    def screened_by(self) -> str | None:
        """The frame set that has to show what is asked about, if any."""
        return self.frame_set_id if self.screen else None


@dataclass(frozen=True)
class _Work:
    """Some scenes to work on: how many questions per scene and cell, and the signatures asked before."""

    names: list[str]
    quota: Rows | None
    asked: pl.Series


@dataclass(frozen=True)
class _Result:
    """What a worker returns for some scenes."""

    scene_names: list[str]
    available: Rows
    questions: pl.DataFrame | None
    rejects: pl.DataFrame


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
    store: Path,
    request: Request,
    *,
    feedback: pl.DataFrame | None = None,
    exclude: pl.DataFrame | None = None,
    knobs: KnobModel | None = None,
    workers: int = 1,
    progress: Callable[[str, int, int], None] = lambda stage, done, of: None,
) -> tuple[Generation, Iterator[pl.DataFrame]]:
    """Generate questions.

    Parameters
    ----------
    store : Path
    request : Request
    feedback : DataFrame, optional
        Table `feedback`.
    exclude : DataFrame, optional
        Columns `scene_name` and `signature` of questions that were asked before.
    knobs : KnobModel, optional
        Chooses among the candidates of a cell, where there are more than wanted.
    workers : int
        Processes; their number changes nothing in the output.
    progress : callable
        Called with a stage, and scenes done and to do.

    Returns
    -------
    Generation, iterator of DataFrame
        The figures of the run, complete once the iterator is exhausted, and tables of at most about `ROWS_PER_SHARD`
        shuffled questions; with `knobs` also with the columns `PREDICTED`.
    """
    names = Store(store).scene_names(request.split)
    if not names:
        where = f"in split {request.split!r}" if request.split else "in the store"
        raise QAEngineError(f"{store}: no scenes {where}, so there is nothing to ask about.")
    generation = Generation(n_scenes=len(names))
    return generation, _run(store, request, names, generation, feedback, exclude, knobs, workers, progress)


def _run(
    store: Path,
    request: Request,
    names: list[str],
    generation: Generation,
    feedback: pl.DataFrame | None,
    exclude: pl.DataFrame | None,
    knobs: KnobModel | None,
    workers: int,
    progress: Callable[[str, int, int], None],
) -> Iterator[pl.DataFrame]:
    weights = cell_weights(request.select_tasks(), feedback, sampler=request.sampler)
    order = scene_rng(request.seed, "", "generate/scenes", request.round).permutation(len(names))
    names = [names[i] for i in order]
    batches = [names[i : i + SCENES_PER_BATCH] for i in range(0, len(names), SCENES_PER_BATCH)]
    work = [_Work(batch, None, asked) for batch, asked in zip(batches, _by_batch(exclude, batches), strict=True)]
    with _Pool(workers, store, request, weights, knobs) as pool:
        if request.count is not None:
            counted = list(pool.map("count", work, progress))
            generation.rejects = [batch.rejects for batch in counted]
            available = np.concatenate([batch.available for batch in counted])
            generation.n_available = int(available.sum())
            rng = scene_rng(request.seed, "", "generate/plan", request.round)
            types = cell_types(request.select_tasks())
            shares = plan(available, weights, types, request.count, rng)
            quotas = np.split(shares, np.cumsum([len(batch) for batch in batches])[:-1])
            work = [replace(part, quota=quota) for part, quota in zip(work, quotas, strict=True) if quota.any()]
        results = pool.map("write", work, progress)
        yield from _shards(_collected(results, request, generation), request, generation)


def _collected(results: Iterator[_Result], request: Request, generation: Generation) -> Iterator[pl.DataFrame]:
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
        yield _shuffled(waiting or [pl.DataFrame(schema=QUESTIONS)], request, index, generation)


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


class _Worker:
    """Works on batches of scenes, in this process or in one of a pool."""

    def __init__(self, store: Path, request: Request, weights: np.ndarray, knobs: KnobModel | None) -> None:
        self.store = Store(store)
        self.request = request
        self.weights = weights
        self.types = cell_types(request.select_tasks())
        self.sightings = SightingIndex(self.store)
        self.evidence = FrameEvidence(self.store)
        self.proposer = TemplateProposer(
            request.select_tasks(), seed=request.seed, round=request.round, frame_set_id=request.screened_by
        )
        self.knobs = knobs

    def count(self, work: _Work) -> _Result:
        """Find the candidates of some scenes and count them by cell."""
        found, rejects = self._find(work)
        return _Result(work.names, self._available(work.names, found), None, rejects)

    def write(self, work: _Work) -> _Result:
        """Find the candidates of some scenes, choose by quota and write the questions."""
        found, rejects = self._find(work)
        names, quota = work.names, work.quota
        available = self._available(names, found)
        if self.request.per_scene is not None:
            rows = [self._scene_plan(name, row) for name, row in zip(names, available, strict=True)]
            quota = np.stack(rows)
        by_scene = self.request.per_scene is not None
        if quota is not None:
            drawn = quota if self.knobs is None else pool_size(quota, by_scene=by_scene)
            found = self.proposer.choose(found, drawn[_places(names, found.batch.scene_name)])
        questions = self.proposer.write(found)
        if quota is not None and self.knobs is not None:
            places, wanted = ([[name] for name in names], quota) if by_scene else ([names], quota.sum(axis=0)[None])
            cells = cell_names(self.proposer.tasks)
            questions = choose_expected(questions, self.knobs, places, cells, wanted, seed=self.request.seed)
        frame_set = pl.lit(self.request.frame_set_id, pl.String)
        return _Result(names, available, questions.with_columns(frame_set_id=frame_set), rejects)

    def _scene_plan(self, name: str, available: Rows) -> Rows:
        rng = scene_rng(self.request.seed, name, "generate/plan", self.request.round)
        return plan(available[None], self.weights, self.types, self.request.per_scene or 0, rng)[0]

    def _available(self, names: list[str], found: Found) -> Rows:
        """Candidates per scene and cell; none in a scene that cannot be read."""
        available = np.zeros((len(names), sum(self.proposer.n_cells)), dtype=np.int64)
        available[_places(names, found.batch.scene_name)] = self.proposer.counts(found)
        return available

    def _facts(self, name: str) -> Facts:
        scene = self.store.load_scene(name)
        return Facts(scene, self.request.profile, self.sightings.of, self.evidence.of)

    def _find(self, work: _Work) -> tuple[Found, pl.DataFrame]:
        """Find the candidates of some scenes; a scene that cannot be read becomes a reject."""
        facts: list[Facts] = []
        rows: list[tuple[str, str, str, str, str]] = []
        for name in work.names:
            try:
                facts.append(self._facts(name))
            except QAEngineError as error:
                rows.append((name, "", "", Reason.BAD_SCENE, str(error)))
        found = self.proposer.find(facts)
        names = found.batch.scene_name
        for task, part in zip(self.proposer.tasks, found.found, strict=True):
            for reject in part.rejects:
                detail = reject.detail if reject.n == 1 else f"{reject.n} candidates"
                rows.append((names[reject.scene], task.question_type, reject.item, reject.reason, detail))
        found, dropped = self.proposer.without(found, work.asked)
        for k, t in np.argwhere(dropped).tolist():
            detail = f"{dropped[k, t]} candidates"
            rows.append((names[k], self.proposer.tasks[t].question_type, "", Reason.ASKED_BEFORE, detail))
        return found, _reject_table(rows)


def _places(names: list[str], some: list[str]) -> Rows:
    """Places of `some` names among all."""
    place = {name: k for k, name in enumerate(names)}
    return np.array([place[name] for name in some], dtype=np.int64)


def _reject_table(rows: Sequence[tuple[str, str, str, str, str]]) -> pl.DataFrame:
    """Make the table `rejects` from (scene, question type, item, reason, detail)."""
    schema = ("scene_name", "question_type", "item", "reason", "detail")
    frame = pl.DataFrame([tuple(map(str, row)) for row in rows], dict.fromkeys(schema, pl.String), orient="row")
    return frame.with_columns(stage=pl.lit("generate"), signature=pl.lit(None, dtype=pl.String)).select(list(REJECTS))


class _Pool:
    """Runs batches in this process and in `workers - 1` others, and returns the results in order.

    Processes are spawned, not forked: forking a process with threads, as polars has, can hang.
    """

    def __init__(
        self, workers: int, store: Path, request: Request, weights: np.ndarray, knobs: KnobModel | None
    ) -> None:
        self.others = workers - 1
        self.arguments = (Path(store), request, weights, knobs)
        self.local = _Worker(*self.arguments)
        self.pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> _Pool:
        if self.others:
            os.environ.setdefault("POLARS_MAX_THREADS", "1")  # for the processes; this one has its threads already
            context = get_context("spawn")
            self.pool = ProcessPoolExecutor(self.others, context, initializer=_start, initargs=self.arguments)
        return self

    def __exit__(self, *error: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def map(self, stage: str, work: list[_Work], progress: Callable[[str, int, int], None]) -> Iterator[_Result]:
        """Run one stage over all batches; only a few are under way at a time, so that memory stays flat."""
        of, done = sum(len(part.names) for part in work), 0
        for result in self._results(stage, iter(work)):
            done += len(result.scene_names)
            progress(stage, done, of)
            yield result

    def _results(self, stage: str, work: Iterator[_Work]) -> Iterator[_Result]:
        """Hand batches out ahead; while the next result is not there, work on a batch here."""
        waiting: deque[Future[_Result]] = deque()
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

    def _here(self, stage: str, work: _Work) -> Future[_Result]:
        future: Future[_Result] = Future()
        future.set_result(getattr(self.local, stage)(work))
        return future


_worker: _Worker | None = None


def _start(store: Path, request: Request, weights: np.ndarray, knobs: KnobModel | None) -> None:
    """Prepare a process of the pool."""
    global _worker
    _worker = _Worker(store, request, weights, knobs)


def _work(stage: str, work: _Work) -> _Result:
    """Run one batch in a process of the pool."""
    return getattr(_worker, stage)(work)
