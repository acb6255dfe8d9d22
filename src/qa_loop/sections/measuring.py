"""Sections about what is measured and when a run ends: `[[eval]]`, `[stop]`, `[guard]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from qa_loop.sections.base import Options, Section


class EvalSection(Section):
    """`[eval]` or `[[eval]]`: a fixed question set, drawn before round 1, and what is measured on it.

    The first entry is the main one. `questions` is a table or a benchmark's published file in place of drawn questions.
    `scenes` is the name of the one `[[scenes]]` that they are drawn from; default: all of them alike.
    """

    name: str = Field(default="eval", pattern="^[a-z0-9][a-z0-9_-]*$")
    questions: str | None = None
    store: str | None = None
    benchmark: str | None = None
    parser: str | None = None
    scenes: str | None = None
    split: str | None = None
    in_sample: bool = False
    per_scene: int | None = Field(default=None, ge=1)
    count: int | None = Field(default=None, ge=1)
    every: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    batch_size: int = Field(default=8, ge=1)
    runners: list[Literal["blind", "majority", "oracle"]] | None = None
    blind_every_round: bool = False
    options: Options = {}

    @model_validator(mode="after")
    def _one_source(self) -> EvalSection:
        sizes = [name for name in ("per_scene", "count") if getattr(self, name) is not None]
        if self.questions is None and len(sizes) != 1:
            raise ValueError("give per_scene or count, one of the two, or a file of questions")
        named = [name for name in ("scenes", "split") if getattr(self, name) is not None]
        drawn = [*sizes, *named, *(["in_sample"] * self.in_sample)]
        if self.questions is not None and drawn:
            raise ValueError(f"{drawn[0]} is for questions that are drawn; with questions = '...' remove it")
        if self.store is not None and self.questions is None:
            raise ValueError("store goes with questions = '...'; drawn questions are about the run's own store")
        return self


class StopSection(Section):
    """`[stop]`: when a run ends before its last round, and which evaluation names the best one.

    `on` is an evaluation on the split `val`, or one with questions of its own. The run stops after `patience` rounds
    that do not gain `min_gain` (0 to 1) over the best, or when `samples` trained on, `hours`, or `flops` are spent:
    floating-point operations of training and of every pass of a model, as the trainer estimates them.
    """

    on: str | None = None
    patience: int = Field(default=1, ge=1)
    min_gain: float = Field(default=0.001, ge=0, lt=1)
    samples: int | None = Field(default=None, ge=1)
    hours: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    flops: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _has_a_reason(self) -> StopSection:
        if self.on is None and self.samples is None and self.hours is None and self.flops is None:
            raise ValueError("give on = the name of an [[eval]] on split 'val', samples, hours, or flops")
        return self


class GuardSection(Section):
    """`[guard]`: a small set of general questions that every round answers; a drop is a warning, or ends the run.

    Form `questions` is what the benchmark reads; form `trl` has `messages`, or `prompt` and `completion`: one question
    in text, whose answer is a number, or a letter where its last lines are options.
    """

    questions: str
    form: Literal["questions", "trl"] = "questions"
    store: str | None = None
    benchmark: str = "questions"
    parser: str | None = None
    batch_size: int = Field(default=8, ge=1)
    stop: bool = False
    options: Options = {}

    @model_validator(mode="after")
    def _conversations_are_rows(self) -> GuardSection:
        if self.form == "trl" and self.benchmark != "questions":
            raise ValueError("form = 'trl' is scored by benchmark = 'questions'; remove one of the two")
        return self
