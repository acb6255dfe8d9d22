"""What a gate is: it refuses questions that must not be trained on, each with a reason."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl
from qa_contract.tables import BIAS, CONFIDENCE, QUESTIONS

from qa_engine.scenes.store import Store

EVIDENCE = (
    *("question_id", "confidence", "score", "label", "corrected"),
    *("blind_confidence", "blind_score", "headroom", "chance", "round", "scene_name", "scene_suspect"),
)
"""Columns of `confidence` that gates read."""

BIAS_COLUMNS = ("question_id", "bias", "chance", "dropped_in")
"""Columns of `bias` that gates read."""


def _empty(*columns: str) -> pl.DataFrame:
    return pl.DataFrame(schema={name: {**QUESTIONS, **CONFIDENCE, **BIAS}[name] for name in columns})


@dataclass(frozen=True)
class Known:
    """What is known besides the questions themselves.

    Attributes
    ----------
    evidence : DataFrame
        The columns `EVIDENCE`: what clean passes say of single questions, the newest of each.
    earlier : DataFrame
        Questions asked before, with the columns of `questions`.
    asked_about : DataFrame
        Questions that the evidence may be about: the candidates, those asked before, the panel.
    bias : DataFrame
        The columns `BIAS_COLUMNS`: what an audit says of single questions.
    store : Store, optional
        For what frames show.
    """

    evidence: pl.DataFrame = field(default_factory=lambda: _empty(*EVIDENCE))
    earlier: pl.DataFrame = field(default_factory=lambda: _empty(*QUESTIONS))
    asked_about: pl.DataFrame = field(default_factory=lambda: _empty(*QUESTIONS))
    bias: pl.DataFrame = field(default_factory=lambda: _empty(*BIAS_COLUMNS))
    store: Store | None = None

    def of(self, questions: pl.DataFrame) -> pl.DataFrame:
        """Give the evidence of each question, in their order; null where there is none."""
        return questions.select("question_id").join(self.evidence, on="question_id", how="left", maintain_order="left")


@dataclass(frozen=True)
class Verdicts:
    """What a gate says of each question.

    Attributes
    ----------
    refused : Series of bool
        (n,); false where nothing is known.
    judged : Series of bool
        (n,); whether there was anything to judge by.
    detail : Series of str
        (n,); the figures behind a refusal.
    """

    refused: pl.Series
    judged: pl.Series
    detail: pl.Series

    @classmethod
    def of(cls, frame: pl.DataFrame, *, refused: pl.Expr, judged: pl.Expr, detail: pl.Expr) -> Verdicts:
        """Evaluate the three as expressions over a frame with a row per question; null is false."""
        found = frame.select(
            refused=refused.fill_null(False) & judged.fill_null(False), judged=judged.fill_null(False), detail=detail
        )
        return cls(found["refused"], found["judged"], found["detail"].cast(pl.String))


class Gate(ABC):
    """Decides what may be trained on.

    Attributes
    ----------
    about : str
        What it refuses, in one line.
    """

    about: ClassVar[str]

    @abstractmethod
    def judge(self, questions: pl.DataFrame, known: Known) -> Verdicts:
        """Say which questions are refused; columns of `questions`."""
