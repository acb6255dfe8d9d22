"""The work on one batch of scenes: find candidates, count them, choose and word them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from qa_engine.arrays import Rows
from qa_engine.checks import Reason
from qa_engine.errors import QAEngineError
from qa_engine.facts.scene import Facts
from qa_engine.generation.refusals import Refusals
from qa_engine.generation.request import Request
from qa_engine.generation.samplers import Sampler
from qa_engine.generation.samplers.base import CellChoice, explain_cells
from qa_engine.generation.samplers.quota import allot
from qa_engine.generation.shards import Drafts, Shard, write_shard
from qa_engine.generation.template import Found, TemplateProposer
from qa_engine.scenes.store import Store
from qa_engine.seeding import scene_rng
from qa_engine.views.evidence import FrameEvidence
from qa_engine.views.recording import RecordingIndex
from qa_engine.views.sightings import SightingIndex


@dataclass(frozen=True)
class Work:
    """A batch of scenes to work on: how many questions per scene and cell, and the signatures asked before."""

    number: int
    names: list[str]
    quota: Rows | None
    asked: pl.Series


@dataclass(frozen=True)
class Result:
    """What a worker returns for a batch: figures, never rows of questions."""

    number: int
    n_scenes: int
    available: Rows
    n_questions: int
    refusals: Refusals
    of_types: dict[str, int]


class Worker:
    """Works on batches of scenes, in this process or in one of a pool."""

    def __init__(
        self, store: Store, request: Request, sampler: Sampler, drafts: Drafts, all_rejects: bool = False
    ) -> None:
        self.drafts = drafts
        self.all_rejects = all_rejects
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
        found, refusals = self._find(work)
        return Result(work.number, len(work.names), self._available(work.names, found), 0, refusals, {})

    def write(self, work: Work) -> Result:
        """Find the candidates of some scenes, choose by quota and write the questions."""
        found, refusals = self._find(work)
        names, quota = work.names, work.quota
        available = self._available(names, found)
        if self.request.per_scene is not None:
            rows = [self._scene_quota(name, row) for name, row in zip(names, available, strict=True)]
            quota = np.stack(rows)
        by_scene = self.request.per_scene is not None
        together = self._together(names)
        if quota is not None:
            drawn = np.zeros_like(quota)
            for rows in together:
                drawn[rows] = self.sampler.pool(quota[rows], by_scene=by_scene)
            found = self.proposer.choose(found, drawn[_places(names, found.batch.scene_name)])
        questions = self.proposer.write(found)
        if quota is not None:
            places = [[name] for name in names] if by_scene else [[names[k] for k in rows] for rows in together]
            wanted = quota if by_scene else np.stack([quota[rows].sum(axis=0) for rows in together])
            questions = self._shared(self.sampler.choose(questions, places, wanted))
        frame_set = pl.coalesce("frame_set_id", pl.lit(self.request.frame_set_id, pl.String))
        n_questions = self.drafts.put(work.number, questions.with_columns(frame_set_id=frame_set))
        of_types = dict(questions["question_type"].value_counts().iter_rows())
        return Result(work.number, len(names), available, n_questions, refusals, of_types)

    def _together(self, names: list[str]) -> list[list[int]]:
        """Rows of the scenes that share a quota: all of a batch, or those of each collection with a share."""
        if not self.request.collections:
            return [list(range(len(names)))]
        groups: dict[str | None, list[int]] = {}
        for row, name in enumerate(names):
            groups.setdefault(self.store.collections[name], []).append(row)
        return list(groups.values())

    def _shared(self, questions: pl.DataFrame) -> pl.DataFrame:
        """Say of every question how large the share of its collection is."""
        if not self.request.collections:
            return questions
        words = {
            name: f"collection '{name}' has {share:.4g} of all questions" for name, share in self.request.collections
        }
        of_scene = {scene: words.get(name or "") for scene, name in self.store.collections.items()}
        text = pl.col("scene_name").replace_strict(of_scene, default=None, return_dtype=pl.String)
        chosen_by = [pl.col("chosen_by")] if "chosen_by" in questions.columns else []
        return questions.with_columns(chosen_by=pl.concat_str([*chosen_by, text], separator="; ", ignore_nulls=True))

    def shard(self, shard: Shard) -> int:
        """Write the questions of some batches, shuffled; return how many there are."""
        request = self.request
        return write_shard(self.drafts, shard, self._cells, request.sampler, seed=request.seed, round=request.round)

    @cached_property
    def _cells(self) -> list[CellChoice]:
        return list(explain_cells(self.sampler))

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

    def _find(self, work: Work) -> tuple[Found, Refusals]:
        """Find the candidates of some scenes; a scene that cannot be read becomes a reject."""
        self.store.expect(work.names)
        facts: list[Facts] = []
        refusals = Refusals(self.all_rejects)
        for name in work.names:
            try:
                facts.append(self._facts(name))
            except QAEngineError as error:
                refusals.add((name, "", "", Reason.BAD_SCENE, str(error)))
        found = self.proposer.find(facts)
        names = found.batch.scene_name
        for task, part in zip(self.proposer.tasks, found.found, strict=True):
            for reject in part.rejects:
                detail = reject.detail if reject.n == 1 else f"{reject.n} candidates"
                row = (names[reject.scene], task.question_type, reject.item, reject.reason, detail)
                refusals.add(row, reject.n)
        found, dropped = self.proposer.without(found, work.asked)
        for k, t in np.argwhere(dropped).tolist():
            n = int(dropped[k, t])
            kind = self.proposer.tasks[t].question_type
            refusals.add((names[k], kind, "", Reason.ASKED_BEFORE, f"{n} candidates"), n)
        return found, refusals


def _places(names: list[str], some: list[str]) -> Rows:
    """Places of `some` names among all."""
    place = {name: k for k, name in enumerate(names)}
    return np.array([place[name] for name in some], dtype=np.int64)
