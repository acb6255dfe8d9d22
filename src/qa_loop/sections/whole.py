"""The whole of `loop.toml`: its sections, and what holds between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from qa_loop.sections.asking import DataSet, FramesSection, GatesSection, GenerateSection
from qa_loop.sections.base import Section
from qa_loop.sections.measuring import EvalSection, GuardSection, StopSection
from qa_loop.sections.running import RunSection, ServeSection
from qa_loop.sections.training import ConfidenceSection, TrainSection

LETTERS = (
    "Every target of {} is a letter: training on short answers alone is known to damage general ability within a few "
    "steps. Mix in other answers, or general data by share."
)
"""What to say of rounds whose questions are all choices."""


class LoopConfig(Section):
    """A whole configuration, with every default filled in and every path absolute."""

    run: RunSection
    scenes: list[DataSet] = Field(min_length=1)
    frames: FramesSection | None = None
    generate: GenerateSection = GenerateSection()
    train: TrainSection
    gates: GatesSection | None = None
    confidence: ConfidenceSection = ConfidenceSection()
    eval: list[EvalSection] = Field(min_length=1)
    stop: StopSection | None = None
    guard: GuardSection | None = None
    serve: ServeSection | None = None

    @field_validator("scenes", "eval", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, dict) else value

    @field_validator("scenes")
    @classmethod
    def _data_sets_are_told_apart(cls, scenes: list[DataSet]) -> list[DataSet]:
        shares = [one.share for one in scenes if one.share is not None]
        if shares and len(shares) < len(scenes):
            raise ValueError("give every [[scenes]] a share, or none: then scenes are asked alike")
        if shares and abs(sum(shares) - 1) > 1e-6:
            parts = " + ".join(f"{share:g}" for share in shares)
            raise ValueError(f"the shares must add up to 1, found {parts} = {sum(shares):g}")
        for k, one in enumerate(scenes):
            for before in scenes[:k]:
                if before.called == one.called:
                    raise ValueError(
                        f"two entries are called '{one.called}': give each a name of its own, name = '...'"
                    )
                if one.overlaps(before):
                    raise ValueError(
                        f"'{before.called}' and '{one.called}' hold the same scenes of '{one.dataset}'; tell them "
                        + ("apart by only" if one.root is not None else "apart by first_scene or seed")
                    )
        return scenes

    @model_validator(mode="after")
    def _held_out_unless_said(self) -> LoopConfig:
        names = [entry.name for entry in self.eval]
        if len({*names, "guard"}) < len(names) + 1:
            raise ValueError("every [[eval]] needs a name of its own, other than 'guard'")
        for entry in self.eval:
            if entry.questions is not None:
                continue
            known = [one.called for one in self.scenes]
            if entry.scenes is not None and entry.scenes not in known:
                raise ValueError(f"eval.scenes is '{entry.scenes}', which is no [[scenes]]; valid: {', '.join(known)}")
            split = self.split_of(entry)
            if entry.in_sample and split != self.generate.split:
                raise ValueError(
                    f"eval.in_sample = true asks about the training split '{self.generate.split}', "
                    f"but eval.split is '{entry.split}'; remove one of the two"
                )
            if not entry.in_sample and split == self.generate.split:
                raise ValueError(
                    f"eval.split and generate.split are both '{self.generate.split}': scores would not be held out. "
                    "Choose another split, or say eval.in_sample = true (a plumbing check, no result)"
                )
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> LoopConfig:
        if self.gates is not None and not self.confidence.calibrated:
            needs = [name for name in ("suspect", "trivial", "blind") if name in self.gates.use]
            if needs:
                raise ValueError(
                    f"gates.use has '{needs[0]}', which judges by clean passes: set confidence.profile = 'calibrated', "
                    "or use = ['duplicate', 'unanswerable']"
                )
        if self.gates is not None and not self.generate.by_template and self.gates.offer > 1:
            raise ValueError(
                "gates.offer is for questions from templates, and models alone write them: set offer = 1, or add a "
                "[[generate.proposer]] with name = 'template'"
            )
        if not self.confidence.calibrated and not any(stage.method == "sft" for stage in self.train.stages):
            raise ValueError(
                f"confidence.profile is '{self.confidence.profile}', which reads the forward pass of supervised "
                "training, and no stage of [train] is method = 'sft'; set confidence.profile = 'calibrated'"
            )
        if self.confidence.calibrated and self.confidence.options:
            raise ValueError("confidence.options are of 'qa-confidence label'; profile 'calibrated' takes none")
        return self

    @model_validator(mode="after")
    def _stops_on_what_is_no_test(self) -> LoopConfig:
        if self.stop is None or self.stop.on is None:
            return self
        entries = {entry.name: entry for entry in self.eval}
        if self.stop.on not in entries:
            raise ValueError(f"stop.on is '{self.stop.on}', which is no [[eval]]; valid: {', '.join(entries)}")
        entry = entries[self.stop.on]
        if entry.questions is None and self.split_of(entry) != "val":
            raise ValueError(
                f"stop.on is '{self.stop.on}', drawn from split '{self.split_of(entry)}': a round chosen by it could "
                "not be scored on it. Add an [[eval]] with split = 'val' and name that"
            )
        if entry.every != 1:
            raise ValueError(f"stop.on is '{self.stop.on}', which is scored every {entry.every} rounds; set every = 1")
        return self

    @property
    def shares(self) -> str | None:
        """Shares of the data sets as `--collections` takes them; None where scenes are asked alike."""
        return ",".join(f"{one.called}={one.share:g}" for one in self.scenes if one.share is not None) or None

    def served(self, what: str) -> bool:
        """Tell whether `eval`, `passes` or `proposer` asks the server of the run."""
        return self.serve is not None and what in self.serve.use

    @property
    def gating(self) -> GatesSection | None:
        """Gates of the run: those of the file, or all of them with profile `calibrated`."""
        if self.gates is None and self.confidence.calibrated:
            return GatesSection(offer=1.25 if self.generate.by_template else 1.0)
        return self.gates

    @property
    def main_eval(self) -> EvalSection:
        """The evaluation that the result is about."""
        return self.eval[0]

    def split_of(self, entry: EvalSection) -> str:
        """Split that an evaluation is drawn from: `test`, or the training split where `in_sample` is said."""
        return entry.split or (self.generate.split if entry.in_sample else "test")

    @property
    def cautions(self) -> list[str]:
        """What the configuration may do and probably should not: a model is trained on images and shown video."""
        if any(_shows_video(stage.options) for stage in self.train.stages):
            return []
        asked = [
            *((entry.name, entry.options) for entry in self.eval),
            *([("guard", self.guard.options)] if self.guard else []),
        ]
        shown = [name for name, options in asked if _shows_video(options)]
        if not shown or self.frames is None:
            return []
        return [
            f"Training shows frames as images, and {', '.join(shown)} as video: the model meets another kind of input "
            "than it was trained on, and the scores tell of both. Set frame_input = 'images' there, or 'video' in the "
            "options of [train], too."
        ]

    @property
    def eval_split(self) -> str:
        """Split of the main evaluation."""
        return self.split_of(self.main_eval)

    @property
    def questions_per_round(self) -> int:
        """Every question of a round is trained on once by each stage."""
        mixed = self.train.replay + sum(source.share for source in self.train.general)
        sizes = [
            (stage.steps or 0) * (stage.batch_size or 0) * (1 - mixed if stage.method == "sft" else 1)
            for stage in self.train.stages
        ]
        return math.ceil(max(sizes) - 1e-9)


def _shows_video(options: Mapping[str, Any]) -> bool:
    """Tell whether the options of a stage show frames as a video."""
    return (options.get("frame_input") or options.get("frame-input")) == "video"
