"""What a sampler is: weights over (question type x cell), their reasons, and a choice among a cell's candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from qa_engine.arrays import Array, Rows

if TYPE_CHECKING:
    from qa_engine.tasks import Task

FLOOR = 0.05
"""Weight before normalisation that every cell keeps, however easy or hard: what is never asked stays
unknown."""

_COUNTS = ("n", "n_easy", "n_frontier", "n_hard", "n_suspect")
_MEANS = ("mean_corrected", "mean_learnability", "mean_blind", "mean_headroom")

ROUND_DECAY = 0.5
"""What a question counts per round that has passed since it was asked."""


@dataclass(frozen=True)
class Cells:
    """The cells of some question types, in the order of the types.

    Attributes
    ----------
    names : tuple of (question type, cell)
    types : (k,) int64
        Number of the question type that each cell belongs to.

    Examples
    --------
    >>> from qa_engine.tasks import select_tasks
    >>> cells = Cells.of(select_tasks(["object_counting", "room_size_estimation"]))
    >>> cells.names[0], cells.types.tolist(), cells.even.tolist()[:2]
    (('object_counting', 'count:2'), [0, 0, 0, 0, 1, 1, 1, 1], [0.125, 0.125])
    """

    names: tuple[tuple[str, str], ...]
    types: Rows

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Cells:
        """List the cells of tasks."""
        names = tuple((task.question_type, cell) for task in tasks for cell in task.knob.cells)
        return cls(names, np.repeat(np.arange(len(tasks)), [len(task.knob.labels) for task in tasks]))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def even(self) -> Array:
        """Weights with which question types share alike, and cells alike within a type, (k,)."""
        sizes = np.bincount(self.types)
        return 1 / (len(sizes) * sizes[self.types])


@dataclass(frozen=True)
class CleanMeans:
    """What clean passes tell of cells, pooled over scenes and rounds, newer rounds first; NaN where nothing is known.

    Attributes
    ----------
    n : (k,) float64
        Questions answered, older rounds counted less.
    corrected, learnability, blind, headroom : (k,) float64
        Means of the columns of `feedback`.
    n_panel, progress, progress_se : (k,) float64
        Learning progress of the newest round, its standard error, and the panel questions behind it.
    """

    n: Array
    corrected: Array
    learnability: Array
    blind: Array
    headroom: Array
    n_panel: Array
    progress: Array
    progress_se: Array


@dataclass(frozen=True)
class Past:
    """What earlier rounds left behind.

    Attributes
    ----------
    feedback : DataFrame or None
        Table `feedback`.
    answered : DataFrame or None
        Earlier questions with the learner's confidence in each, for a sampler with `reads_answers`.
    state : mapping
        What the sampler of the round before returned from `state`; empty in the first round.
    asked : DataFrame or None
        Columns `scene_name` and `signature` of questions that are not asked again.
    """

    feedback: pl.DataFrame | None = None
    answered: pl.DataFrame | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    asked: pl.DataFrame | None = None

    def counts(self, cells: Cells, *, decay: float = 1.0) -> Array:
        """Sum the feedback per cell over scenes and rounds.

        Parameters
        ----------
        cells : Cells
        decay : float
            What a round counts of what the next one does.

        Returns
        -------
        (k, 5) float64
            Questions asked, easy, at the frontier, hard, suspect; zeros without feedback.
        """
        if self.feedback is None:
            return np.zeros((len(cells), len(_COUNTS)))
        weighted = [pl.col(name).fill_null(0) * pl.lit(decay).pow(_AGE) for name in _COUNTS]
        pooled = self.feedback.with_columns(weighted).group_by("question_type", "cell").agg(pl.col(_COUNTS).sum())
        asked = {(row[0], row[1]): row[2:] for row in pooled.select("question_type", "cell", *_COUNTS).iter_rows()}
        return np.array([asked.get(name, (0.0,) * len(_COUNTS)) for name in cells.names], dtype=np.float64)

    def scores(self, cells: Cells) -> tuple[Array, Array]:
        """Count the scored answers per cell and sum their scores, (k,) each; zeros where there are none."""
        if self.feedback is None:
            return np.zeros(len(cells)), np.zeros(len(cells))
        scored = self.feedback.filter(pl.col("mean_score").is_not_null())
        weight = pl.coalesce(pl.when(pl.col("n_clean") > 0).then("n_clean"), "n")
        pooled = scored.group_by("question_type", "cell").agg(
            n=weight.sum(), total=(weight * pl.col("mean_score")).sum()
        )
        found = {(row[0], row[1]): row[2:] for row in pooled.iter_rows()}
        both = np.array([found.get(name, (0.0, 0.0)) for name in cells.names], dtype=np.float64)
        return both[:, 0], both[:, 1]

    def clean(self, cells: Cells) -> CleanMeans | None:
        """Pool what the clean passes tell per cell; None where the feedback holds none."""
        table = None if self.feedback is None else self.feedback.filter(pl.col("n_clean").fill_null(0) > 0)
        if table is None or table.is_empty():
            return None
        table = table.with_columns(weight=pl.col("n_clean") * pl.lit(ROUND_DECAY).pow(_AGE)).sort("round")
        weight, panel = pl.col("weight"), pl.col("progress").is_not_null()
        means = [
            ((pl.col(name) * weight).sum() / weight.filter(pl.col(name).is_not_null()).sum()).alias(name)
            for name in _MEANS
        ]
        of_cell = pl.col("n_panel", "progress", "progress_se").filter(panel).last()
        pooled = table.group_by("question_type", "cell").agg(weight.sum().alias("n"), *means, of_cell)
        named = pl.DataFrame(list(cells.names), {"question_type": pl.String, "cell": pl.String}, orient="row")
        order = ("n", *_MEANS, "n_panel", "progress", "progress_se")
        found = named.join(pooled, on=["question_type", "cell"], how="left", maintain_order="left").select(order)
        columns = found.select(pl.all().cast(pl.Float64).fill_null(float("nan"))).to_numpy().T
        return CleanMeans(np.nan_to_num(columns[0]), *columns[1:])


_AGE = (pl.col("round").max() - pl.col("round")).fill_null(0)


class Sampler(ABC):
    """Decides what is asked next.

    It is made once per run and sent to the worker processes, so it keeps what `choose` needs, never the tables that
    it learned from.

    Parameters
    ----------
    cells : Cells
    past : Past
    seed : int
    explore : float, optional
        Share of the questions that is spread over types and cells alike, whatever the feedback says. Default:
        `exploration` of the sampler.
    of : str, optional
        For a control: the sampler that it is a control of.

    Attributes
    ----------
    about : str
        What it does, in one line.
    exploration : float
        Default of `explore`.
    reads_answers : bool
        Whether `Past.answered` is wanted; reading it costs a join of all earlier questions.
    notes : list of str
        What the user should hear: what could not be done and what is done instead.
    """

    about: ClassVar[str]
    exploration: ClassVar[float] = 0.0
    reads_answers: ClassVar[bool] = False

    def __init__(
        self,
        cells: Cells,
        past: Past | None = None,
        *,
        seed: int = 0,
        explore: float | None = None,
        of: str | None = None,
    ) -> None:
        past = past or Past()
        self.cells = cells
        self.seed = seed
        self.explore = self.exploration if explore is None else explore
        self.counts = past.counts(cells)
        self.notes: list[str] = []
        if past.feedback is None or not len(cells):
            alike = ["no feedback: question types alike, then cells alike"] * len(cells)
            self._weights, self._reasons = cells.even, alike
        else:
            self._weights, self._reasons = self._explored(*self.weigh(past))

    def _explored(self, weights: Array, reasons: list[str]) -> tuple[Array, list[str]]:
        """Spread the exploration share over all cells."""
        if not self.explore:
            return weights, reasons
        note = f"; {100 * self.explore:.3g}% of all questions are asked evenly to explore"
        return (1 - self.explore) * weights + self.explore * self.cells.even, [reason + note for reason in reasons]

    @abstractmethod
    def weigh(self, past: Past) -> tuple[Array, list[str]]:
        """Turn feedback into weights, (k,) and summing to 1, and the reason of each in words."""

    def weights(self) -> Array:
        """Share of the questions that each cell is meant to have, (k,); they sum to 1."""
        return self._weights

    def why(self) -> list[str]:
        """Say of each cell why it has its weight."""
        return self._reasons

    def pool(self, quota: Rows, *, by_scene: bool) -> Rows:
        """Say how many candidates `choose` wants to see, of which it keeps `quota`.

        Parameters
        ----------
        quota : (s, k) int64
            Questions per scene and cell.
        by_scene : bool
            Every scene keeps its own quota; else only the sum over scenes counts.
        """
        return quota

    def choose(self, questions: pl.DataFrame, places: Sequence[Sequence[str]], quota: Rows) -> pl.DataFrame:
        """Keep as many candidates as wanted.

        Parameters
        ----------
        questions : DataFrame
            Candidates, worded; columns of `questions`.
        places : sequence of sequence of str
            Scenes that share a row of `quota`.
        quota : (p, k) int64
            How many to keep.

        Returns
        -------
        DataFrame
            In the order given; may have the columns `EXPECTED` beside.
        """
        return questions

    def state(self) -> dict[str, Any]:
        """Say what the next round's sampler of this name should know, as JSON; it gets it as `Past.state`."""
        return {}


