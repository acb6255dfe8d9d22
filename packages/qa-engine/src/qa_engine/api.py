"""The engine from Python: what `ingest`, `generate` and `answer` do, without the files around it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.tableio import read_table
from qa_contract.tables import QUESTIONS

from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import Dataset, IngestOptions
from qa_engine.errors import QAEngineError, unknown_name
from qa_engine.facts.profiles import get_profile
from qa_engine.facts.references import REFERENCES
from qa_engine.generation.files import write_generation
from qa_engine.generation.request import Request
from qa_engine.generation.run import generate as run
from qa_engine.generation.samplers import Past
from qa_engine.ingestion.run import DEFAULT_SPLIT
from qa_engine.ingestion.run import ingest as read
from qa_engine.replay.answer import answer_questions
from qa_engine.replay.external import external_columns
from qa_engine.scenes.store import Store
from qa_engine.tasks import select_tasks
from qa_engine.views.frame_sets import can_screen, choose_frame_set


def ingest(
    dataset: str | Dataset,
    root: Path | None = None,
    *,
    out: Path,
    split: dict[str, float] | None = None,
    workers: int = 1,
    force: bool = False,
    **options: Any,
) -> Store:
    """Read a dataset into a store.

    Parameters
    ----------
    dataset : str or Dataset
        A name in `DATASETS`, or one of your own.
    root : Path, optional
        File or folder of the dataset; none for a generated one.
    out : Path
        Folder of the store.
    split : dict of str to float, optional
        Shares of train, val and test. Default: 0.8, 0.1, 0.1.
    workers : int
    force : bool
        Replace a store that exists.
    **options
        Fields of `IngestOptions`: seed, annotations, frames_dir, settings; of generated scenes scenes, frames, size.

    Raises
    ------
    QAEngineError
        The dataset or an option is not known, or a scene was refused: `rejects.parquet` in `out` says why.
    """
    known = get_dataset(dataset) if isinstance(dataset, str) else dataset
    report = read(
        known,
        root,
        out=out,
        options=IngestOptions(**options),
        split=split or DEFAULT_SPLIT,
        workers=workers,
        force=force,
    )
    if report.lost:
        raise QAEngineError(f"{report.lost} scenes or frames were lost; see {out / 'rejects.parquet'}.")
    return Store(out)


def make_request(
    store: Store, tasks: Sequence[str] | None = None, *, frame_set: str | None = None, screen: bool = True, **what: Any
) -> Request:
    """Say what to generate, with what the store has to offer: its only frame set, and whether it tells what it shows.

    Parameters
    ----------
    store : Store
    tasks : sequence of str, optional
        Question types or families. Default: all.
    frame_set : str, optional
        Needed where the store has several.
    screen : bool
        Ask only what the frame set shows, where that is known.
    **what
        Further fields of `Request`.

    Raises
    ------
    QAEngineError
        A name is not known, or fields exclude each other.
    """
    if what.get("count") is not None and what.get("per_scene") is not None:
        raise QAEngineError("--count and --per-scene exclude each other; give one of them.")
    get_profile(what.get("profile", Request.profile))
    chosen = choose_frame_set(store, frame_set)
    reference = what.get("reference", Request.reference)
    if reference not in REFERENCES:
        raise unknown_name("reference", reference, REFERENCES, "The default is 'name'.")
    screened = screen and can_screen(store, chosen)
    if reference in ("mark", "coordinate") and not screened:
        raise QAEngineError(
            f"--reference {reference} needs frames that are known to show something; run 'qa-engine observe' and "
            "'qa-engine sample-frames', and leave --no-screen out."
        )
    return Request(
        tasks=tuple(task.question_type for task in select_tasks(tasks)),
        frame_set_id=chosen,
        screen=screened,
        **what,
    )


def generate(
    store: Store,
    tasks: Sequence[str] | None = None,
    *,
    out: Path | None = None,
    feedback: pl.DataFrame | None = None,
    exclude: pl.DataFrame | None = None,
    workers: int = 1,
    force: bool = False,
    **what: Any,
) -> pl.DataFrame:
    """Generate questions with computed answers.

    Parameters
    ----------
    store : Store
    tasks : sequence of str, optional
        Question types or families. Default: all.
    out : Path, optional
        Folder to write as `qa-engine generate` does, for the other packages. Default: nothing is written.
    feedback : DataFrame, optional
        Table `feedback` of the rounds before.
    exclude : DataFrame, optional
        Questions asked before: columns `scene_name` and `signature`.
    workers : int
        Processes; their number changes nothing in the result.
    force : bool
        Replace what `out` holds.
    **what
        Parameters of `make_request`: count, per_scene, seed, round, split, profile, sampler, frame_set, screen.

    Returns
    -------
    DataFrame
        Table `questions`.
    """
    request = make_request(store, tasks, **what)
    asked = None if exclude is None else exclude.select("scene_name", "signature")
    past = Past(feedback, asked=asked)
    if out is not None:
        write_generation(store, request, out, past, workers=workers, force=force)
        return read_table(out, "questions", QUESTIONS)
    _, tables = run(store, request, sampler=request.make_sampler(past), exclude=asked, workers=workers)
    return pl.concat(table.select(list(QUESTIONS)) for table in tables)


def answer(store: Store, questions: pl.DataFrame, *, profile: str = "exact", points: bool = True) -> pl.DataFrame:
    """Answer questions that others wrote, from geometry alone.

    Parameters
    ----------
    store : Store
    questions : DataFrame
        Table `questions`, or rows in VSI-Bench's schema.
    profile : str
    points : bool
        With profile `exact`, take distances between scanned points where there are any.

    Returns
    -------
    DataFrame
        A row per question, in their order: `id` and what `answer_questions` gives.
    """
    get_profile(profile)
    return answer_questions(store, external_columns(questions, "questions"), profile=profile, points=points)


__all__ = ["answer", "generate", "ingest", "make_request"]
