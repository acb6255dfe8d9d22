"""Sections about what is learned: `[train]` with its stages and further data, and `[confidence]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from qa_loop.sections.base import Options, Section


class TrainStage(Section):
    """`[[train.stage]]`: one of several kinds of training in a round; what it leaves out is as in `[train]`."""

    method: Literal["sft", "grpo"]
    steps: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    learning_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    launch: str | None = None
    options: Options = {}


class GeneralData(Section):
    """`[[train.general]]`: rows that are no questions of the loop, mixed in by share."""

    name: str = Field(min_length=1)
    share: float = Field(gt=0, lt=1)
    data: str
    images: str | None = None


class TrainSection(Section):
    """`[train]`: one round of training. A round asks `steps x batch_size` questions, each trained on once.

    With several stages each of them trains on the round's questions, which are as many as the largest takes. `replay`
    is the share of rows that come from the questions of earlier rounds, `general` that of other data; they stand in
    place of questions of the round.
    """

    model: str = Field(min_length=1)
    method: Literal["sft", "grpo"] = "sft"
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    schedule: Literal["constant", "linear", "cosine", "polynomial", "inverse_sqrt"] | None = None
    launch: str | None = None
    replay: float = Field(default=0.0, ge=0, lt=1)
    general: list[GeneralData] = []
    stage: list[TrainStage] = []
    options: Options = {}

    @model_validator(mode="after")
    def _shares_leave_room(self) -> TrainSection:
        mixed = self.replay + sum(source.share for source in self.general)
        if mixed >= 1:
            raise ValueError(f"replay and the shares of general add up to {mixed:g}: nothing is left for new questions")
        names = [source.name for source in self.general]
        if len({*names, "new", "replay"}) < len(names) + 2:
            raise ValueError("every entry of general needs a name of its own, other than 'new' and 'replay'")
        if mixed and not any(stage.method == "sft" for stage in self.stages):
            raise ValueError("replay and general are for method sft; grpo trains on the round's questions alone")
        if self.schedule and not any(stage.method == "sft" for stage in self.stages):
            raise ValueError("schedule is for method sft; grpo has a constant learning rate")
        return self

    @property
    def stages(self) -> list[TrainStage]:
        """Every stage with its values filled in; one where `[train]` has no further ones."""
        own = {"method": self.method, "steps": self.steps, "batch_size": self.batch_size, "launch": self.launch}
        own |= {"learning_rate": self.learning_rate}
        given = self.stage or [TrainStage(method=self.method)]
        filled = []
        for stage in given:
            values = {name: value for name, value in stage.model_dump().items() if value is not None}
            options = {**(self.options if not self.stage or stage.method == self.method else {}), **stage.options}
            filled.append(TrainStage.model_validate({**own, **values, "options": options}))
        return filled

    @property
    def adapts(self) -> bool:
        """Tell whether low-rank adapters are trained, so that every round starts from the same weights."""
        return bool({"lora_rank", "lora-rank"}.intersection(self.options))

    @property
    def trains_supervised(self) -> bool:
        """Tell whether a stage records the likelihood of the ground truth."""
        return any(stage.method == "sft" for stage in self.stages)

    @property
    def goes_on(self) -> bool:
        """Tell whether optimizer and schedule travel between rounds: with a single stage of supervised training."""
        return len(self.stages) == 1 and self.stages[0].method == "sft"


class ConfidenceSection(Section):
    """`[confidence]`: how answers become evidence.

    Profile `paper` and the others label the training pass. Profile `calibrated` also lets the model of the round before
    answer `panel` questions that are never trained on and `sample` candidates of the round, with and without frames.
    """

    profile: str = "paper"
    panel: int | None = Field(default=None, ge=1)
    sample: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    batch_size: int | None = Field(default=None, ge=1)
    blind: bool = True
    options: Options = {}

    @model_validator(mode="after")
    def _passes_are_calibrated(self) -> ConfidenceSection:
        given = [name for name in ("panel", "sample", "batch_size") if getattr(self, name) is not None]
        if given and not self.calibrated:
            raise ValueError(f"{given[0]} is for profile = 'calibrated', which lets the model answer questions again")
        return self

    @property
    def calibrated(self) -> bool:
        """Tell whether there are clean passes."""
        return self.profile == "calibrated"

    @property
    def n_panel(self) -> int:
        """Questions of the panel."""
        return self.panel or 256

    @property
    def n_sample(self) -> int:
        """Candidates that are answered before training."""
        return self.sample or 512