EXPECTED = {"predicted_confidence": pl.Float64, "predicted_frontier": pl.Float64, "chosen_by": pl.String}
"""Columns that `Sampler.choose` may add: what was expected of a question, and how it came to be chosen."""


@dataclass(frozen=True)
class CellChoice:
    """Why a cell has its weight.

    Attributes
    ----------
    question_type, cell : str
    n, n_easy, n_frontier, n_hard, n_suspect : int
        Of the feedback, pooled over scenes and rounds.
    weight : float
        Share of the questions that the cell is meant to have.
    why : str
    """

    question_type: str
    cell: str
    n: int
    n_easy: int
    n_frontier: int
    n_hard: int
    n_suspect: int
    weight: float
    why: str


def explain_cells(sampler: Sampler) -> list[CellChoice]:
    """Give the weight of each cell with the counts behind it and the reason, in the order of the cells.

    Examples
    --------
    >>> from qa_engine.generation.samplers.baseline import Baseline
    >>> from qa_engine.tasks import select_tasks
    >>> explain_cells(Baseline(Cells.of(select_tasks(["object_counting"]))))[0].why
    'no feedback: question types alike, then cells alike'
    """
    rows = zip(sampler.cells.names, sampler.counts.tolist(), sampler.weights().tolist(), sampler.why(), strict=True)
    return [
        CellChoice(kind, cell, int(n), int(easy), int(frontier), int(hard), int(suspect), weight, why)
        for (kind, cell), (n, easy, frontier, hard, suspect), weight, why in rows
    ]
