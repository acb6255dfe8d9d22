"""Files of a generation run: questions (sharded when large), rejects, manifest."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from qa_contract.files import output_folder, write_json
from qa_contract.identity import config_hash
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import QUESTION_TYPES, REJECTS
from qa_contract.tablestream import open_table

from qa_engine.executor import HERE, Executor
from qa_engine.generation.inputs import STATE_FILE, table_digest
from qa_engine.generation.request import Request
from qa_engine.generation.run import MOST_QUESTIONS, Generation, Progress, generate
from qa_engine.generation.samplers import Past
from qa_engine.generation.samplers.base import explain_cells
from qa_engine.generation.shards import Drafts
from qa_engine.scenes.store import Store
from qa_engine.tasks.listing import type_table

PRODUCER = "qa-engine generate"


def write_generation(
    store: Store,
    request: Request,
    out: Path,
    past: Past | None = None,
    *,
    executor: Executor = HERE,
    all_rejects: bool = False,
    force: bool = False,
    limit: int = MOST_QUESTIONS,
    progress: Progress = lambda stage, done, of: None,
    say: Callable[[str], None] = lambda message: None,
) -> Generation:
    """Generate `questions` into a folder with `question_types`, `choices`, `rejects`, `sampler.json`, `manifest.json`.

    The folder appears whole or not at all. More than `ROWS_PER_SHARD` questions are cut into shards. `choices` is there
    where fewer questions were wanted than there may be. `rejects` has every lost scene; of refused candidates it has
    examples, all of them with `all_rejects`, and the manifest counts them. `say` is told what the sampler could not do.

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
        names = ["questions", *(["choices"] if chosen else [])]
        if request.reference != Request.reference or request.paraphrase:
            names.append("details")
        drafts = Drafts(folder, {name: table_metadata(name, PRODUCER, config, request.seed) for name in names})
        whole = dict(config) | ({"all_rejects": True} if all_rejects else {})
        of_rejects = table_metadata("rejects", PRODUCER, whole, request.seed)
        with open_table(folder / "rejects.parquet", REJECTS, of_rejects) as rejects:
            generation = generate(
                store,
                request,
                sampler,
                drafts,
                rejects,
                exclude=past.asked,
                executor=executor,
                all_rejects=all_rejects,
                limit=limit,
                progress=progress,
            )
        n_shards = generation.n_shards
        for name in names:
            for k in range(n_shards):
                suffix = f"-{k:05d}-of-{n_shards:05d}" if n_shards > 1 else ""
                drafts.part(name, k).rename(folder / f"{name}{suffix}.parquet")
        of_types = table_metadata("question_types", PRODUCER, config, request.seed)
        types = type_table(sorted(generation.of_types))
        write_table(types, folder / "question_types.parquet", QUESTION_TYPES, of_types)
        cells = explain_cells(sampler)
        left = {"sampler": request.sampler, "round": request.round, "state": sampler.state()}
        write_json(folder / STATE_FILE, left)
        write_json(
            folder / "manifest.json",
            {
                "command": PRODUCER,
                "run_id": metadata["run_id"],
                "config": config,
                "store": str(store.path),
                "scenes": generation.n_scenes,
                "scenes_lost": generation.n_bad_scenes,
                "candidates": generation.n_available,
                "questions": generation.n_questions,
                "question_types": dict(sorted(generation.of_types.items())),
                **({"collections": generation.of_collections} if request.collections else {}),
                "refused": generation.refusals.by_type(),
                "weights": {f"{cell.question_type} {cell.cell}": cell.weight for cell in cells},
                "choices": [asdict(cell) for cell in cells],
                "seconds": round(time.perf_counter() - began, 3),
                "host": {"python": platform.python_version(), "machine": platform.machine()},
            },
        )
    return generation


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
    quiet |= {"collections": ()}
    return {name: value for name, value in asked.items() if name not in quiet or value != quiet[name]} | given
