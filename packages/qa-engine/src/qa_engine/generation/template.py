"""The proposer without a model: enumerates candidates as arrays, many scenes at once, and words those chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from qa_contract.tables import DETAILS, QUESTIONS

from qa_engine.arrays import Rows
from qa_engine.checks import Reason, first_broken
from qa_engine.facts.batch import Batch
from qa_engine.facts.scene import Facts
from qa_engine.seeding import scene_rng
from qa_engine.tasks import Task
from qa_engine.tasks.base import Candidates, Draw
from qa_engine.tasks.certainty import hold_everywhere, too_wide
from qa_engine.tasks.references import References
from qa_engine.tasks.screening import not_visible
from qa_engine.tasks.wording import signatures, word_questions


@dataclass(frozen=True)
class Found:
    """All candidates of some scenes.

    Attributes
    ----------
    batch : Batch
    found : list of Candidates
        One per task.
    cells : list of (n,) int64
        Cell of each candidate within its task.
    """

    batch: Batch
    found: list[Candidates]
    cells: list[Rows]


class TemplateProposer:
    """Candidates and questions of the given tasks.

    Parameters
    ----------
    tasks : sequence of Task
    seed, round : int
        Decide which combinations are drawn and in which order options are listed.
    frame_set_id : str, optional
        Frames that have to show what a question asks about.
    reference : str
        A name in `REFERENCES`: what questions call an object.
    paraphrase : bool
        Draw among the wordings of each task.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        *,
        seed: int,
        round: int,
        frame_set_id: str | None = None,
        reference: str = "name",
        paraphrase: bool = False,
    ) -> None:
        self.tasks = list(tasks)
        self.reference = reference
        self.paraphrase = paraphrase
        self.frame_set_id = frame_set_id
        self.seed = seed
        self.round = round
        self.n_cells = [len(task.knob.labels) for task in self.tasks]

    def find(self, facts: Sequence[Facts]) -> Found:
        """Enumerate the candidates of some scenes."""
        batch = Batch(facts, self.frame_set_id, self.reference)
        batch.prefetch_distances()
        found = [task.find(batch, self._draw(batch, f"{task.question_type}/find")) for task in self.tasks]
        if (batch.doubt > 1).any():
            found = [_within_error(task, batch, part) for task, part in zip(self.tasks, found, strict=True)]
        if batch.in_doubt.any():
            found = [_everywhere(task, batch, part) for task, part in zip(self.tasks, found, strict=True)]
        if self.frame_set_id is not None:
            found = [_visible(task, batch, part) for task, part in zip(self.tasks, found, strict=True)]
        cells = [task.knob.index(part.knob) for task, part in zip(self.tasks, found, strict=True)]
        return Found(batch, found, cells)

    def _draw(self, batch: Batch, purpose: str) -> Draw:
        return lambda k: scene_rng(self.seed, batch.scene_name[k], purpose, self.round)

    def counts(self, found: Found) -> Rows:
        """Count the candidates per scene and cell, (s, k), all tasks' cells in a row."""
        s = len(found.batch)
        parts = [
            np.bincount(part.scene * n + cell, minlength=s * n).reshape(s, n)
            for part, cell, n in zip(found.found, found.cells, self.n_cells, strict=True)
        ]
        return np.concatenate(parts, axis=1) if parts else np.zeros((s, 0), dtype=np.int64)

    def choose(self, found: Found, quota: Rows) -> Found:
        """Draw as many candidates per scene and cell as `quota` (s, k) says."""
        chosen = []
        edges = np.cumsum([0, *self.n_cells])
        for k, (task, part, cell) in enumerate(zip(self.tasks, found.found, found.cells, strict=True)):
            wanted = quota[:, edges[k] : edges[k + 1]]
            draw = self._draw(found.batch, f"{task.question_type}/choose")
            starts = np.searchsorted(part.scene, np.arange(len(found.batch) + 1))
            rows = [
                starts[s] + _choose(cell[starts[s] : starts[s + 1]], wanted[s], draw(s))
                for s in np.flatnonzero(wanted.any(axis=1)).tolist()
            ]
            chosen.append(np.concatenate([np.zeros(0, dtype=np.int64), *rows]))
        return _take(found, chosen)

    def without(self, found: Found, asked: pl.Series) -> tuple[Found, Rows]:
        """Drop the candidates whose signature was asked before; also return how many, (s, tasks)."""
        dropped = np.zeros((len(found.batch), len(self.tasks)), dtype=np.int64)
        if len(asked) == 0:
            return found, dropped
        old = asked.implode()
        references = References(found.batch)
        kept = []
        for k, (task, part) in enumerate(zip(self.tasks, found.found, strict=True)):
            again = np.zeros(len(part), dtype=bool)
            for variant, rows in _variants(task, part):
                roles = part.roles[rows, : len(variant.roles)]
                again[rows] = signatures(variant, part.scene[rows], roles, references).is_in(old).to_numpy()
            kept.append(np.flatnonzero(~again))
            dropped[:, k] = np.bincount(part.scene[again], minlength=len(found.batch))
        return _take(found, kept), dropped

    def write(self, found: Found) -> pl.DataFrame:
        """Word the candidates, in the order of tasks, scenes and candidates."""
        references = References(found.batch)
        tables = []
        for task, part, cells in zip(self.tasks, found.found, found.cells, strict=True):
            worded = [
                word_questions(
                    variant,
                    part.take(rows),
                    cells[rows],
                    references,
                    seed=self.seed,
                    round=self.round,
                    paraphrase=self.paraphrase,
                )
                for variant, rows in _variants(task, part)
            ]
            if len(worded) > 1:  # in the order of the candidates again
                order = np.argsort(np.concatenate([rows for _, rows in _variants(task, part)]))
                worded = [pl.concat(worded)[order]]
            tables += worded
        return pl.concat(tables) if tables else pl.DataFrame(schema=dict(QUESTIONS) | dict(DETAILS))


