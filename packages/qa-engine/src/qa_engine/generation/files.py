"""Files of a generation run: questions (sharded when large), rejects, manifest."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import polars as pl
from qa_contract.files import output_folder, write_json
from qa_contract.identity import config_hash
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import CHOICES, DETAILS, QUESTIONS, REJECTS, Schema

from qa_engine.errors import QAEngineError
from qa_engine.generation.inputs import STATE_FILE, table_digest
from qa_engine.generation.request import Request
from qa_engine.generation.run import Generation, generate
from qa_engine.generation.samplers import Past
from qa_engine.generation.samplers.base import EXPECTED, CellChoice, explain_cells
from qa_engine.scenes.store import Store

PRODUCER = "qa-engine generate"

MOST_QUESTIONS = 1_000_000
"""Questions above which a run stops: objects have triples by the hundred thousand, and a disk has an end."""


def write_generation(
    store: Store,
    request: Request,
    out: Path,
    past: Past | None = None,
    *,
    workers: int = 1,
    force: bool = False,
    limit: int = MOST_QUESTIONS,
    progress: Callable[[str, int, int], None] = lambda stage, done, of: None,
    say: Callable[[str], None] = lambda message: None,
) -> Generation:
    """Generate questions into a folder: `questions`, `choices`, `rejects`, `sampler.json` and `manifest.json`.

    The folder appears whole or not at all. More than `ROWS_PER_SHARD` questions are cut into shards. `choices` is there
    where fewer questions were wanted than there may be; `say` is told what the sampler could not do.

    Raises
    ------
    QAEngineError
        There are more than `limit` questions; nothing is written.
    """
    began = time.perf_counter()
    past = past or Past()
    sampler = request.make_sampler(past)
    for note in sampler.notes:
        say(note)
    chosen = request.count is not None or request.per_scene is not None
    with output_folder(out, force=force) as folder:
        config = _config(request, past)
        metadata = table_metadata("questions", PRODUCER, config, request.seed)
        generation, tables = generate(
            store, request, sampler=sampler, exclude=past.asked, workers=workers, progress=progress
        )
        cells = explain_cells(sampler)
        parts: dict[str, tuple[Schema, Callable[[pl.DataFrame], pl.DataFrame]]] = {
            "questions": (QUESTIONS, lambda shard: shard.select(list(QUESTIONS)))
        }
        if chosen:
            parts["choices"] = (CHOICES, lambda shard: choice_rows(shard, cells, request.sampler))
        if request.reference != Request.reference or request.paraphrase:
            parts["details"] = (DETAILS, lambda shard: shard.select(list(DETAILS)))

        def write_shard(k: int, shard: pl.DataFrame) -> None:
            for name, (schema, rows) in parts.items():
                about = table_metadata(name, PRODUCER, config, request.seed)
                write_table(rows(shard), folder / f"{name}-part-{k}", schema, about)

        of_types: Counter[str] = Counter()
        n_shards = _in_background(write_shard, _counted(tables, of_types, limit))
        for name in parts:
            for k in range(n_shards):
                suffix = f"-{k:05d}-of-{n_shards:05d}" if n_shards > 1 else ""
                (folder / f"{name}-part-{k}").rename(folder / f"{name}{suffix}.parquet")
        rejects = pl.concat(generation.rejects).sort("scene_name", maintain_order=True)
        of_rejects = table_metadata("rejects", PRODUCER, config, request.seed)
        write_table(rejects, folder / "rejects.parquet", REJECTS, of_rejects)
        left = {"sampler": request.sampler, "round": request.round, "state": sampler.state()}
        write_json(folder / STATE_FILE, left)
        write_json(
            folder / "manifest.json",
            {
                "command": PRODUCER,
                "run_id": metadata["run_id"],
                "config": config,
                "store": str(store.path),
                "workers": workers,
                "scenes": generation.n_scenes,
                "scenes_lost": generation.n_bad_scenes,
                "candidates": generation.n_available,
                "questions": generation.n_questions,
                "question_types": dict(sorted(of_types.items())),
                "rejects": dict(sorted(rejects["reason"].value_counts().iter_rows())),
                "weights": {f"{cell.question_type} {cell.cell}": cell.weight for cell in cells},
                "choices": [asdict(cell) for cell in cells],
                "seconds": round(time.perf_counter() - began, 3),
                "host": {"python": platform.python_version(), "machine": platform.machine()},
            },
        )
    return generation


def _counted(tables: Iterator[pl.DataFrame], of_types: Counter[str], limit: int) -> Iterator[pl.DataFrame]:
    """Count the questions of each type as they pass, and stop where there are more than anybody meant to ask for."""
    for table in tables:
        of_types.update(dict(table["question_type"].value_counts().iter_rows()))
        if of_types.total() > limit:
            most = ", ".join(f"{kind} {n:,}" for kind, n in of_types.most_common(5))
            raise QAEngineError(
                f"More than --limit {limit:,} questions, most of them of: {most}. Ask for fewer by --count, "
                "--per-scene or --tasks, or raise the limit."
            )
        yield table
        del table  # what is handed on is not kept here


def _in_background(write: Callable[[int, pl.DataFrame], None], tables: Iterator[pl.DataFrame]) -> int:
    """Write each table while the next one is made, one at a time; return how many there were."""
    n = 0
    with ThreadPoolExecutor(1) as thread:
        waiting = None
        for table in tables:
            if waiting is not None:
                waiting.result()
            waiting = thread.submit(write, n, table)
            n += 1
            del table  # the thread drops it when it is written
        if waiting is not None:
            waiting.result()
    return n


def choice_rows(questions: pl.DataFrame, cells: Sequence[CellChoice], sampler: str) -> pl.DataFrame:
    """Say of every question why it was chosen: the weight of its cell and, where a model chose, what it expected.

    Parameters
    ----------
    questions : DataFrame
        Columns of `questions`, and of `EXPECTED` where the sampler chose among candidates.
    cells : sequence of CellChoice
    sampler : str

    Returns
    -------
    DataFrame with the columns of `choices`, in the order of the questions.
    """
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in EXPECTED.items() if name not in questions.columns]
    rows = pl.DataFrame(
        [(cell.question_type, cell.cell, cell.weight, cell.why) for cell in cells],
        {"question_type": pl.String, "cell": pl.String, "weight": pl.Float64, "why": pl.String},
        orient="row",
    )
    expected = pl.format("{}; {}", "why", "chosen_by")
    joined = questions.with_columns(lacking).join(rows, on=["question_type", "cell"], how="left", maintain_order="left")
    why = pl.when(pl.col("chosen_by").is_null()).then("why").otherwise(expected)
    return joined.with_columns(sampler=pl.lit(sampler), why=why).select(list(CHOICES))


def _config(request: Request, past: Past) -> Mapping[str, object]:
    """Collect what decides the content of the output; tables count by a hash of their rows.

    What is not given or not done is left out, so that it leaves no trace in the files.
    """
    always = ("feedback", "exclude")
    tables = {"feedback": past.feedback, "exclude": past.asked, "answered": past.answered}
    given: dict[str, object] = {
        name: None if t is None else table_digest(t) for name, t in tables.items() if t is not None or name in always
    }
    asked = asdict(request)
    given |= {"state": config_hash(past.state)} if past.state else {}
    quiet = {"screen": False, "reference": "name", "paraphrase": False, "explore": None, "shuffled_of": None}
    return {name: value for name, value in asked.items() if name not in quiet or value != quiet[name]} | given
