"""The proposer without a model: enumerates candidates per scene as arrays and words those that are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from qa_engine.facts import Facts
from qa_engine.proposers.wording import References, scene_signatures, word_questions
from qa_engine.seeding import scene_rng
from qa_engine.tables import QUESTIONS
from qa_engine.tasks import Task
from qa_engine.tasks.base import Candidates, Rows


@dataclass(frozen=True)
class SceneCandidates:
    """All candidates of one scene.

    Attributes
    ----------
    facts : Facts
    found : list of Candidates
        One per task.
    cells : list of (n,) int64
        Cell of each candidate within its task.
    """

    facts: Facts
    found: list[Candidates]
    cells: list[Rows]


class TemplateProposer:
    """Candidates and questions of the given tasks.

    Parameters
    ----------
    tasks : sequence of Task
    seed, round : int
        Decide which combinations are drawn and in which order options are listed.
    """

    def __init__(self, tasks: Sequence[Task], *, seed: int, round: int) -> None:
        self.tasks = list(tasks)
        self.seed = seed
        self.round = round
        self.n_cells = [len(task.knob.labels) for task in self.tasks]

    def find(self, facts: Facts) -> SceneCandidates:
        """Enumerate the candidates of a scene."""
        name = facts.scene.scene_name
        found = [
            task.find(facts, partial(scene_rng, self.seed, name, f"{task.question_type}/find", self.round))
            for task in self.tasks
        ]
        cells = [task.knob.index(part.knob) for task, part in zip(self.tasks, found, strict=True)]
        return SceneCandidates(facts, found, cells)

    def counts(self, scene: SceneCandidates) -> Rows:
        """Count the candidates per cell, all tasks' cells in a row."""
        parts = [np.bincount(cell, minlength=n) for cell, n in zip(scene.cells, self.n_cells, strict=True)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def choose(self, scene: SceneCandidates, quota: Rows | None) -> SceneCandidates:
        """Draw as many candidates per cell as `quota` says; all of them for None."""
        if quota is None:
            return scene
        found, cells, start = [], [], 0
        for task, part, cell, n in zip(self.tasks, scene.found, scene.cells, self.n_cells, strict=True):
            wanted = quota[start : start + n]
            start += n
            rng = scene_rng(self.seed, scene.facts.scene.scene_name, f"{task.question_type}/choose", self.round)
            order = rng.permutation(len(part))
            ranked = order[np.argsort(cell[order], kind="stable")]
            sizes = np.bincount(cell, minlength=n)
            place = np.arange(len(part)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            rows = np.sort(ranked[place < np.repeat(wanted, sizes)])
            found.append(part.take(rows))
            cells.append(cell[rows])
        return SceneCandidates(scene.facts, found, cells)

    def without(self, scene: SceneCandidates, signatures: pl.Series) -> tuple[SceneCandidates, list[int]]:
        """Drop the candidates whose signature is among those given; also return how many, per task."""
        found, cells, dropped = [], [], []
        for task, part, cell in zip(self.tasks, scene.found, scene.cells, strict=True):
            asked = scene_signatures(task, scene.facts, part).is_in(signatures.implode()).to_numpy()
            rows = np.flatnonzero(~asked)
            found.append(part.take(rows))
            cells.append(cell[rows])
            dropped.append(int(asked.sum()))
        return SceneCandidates(scene.facts, found, cells), dropped

    def write(self, scenes: Sequence[SceneCandidates]) -> pl.DataFrame:
        """Word the candidates of some scenes, in the order of tasks, scenes and candidates."""
        references = References([scene.facts for scene in scenes])
        tables = []
        for k, task in enumerate(self.tasks):
            parts = [scene.found[k] for scene in scenes]
            if not any(len(part) for part in parts):
                continue
            tables.append(
                word_questions(
                    task,
                    parts,
                    np.concatenate([scene.cells[k] for scene in scenes]),
                    references,
                    seed=self.seed,
                    round=self.round,
                )
            )
        return pl.concat(tables) if tables else pl.DataFrame(schema=QUESTIONS)