def _variants(task: Task, part: Candidates) -> list[tuple[Task, Rows]]:
    """Split candidates by the variant of the task that words them; variants without candidates are left out."""
    if not task.variants or part.variant is None:
        return [(task, np.arange(len(part)))] if len(part) else []
    rows = [np.flatnonzero(part.variant == k) for k in range(len(task.variants))]
    return [(variant, own) for variant, own in zip(task.variants, rows, strict=True) if len(own)]


def _visible(task: Task, batch: Batch, part: Candidates) -> Candidates:
    """Refuse the candidates about what the frames do not show."""
    kept, rejects = first_broken(part.scene, [(Reason.NOT_VISIBLE, not_visible(task, batch, part))])
    return replace(part.take(kept), rejects=part.rejects + rejects) if rejects else part


def _within_error(task: Task, batch: Batch, part: Candidates) -> Candidates:
    """Heed that some boxes are less sure than answers allow for: widen the bounds of numbers, refuse choices.

    How a choice depends on the error is the task's own affair, and it was told of the usual noise only.
    """
    if len(part) == 0:
        return part
    named = part.roles[:, task.roles_of_kind("name")]
    doubt = np.append(batch.doubt, 1.0)[named].max(axis=1, initial=1.0)  # -1 stands for a role that is not used
    if task.is_number:
        own = part.answers
        low, high = own.value - (own.value - own.low) * doubt, own.value + (own.high - own.value) * doubt
        part = replace(part, answers=replace(own, low=np.where(own.low >= 0, np.maximum(low, 0), low), high=high))
        unsure = (doubt > 1) & too_wide(part.answers)
    else:
        unsure = doubt > 1
    kept, rejects = first_broken(part.scene, [(Reason.BOX_UNSURE, unsure)])
    return replace(part.take(kept), rejects=part.rejects + rejects) if rejects else part


def _everywhere(task: Task, batch: Batch, part: Candidates) -> Candidates:
    """Heed that vertical or scale of a scene may be off: widen the bounds of numbers, refuse what flips."""
    unsure = np.zeros(len(part), dtype=bool)
    answers = part.answers
    for variant, rows in _variants(task, part):
        roles = part.roles[rows, : len(variant.roles)]
        own, unsure[rows] = hold_everywhere(variant, batch, part.scene[rows], roles, answers.take(rows))
        answers = answers.put(rows, own)
    if task.is_number:
        unsure |= batch.in_doubt[part.scene] & too_wide(answers)
    kept, rejects = first_broken(part.scene, [(Reason.SCENE_UNSURE, unsure)])
    return replace(part, answers=answers, rejects=part.rejects + rejects).take(kept)


def _choose(cell: Rows, wanted: Rows, rng: np.random.Generator) -> Rows:
    """Draw `wanted` candidates of each cell, ascending."""
    order = rng.permutation(len(cell))
    ranked = order[np.argsort(cell[order], kind="stable")]
    sizes = np.bincount(cell, minlength=len(wanted))
    place = np.arange(len(cell)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(ranked[place < np.repeat(wanted, sizes)])


def _take(found: Found, rows: Sequence[Rows]) -> Found:
    """Keep some candidates of each task."""
    return Found(
        found.batch,
        [part.take(kept) for part, kept in zip(found.found, rows, strict=True)],
        [cell[kept] for cell, kept in zip(found.cells, rows, strict=True)],
    )
