"""A run of the proposer with a model, from a store to a folder of questions, rejects and manifest."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import polars as pl
from qa_contract.files import output_folder, write_json
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import CHOICES, CONFIDENCE, FEEDBACK, OBSERVATIONS, QUESTIONS, REJECTS

from qa_engine.facts.scene import Facts
from qa_engine.generation.inputs import table_digest
from qa_engine.generation.llm.checks import LLMReason, stored_key
from qa_engine.generation.llm.client import ChatClient
from qa_engine.generation.llm.exemplars import CONFIDENCE_COLUMNS, exemplars, types_in_words
from qa_engine.generation.llm.local import LocalClient
from qa_engine.generation.llm.prompt import PROPOSE, RECHECK, REPAIR, template_id
from qa_engine.generation.llm.proposer import LLMProposer, SceneInput
from qa_engine.generation.llm.request import CONCURRENCY, Connection, ProposeRequest
from qa_engine.generation.shares import counts_of, groups_of
from qa_engine.programs.pool import ProgramPool
from qa_engine.scenes.scene import Frame
from qa_engine.scenes.store import Store
from qa_engine.seeding import scene_rng
from qa_engine.views.evidence import Evidence, FrameEvidence, evidence
from qa_engine.views.frame_sets import uniform
from qa_engine.views.recording import RecordingIndex
from qa_engine.views.sightings import SightingIndex

PRODUCER = "qa-engine propose"


@dataclass(frozen=True)
class ProposeRun:
    """Figures of a run: scenes asked and lost, questions, refusals by reason in the order of the filters."""

    n_scenes: int
    n_lost: int
    n_questions: int
    refused: dict[str, int]
    usage: dict[str, int]


def write_proposals(
    store: Store,
    request: ProposeRequest,
    connection: Connection,
    out: Path,
    *,
    exclude: Sequence[Path] = (),
    confidence: Sequence[Path] = (),
    feedback: Path | None = None,
    concurrency: int = CONCURRENCY,
    workers: int = 2,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> ProposeRun:
    """Ask a model about the scenes of a store and write `questions`, `choices`, `rejects` and `manifest.json`.

    The folder appears whole or not at all; what a server has replied is in the cache from the moment it replied.
    """
    began = time.perf_counter()
    with output_folder(out, force=force) as folder:
        inputs = _Inputs(store, request, exclude, confidence, feedback)
        client = LocalClient(connection) if connection.local_model else ChatClient(connection)
        with ProgramPool(
            workers,
            profile=request.profile,
            sightings=inputs.sightings.of,
            evidence=FrameEvidence(store).every,
            recording=RecordingIndex(store).of,
        ) as pool:
            proposer = LLMProposer(
                client,
                pool,
                per_scene=request.per_scene,
                seed=request.seed,
                round=request.round,
                frame_set_id=request.frame_set_id,
                guide=request.guide,
                allow_benchmark_scenes=request.allow_benchmark_scenes,
                recheck=request.recheck,
            )
            asked = _ask_all(proposer, inputs, concurrency, progress)
        rng = scene_rng(request.seed, "", "llm/shuffle", request.round)
        questions = asked.questions[rng.permutation(len(asked.questions))]
        rejects = asked.rejects
        config = (
            _config(request) | inputs.digests() | {"templates": [template_id(x) for x in (PROPOSE, REPAIR, RECHECK)]}
        )
        choices = questions.select("question_id").join(asked.choices, on="question_id", maintain_order="left")
        written = (("questions", questions, QUESTIONS), ("choices", choices, CHOICES), ("rejects", rejects, REJECTS))
        for name, table, schema in written:
            metadata = table_metadata(name, PRODUCER, config, request.seed)
            write_table(table, folder / f"{name}.parquet", schema, metadata)
        counted = Counter(rejects["reason"])
        run = ProposeRun(
            n_scenes=asked.n_scenes,
            n_lost=asked.n_lost,
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


@dataclass(frozen=True)
class _Asked:
    """What came of all scenes."""

    questions: pl.DataFrame
    choices: pl.DataFrame
    rejects: pl.DataFrame
    n_scenes: int
    n_lost: int


def _config(request: ProposeRequest) -> dict[str, object]:
    """Collect what decides the content of the output; what is not given leaves no trace in the files."""
    return {name: value for name, value in asdict(request).items() if name != "collections" or value}


def _ask_all(proposer: LLMProposer, inputs: _Inputs, concurrency: int, progress: Callable[[int, int], None]) -> _Asked:
    """Ask about the scenes of each collection until its share is written."""
    request, done = inputs.request, 0
    groups = groups_of(inputs.store, request.split, request.collections)
    counts = [None] * len(groups) if request.count is None else counts_of(groups, request.count)
    n_all = sum(len(group.scenes) for group in groups)
    parts: list[_Asked] = []
    for group, count in zip(groups, counts, strict=True):
        tick = partial(lambda before, n: progress(before + n, n_all), done)
        parts.append(_ask(proposer, inputs.of(group.scenes), count, concurrency, tick))
        done += parts[-1].n_scenes
    return _Asked(
        pl.concat([part.questions for part in parts]),
        pl.concat([part.choices for part in parts]),
        pl.concat([part.rejects for part in parts]),
        done,
        sum(part.n_lost for part in parts),
    )


def _ask(
    proposer: LLMProposer,
    scenes: Iterator[SceneInput],
    count: int | None,
    concurrency: int,
    tick: Callable[[int], None],
) -> _Asked:
    """Ask about scenes, `concurrency` at a time, until there are `count` questions or no more scenes.

    What a wave of scenes gives is written as rows before the next one begins, so that memory does not grow with scenes.
    """
    questions: list[pl.DataFrame] = [pl.DataFrame(schema=dict(QUESTIONS))]
    rejects: list[tuple[str, str, str, str, None, str, str]] = []
    whys: dict[str, str] = {}
    left, n_scenes, n_lost = count, 0, 0
    while (left is None or left > 0) and (wave := list(islice(scenes, concurrency))):
        found = proposer.choose(proposer.find(wave), left)
        questions.append(proposer.write(found))
        whys |= {result.scene_name: result.scene.why for result in found}
        left = None if left is None else left - len(questions[-1])
        rejects += [
            ("propose", item, result.scene_name, kind, None, str(reason), detail)
            for result in found
            for item, kind, reason, detail in result.rejects
        ]
        n_scenes += len(found)
        n_lost += sum(result.lost for result in found)
        tick(n_scenes)
    table = pl.DataFrame(rejects, schema=dict(REJECTS), orient="row")
    asked = pl.concat(questions)
    why = pl.col("scene_name").replace_strict(whys, default=None, return_dtype=pl.String)
    choices = with_every_column(
        asked.select("question_id", "scene_name", "question_type", "cell", "signature", why=why, sampler=pl.lit("llm")),
        CHOICES,
    )
    return _Asked(asked, choices, table, n_scenes, n_lost)


class _Inputs:
    """The scenes in the order in which they are asked about, each with what the model is told beside its facts."""

    def __init__(
        self,
        store: Store,
        request: ProposeRequest,
        exclude: Sequence[Path],
        confidence: Sequence[Path],
        feedback: Path | None,
    ) -> None:
        self.store = store
        self.request = request
        self.sightings = SightingIndex(store)
        columns = ["question_id", "scene_name", "question", "ground_truth", "program", "round"]
        tables = [read_table(path, "questions", QUESTIONS, columns=columns) for path in exclude]
        self.asked = pl.concat(tables) if tables else None
        parts = [read_table(path, "confidence", CONFIDENCE, columns=CONFIDENCE_COLUMNS) for path in confidence]
        self.feedback = None if feedback is None else read_table(feedback, "feedback", FEEDBACK)
        self.types = "" if self.feedback is None else types_in_words(self.feedback)
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
        tables = {"asked": self.asked, "labelled": self.labelled, "feedback": self.feedback}
        return {name: None if table is None else table_digest(table) for name, table in tables.items()}

    def of(self, names: list[str]) -> Iterator[SceneInput]:
        """Yield some scenes in the order in which they are asked about."""
        order = scene_rng(self.request.seed, "", "llm/scenes", self.request.round).permutation(len(names))
        for i in order.tolist():
            yield self._scene(names[i])

    def _scene(self, name: str) -> SceneInput:
        facts = Facts(self.store.load_scene(name), self.request.profile, self.sightings.of)
        chosen = self.frame_ids.get(name, [])
        known = {frame.frame_id: frame for frame in self.store.frames(name)} if chosen else {}
        frames = [known[key] for key in chosen if key in known and known[key].image_path is not None]
        keys = set() if self.asked is None else {*map(stored_key, self.asked.filter(scene_name=name)["program"])}
        return SceneInput(
            facts,
            tuple(frames[i] for i in uniform(len(frames), self.request.max_frames)),
            self._seen(facts, frames),
            *self._told(name),
            frozenset(keys),
        )

    def _seen(self, facts: Facts, frames: list[Frame]) -> Evidence | None:
        if self.observations is None or not frames:
            return None
        rows = self.observations.filter(scene_name=facts.scene.scene_name)
        pixels = [(frame.width or 0) * (frame.height or 0) for frame in frames]
        return evidence(rows, facts.scene.instance_id, [frame.frame_id for frame in frames], pixels)

    def _told(self, name: str) -> tuple[str, str]:
        """Write what is told of the last round, and why the questions are asked, in words."""
        text, counted = "", ""
        if self.labelled is not None:
            text, counted = exemplars(self.labelled.filter(scene_name=name), self.request.exemplars)
        why = f"written by a model that was shown {counted or 'no'} questions of the last round about the scene"
        return "\n".join(part for part in (self.types, text) if part), why
