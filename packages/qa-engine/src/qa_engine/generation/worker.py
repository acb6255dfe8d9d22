"""The work on one batch of scenes: find candidates, count them, choose and word them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from qa_contract.tables import REJECTS

from qa_engine.arrays import Rows
from qa_engine.checks import Reason
from qa_engine.errors import QAEngineError
from qa_engine.facts.scene import Facts
from qa_engine.generation.request import Request
from qa_engine.generation.samplers import Sampler
from qa_engine.generation.samplers.quota import allot
from qa_engine.generation.template import Found, TemplateProposer
from qa_engine.scenes.store import Store
from qa_engine.seeding import scene_rng
from qa_engine.views.evidence import FrameEvidence
from qa_engine.views.recording import RecordingIndex
from qa_engine.views.sightings import SightingIndex


@dataclass(frozen=True)
class Work:
    """Some scenes to work on: how many questions per scene and cell, and the signatures asked before."""

    names: list[str]
    quota: Rows | None
    asked: pl.Series


@dataclass(frozen=True)
class Result:
    """What a worker returns for some scenes."""

    scene_names: list[str]
    available: Rows
    questions: pl.DataFrame | None
    rejects: pl.DataFrame


class Worker:
    """Works on batches of scenes, in this process or in one of a pool."""

    def __init__(self, store: Store, request: Request, sampler: Sampler) -> None:
        self.store = store
        self.request = request
        self.sampler = sampler
        self.sightings = SightingIndex(self.store)
        self.evidence = FrameEvidence(self.store)
        self.recordings = RecordingIndex(self.store)
        self.proposer = TemplateProposer(
            request.select_tasks(),
            seed=request.seed,
            round=request.round,
            frame_set_id=request.screened_by,
            reference=request.reference,
            paraphrase=request.paraphrase,
        )

    def count(self, work: Work) -> Result:
        """Find the candidates of some scenes and count them by cell."""
        found, rejects = self._find(work)
        return Result(work.names, self._available(work.names, found), None, rejects)

    def write(self, work: Work) -> Result:
        """Find the candidates of some scenes, choose by quota and write the questions."""
        found, rejects = self._find(work)
        names, quota = work.names, work.quota
        available = self._available(names, found)
        if self.request.per_scene is not None:
            rows = [self._scene_quota(name, row) for name, row in zip(names, available, strict=True)]
            quota = np.stack(rows)
        by_scene = self.request.per_scene is not None
        if quota is not None:
            drawn = self.sampler.pool(quota, by_scene=by_scene)
            found = self.proposer.choose(found, drawn[_places(names, found.batch.scene_name)])
        questions = self.proposer.write(found)
        if quota is not None:
            places, wanted = ([[name] for name in names], quota) if by_scene else ([names], quota.sum(axis=0)[None])
            questions = self.sampler.choose(questions, places, wanted)
        frame_set = pl.coalesce("frame_set_id", pl.lit(self.request.frame_set_id, pl.String))
        return Result(names, available, questions.with_columns(frame_set_id=frame_set), rejects)

    def _scene_quota(self, name: str, available: Rows) -> Rows:
        rng = scene_rng(self.request.seed, name, "generate/plan", self.request.round)
        weights, types = self.sampler.weights(), self.sampler.cells.types
        return allot(available[None], weights, types, self.request.per_scene or 0, rng)[0]

    def _available(self, names: list[str], found: Found) -> Rows:
        """Candidates per scene and cell; none in a scene that cannot be read."""
        available = np.zeros((len(names), sum(self.proposer.n_cells)), dtype=np.int64)
        available[_places(names, found.batch.scene_name)] = self.proposer.counts(found)
        return available

    def _facts(self, name: str) -> Facts:
        scene = self.store.load_scene(name)
        return Facts(scene, self.request.profile, self.sightings.of, self.evidence.of, self.recordings.of)

    def _find(self, work: Work) -> tuple[Found, pl.DataFrame]:
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
