"""A run of the proposer with a model, from a store to a folder of questions, rejects and manifest."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
from qa_contract.files import output_folder, write_json
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import CONFIDENCE, OBSERVATIONS, QUESTIONS, REJECTS

from qa_engine.facts.scene import Facts
from qa_engine.generate.llm.checks import LLMReason, program_key
from qa_engine.generate.llm.client import ChatClient, Connection
from qa_engine.generate.llm.local import LocalClient
from qa_engine.generate.llm.prompt import PROPOSE, RECHECK, REPAIR, template_id
from qa_engine.generate.llm.proposer import LLMProposer, SceneInput, SceneProposals
from qa_engine.programs import ProgramError
from qa_engine.programs.pool import ProgramPool
from qa_engine.scenes.scene import Frame
from qa_engine.scenes.store import Store
from qa_engine.seeding import scene_rng
from qa_engine.views.evidence import Evidence, FrameEvidence, evidence
from qa_engine.views.sightings import SightingIndex

PRODUCER = "qa-engine generate --proposer llm"

LABELS = ("frontier", "easy", "hard", "suspect")
"""Labels in the order in which a prompt lists them."""

_ADVICE = {
    "frontier": "write more like these",
    "easy": "fewer like these",
    "hard": "fewer like these",
    "suspect": "their answers may be wrong; avoid the objects",
}


@dataclass(frozen=True)
class LLMRequest:
    """What to ask for; everything here decides the content of the output, together with what the model replies.

    Attributes
    ----------
    model : str
    split : str or None
    count : int or None
        Questions in all, at most; every scene is asked about where it is None.
    per_scene : int
        Questions to ask for per scene.
    seed, round : int
    profile : str
    frame_set_id : str or None
    max_frames : int
        Frames shown, evenly chosen from the frame set.
    exemplars : int
        Per scene and label.
    temperature : float
    allow_benchmark_scenes, recheck : bool
    """

    model: str
    split: str | None = None
    count: int | None = None
    per_scene: int = 5
    seed: int = 0
    round: int = 0
    profile: str = "exact"
    frame_set_id: str | None = None
    max_frames: int = 32
    exemplars: int = 3
    temperature: float = 0.7
    allow_benchmark_scenes: bool = False
    recheck: bool = False


@dataclass(frozen=True)
class LLMRun:
    """Figures of a run: scenes asked and lost, questions, refusals by reason in the order of the filters."""

    n_scenes: int
    n_lost: int
    n_questions: int
    refused: dict[str, int]
    usage: dict[str, int]


def write_llm_generation(
    store: Store,
    request: LLMRequest,
    connection: Connection,
    out: Path,
    *,
    exclude: Sequence[Path] = (),
    confidence: Sequence[Path] = (),
    concurrency: int = 4,
    workers: int = 2,
    force: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> LLMRun:
    """Ask a model about the scenes of a store and write `questions`, `rejects` and `manifest.json`.

    The folder appears whole or not at all; what a server has replied is in the cache from the moment it replied.
    """
    began = time.perf_counter()
    with output_folder(out, force=force) as folder:
        inputs = _Inputs(store, request, exclude, confidence)
        client = LocalClient(connection) if connection.local_model else ChatClient(connection)
        shown = FrameEvidence(store).every
        with ProgramPool(workers, profile=request.profile, sightings=inputs.sightings.of, evidence=shown) as pool:
            proposer = LLMProposer(
                client,
                pool,
                per_scene=request.per_scene,
                seed=request.seed,
                round=request.round,
                frame_set_id=request.frame_set_id,
                allow_benchmark_scenes=request.allow_benchmark_scenes,
                recheck=request.recheck,
            )
            results = proposer.propose(iter(inputs), concurrency=concurrency, count=request.count, progress=progress)
        questions = _questions(results, request)
        rejects = _rejects(results)
        config = (
            asdict(request) | inputs.digests() | {"templates": [template_id(x) for x in (PROPOSE, REPAIR, RECHECK)]}
        )
        for name, table, schema in (("questions", questions, QUESTIONS), ("rejects", rejects, REJECTS)):
            metadata = table_metadata(name, PRODUCER, config, request.seed)
            write_table(table, folder / f"{name}.parquet", schema, metadata)
        counted = Counter(rejects["reason"])
        run = LLMRun(
            n_scenes=len(results),
            n_lost=sum(result.lost for result in results),
            n_questions=len(questions),
            refused={str(reason): counted[reason] for reason in LLMReason if counted[reason]},
            usage=asdict(client.usage),
        )
        write_json(
            folder / "manifest.json",
            {
                "command": PRODUCER,
                "config": config,
                "store": str(store.path),
                "cache": str(connection.cache),
                "base_url": connection.base_url,
                "local_model": connection.local_model,
                "isolation": ["interpreter", *pool.layers],
                "seconds": round(time.perf_counter() - began, 3),
            }
            | asdict(run),
        )
    return run


def _questions(results: list[SceneProposals], request: LLMRequest) -> pl.DataFrame:
    """Collect the questions, at most as many as wanted, shuffled."""
    rows = [row for result in results for row in result.questions][: request.count]
    table = pl.DataFrame(rows, schema=dict(QUESTIONS)) if rows else pl.DataFrame(schema=dict(QUESTIONS))
    return table[scene_rng(request.seed, "", "llm/shuffle", request.round).permutation(len(table))]


def _rejects(results: list[SceneProposals]) -> pl.DataFrame:
    rows = [
        ("propose", item, result.scene_name, kind, None, str(reason), detail)
        for result in results
        for item, kind, reason, detail in result.rejects
    ]
    return pl.DataFrame(rows, schema=dict(REJECTS), orient="row")


class _Inputs:
    """The scenes in the order in which they are asked about, each with what the model is told beside its facts."""

    def __init__(self, store: Store, request: LLMRequest, exclude: Sequence[Path], confidence: Sequence[Path]) -> None:
        self.store = store
        self.request = request
        self.sightings = SightingIndex(store)
        columns = ["question_id", "scene_name", "question", "ground_truth", "program", "round"]
        tables = [read_table(path, "questions", QUESTIONS, columns=columns) for path in exclude]
        self.asked = pl.concat(tables) if tables else None
        columns = ["question_id", "label", "gold_confidence"]
        parts = [read_table(path, "confidence", CONFIDENCE, columns=columns) for path in confidence]
        labels = pl.concat(parts) if parts else None
        self.labelled = None
        if labels is not None and self.asked is not None:
            self.labelled = self.asked.join(labels.unique("question_id", keep="last"), on="question_id")
        self.observations = None
        if (store.path / "observations.parquet").is_file() and request.frame_set_id is not None:
            self.observations = read_table(store.path, "observations", OBSERVATIONS)
        sets = store.frame_sets.filter(pl.col("frame_set_id") == (request.frame_set_id or ""))
        self.frame_ids = dict(zip(sets["scene_name"], sets["frame_ids"].to_list(), strict=True))

    def digests(self) -> dict[str, str | None]:
        """Hash the tables that the request rests on."""
        tables = {"asked": self.asked, "labelled": self.labelled}
        return {
            name: None if table is None else hashlib.sha256(table.write_ndjson().encode()).hexdigest()[:16]
            for name, table in tables.items()
        }

    def __iter__(self) -> Iterator[SceneInput]:
        names = self.store.scene_names(self.request.split)
        order = scene_rng(self.request.seed, "", "llm/scenes", self.request.round).permutation(len(names))
        for i in order.tolist():
            yield self._scene(names[i])

    def _scene(self, name: str) -> SceneInput:
        facts = Facts(self.store.load_scene(name), self.request.profile, self.sightings.of)
        chosen = self.frame_ids.get(name, [])
        known = {frame.frame_id: frame for frame in self.store.frames(name)} if chosen else {}
        frames = [known[key] for key in chosen if key in known and known[key].image_path is not None]
        keys = set() if self.asked is None else {*map(_key, self.asked.filter(scene_name=name)["program"])}
        return SceneInput(
            facts,
            _evenly(frames, self.request.max_frames),
            self._seen(facts, frames),
            self._exemplars(name),
            frozenset(keys),
        )

    def _seen(self, facts: Facts, frames: list[Frame]) -> Evidence | None:
        if self.observations is None or not frames:
            return None
        rows = self.observations.filter(scene_name=facts.scene.scene_name)
        pixels = [(frame.width or 0) * (frame.height or 0) for frame in frames]
        return evidence(rows, facts.scene.instance_id, [frame.frame_id for frame in frames], pixels)

    def _exemplars(self, name: str) -> str:
        """Write the last round's questions about a scene, by label."""
        if self.labelled is None:
            return ""
        rows = self.labelled.filter(scene_name=name)
        rows = rows.filter(pl.col("round") == pl.col("round").max()).sort("question_id")
        lines = []
        for label in LABELS:
            part = rows.filter(label=label).head(self.request.exemplars)
            if len(part):
                lines.append(f"Questions of the last round that were {label} for the model ({_ADVICE[label]}):")
            for row in part.iter_rows(named=True):
                confidence = "" if row["gold_confidence"] is None else f", confidence {row['gold_confidence']:.2f}"
                lines.append(f"- {row['question']} -> {row['ground_truth']}{confidence}")
        return "\n".join(lines)


def _key(program: str) -> str:
    """Key of a stored program; one that is no longer in the language is itself."""
    try:
        return program_key(program)
    except ProgramError:
        return program


def _evenly(frames: list[Frame], most: int) -> tuple[Frame, ...]:
    """Take at most so many frames, from first to last."""
    if len(frames) <= most:
        return tuple(frames)
    return tuple(frames[round(i * (len(frames) - 1) / max(most - 1, 1))] for i in range(most))
