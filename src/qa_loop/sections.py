"""The sections of `loop.toml`: keys with their defaults, bounds and meaning."""

from __future__ import annotations

import math
import shlex
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Scalar = str | int | float | bool
Options = dict[str, Scalar | list[str | int | float]]
"""Further options of a stage command: `key = value` becomes `--key value`."""

SCENE_FLAGS = {
    "annotations": "--annotations",
    "frames_dir": "--frames-dir",
    "scenes": "--scenes",
    "frames": "--frames-per-scene",
    "size": "--size",
    "first_scene": "--first-scene",
}
"""Keys of [scenes] that some data sets have, with their option of `qa-engine ingest`; the engine knows which."""
OWNED_OPTIONS = (
    *("out", "seed", "round", "force", "store", "model", "state-from"),
    *("feedback", "exclude", "confidence", "runner", "sampler-state", "panel", "signal", "previous", "mixture"),
)
"""Options that the loop sets itself, so that a stage's `options` may not."""

GATE_NAMES = ("duplicate", "unanswerable", "suspect", "trivial", "blind")
"""Gates of the engine; `qa-engine gates` says what each refuses."""

QUESTION_OPTIONS = ("profile", "frame-set", "screen", "min-visible-px", "min-time-gap-s")
"""Options of `qa-engine generate` that say what a question is; the others say who asks and what is chosen."""

OF_THE_ROUND = ("base", "current")
"""Models of a proposer that the loop knows: that of [train] before training, and that of the round before."""

_WHY = {
    "runner": "is set by the loop; a server in place of 'transformers' is the section [serve]",
    "base-url": "is set by the loop: name the server as 'model' of a [[generate.proposer]], or start one by [serve]",
    "proposer": "is a section of its own: [[generate.proposer]] with a name and a share",
}
"""What to say of options that published recipes suggest and the loop sets itself."""


class Section(BaseModel):
    """A section of the file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    owned: ClassVar[frozenset[str]] = frozenset(OWNED_OPTIONS)

    @field_validator("options", check_fields=False)
    @classmethod
    def _options_are_free(cls, options: Options) -> Options:
        for name, value in options.items():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, float) and not math.isfinite(item):
                    raise ValueError(f"'{name}' must be a finite number, found {item}")
            if name.replace("_", "-") in cls.owned or name.replace("_", "-") in _dashed(cls):
                why = _WHY.get(name.replace("_", "-"), "is set by the loop or has a key of its own")
                raise ValueError(f"'{name}' {why}; remove it from options")
        return options


def _dashed(section: type[BaseModel]) -> set[str]:
    return {name.replace("_", "-") for name in section.model_fields}


class RunSection(Section):
    """`[run]`: what the run is called, its seed, how many rounds it has, and when a stage is ended.

    `heartbeat` is the longest silence of a stage in seconds: no CPU time and no new line in its log. `stage_timeout` is
    the longest time of a stage as a whole. A stage that was ended goes on when the run is started again.
    """

    name: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0)
    rounds: int = Field(ge=1)
    profile: Literal["paper"] | None = None
    heartbeat: float = Field(default=1800, gt=0, allow_inf_nan=False)
    stage_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class ScenesSection(Section):
    """`[scenes]`: one of `qa-engine datasets`, and what `qa-engine ingest` needs to read it."""

    dataset: str = Field(min_length=1)
    root: str | None = None
    annotations: str | None = None
    frames_dir: str | None = None
    only: list[str] = []
    scenes: int | None = Field(default=None, ge=1)
    frames: int | None = Field(default=None, ge=1)
    size: int | None = Field(default=None, ge=16)
    first_scene: int | None = Field(default=None, ge=0)
    seed: int = Field(default=0, ge=0)
    split: str | None = None
    options: Options = {}

    @field_validator("split")
    @classmethod
    def _split_is_a_partition(cls, split: str | None) -> str | None:
        if split is None:
            return None
        try:
            shares = {name.strip(): float(share) for name, share in (part.split("=") for part in split.split(","))}
        except ValueError:
            raise ValueError('write it as "train=0.6,val=0.1,test=0.3"') from None
        if unknown := set(shares) - {"train", "val", "test"}:
            raise ValueError(f"unknown split {sorted(unknown)}; valid: train, val, test")
        if not (min(shares.values()) >= 0 and abs(sum(shares.values()) - 1) <= 1e-6):  # NaN is neither
            raise ValueError(f"shares must be 0 or more and add up to 1, found {sum(shares.values()):g}")
        return split


class FramesSection(Section):
    """`[frames]`: which frames of a scene the model sees. Without the section, questions are asked on text alone.

    With `observe`, only questions are asked whose objects these frames show; that needs poses or instance images.
    """

    method: str = "uniform"
    frames: int = Field(ge=1)
    observe: bool = True


class ProposerSection(Section):
    """`[[generate.proposer]]`: who writes a share of a round's questions.

    Templates need no model. A proposer `llm` has one: `base` (that of [train] before any training), `current` (that of
    the round before), a folder written as ./folder, a hub id, or the address of a server, where it is called
    `served_as`. Its options are those of 'qa-engine propose'; templates take those of [generate], too.
    """

    owned: ClassVar[frozenset[str]] = frozenset(
        (*OWNED_OPTIONS, "base-url", "local-model", "count", "split", "tasks", "proposer")
    )

    name: Literal["template", "llm"]
    share: float = Field(gt=0, le=1)
    model: str | None = Field(default=None, min_length=1)
    served_as: str | None = Field(default=None, min_length=1)
    options: Options = {}

    @model_validator(mode="after")
    def _models_write(self) -> ProposerSection:
        if self.name == "template" and self.model is not None:
            raise ValueError("templates need no model; remove it, or set name = 'llm'")
        if self.name == "llm" and self.model is None:
            raise ValueError(
                "'llm' needs a model: 'base', 'current', a folder written as ./folder, a hub id, or a server's address"
            )
        if self.served_as is not None and not self.by_address:
            raise ValueError("served_as is the model's name on a server; write the server's address as model")
        return self

    @property
    def by_address(self) -> bool:
        """Tell whether the model is behind a server that is there already."""
        return self.model is not None and self.model.startswith(("http://", "https://"))


class GenerateSection(Section):
    """`[generate]`: the questions of every round.

    The evaluation set is drawn from templates; of `options` it takes those that say what a question is, not who asks.
    """

    owned: ClassVar[frozenset[str]] = frozenset((*OWNED_OPTIONS, "base-url"))

    tasks: list[str] = []
    split: str = "train"
    sampler: str | None = None
    explore: float | None = Field(default=None, ge=0, le=1)
    workers: int = Field(default=1, ge=1)
    proposer: list[ProposerSection] = []
    options: Options = {}

    @field_validator("proposer")
    @classmethod
    def _shares_add_up(cls, proposers: list[ProposerSection]) -> list[ProposerSection]:
        total = sum(one.share for one in proposers)
        if proposers and abs(total - 1) > 1e-6:
            parts = " + ".join(f"{one.share:g}" for one in proposers)
            raise ValueError(f"the shares must add up to 1, found {parts} = {total:g}")
        if sum(one.name == "template" for one in proposers) > 1:
            raise ValueError("'template' stands there twice; give it one share")
        return proposers

    @property
    def proposers(self) -> list[ProposerSection]:
        """Who writes the questions; templates alone where the file names nobody."""
        return self.proposer or [ProposerSection(name="template", share=1.0)]

    @property
    def by_template(self) -> bool:
        """Tell whether templates write a share; they fill up what models leave open."""
        return any(one.name == "template" for one in self.proposers)

    @property
    def evaluation_options(self) -> Options:
        """Options that say what a question is."""
        return {name: value for name, value in self.options.items() if name.replace("_", "-") in QUESTION_OPTIONS}

    @property
    def reads_labels(self) -> bool:
        """Tell whether single earlier questions with their labels are read: as exemplars, or to predict from."""
        return any(one.name == "llm" for one in self.proposers) or self.sampler == "predicted"


class GatesSection(Section):
    """`[gates]`: what of the candidates may be trained on. A round offers `offer` candidates per question."""

    use: list[Literal["duplicate", "unanswerable", "suspect", "trivial", "blind"]] = list(GATE_NAMES)
    offer: float = Field(default=1.25, ge=1, le=20)
    options: Options = {}


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


class EvalSection(Section):
    """`[eval]` or `[[eval]]`: a fixed question set, drawn before round 1, and what is measured on it.

    The first entry is the main one. `questions` is a table or a benchmark's published file in place of drawn questions.
    """

    name: str = Field(default="eval", pattern="^[a-z0-9][a-z0-9_-]*$")
    questions: str | None = None
    store: str | None = None
    benchmark: str | None = None
    parser: str | None = None
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
        drawn = [*sizes, *(name for name in ("split",) if self.split is not None), *(["in_sample"] * self.in_sample)]
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
    """`[guard]`: a small set of general questions that every round answers; a drop is a warning, or ends the run."""

    questions: str
    store: str | None = None
    benchmark: str = "questions"
    parser: str | None = None
    batch_size: int = Field(default=8, ge=1)
    stop: bool = False
    options: Options = {}


class ServeSection(Section):
    """`[serve]`: a server that the loop starts for a model, watches and ends.

    `command` is started in the run's folder with {model} and {port} filled in; it is ready when `health`, asked at that
    port, answers 200. What `use` names is asked of it: evaluations, clean passes, proposers.
    """

    command: str
    port: int | None = Field(default=None, ge=1, le=65535)
    health: str = Field(default="/v1/models", pattern="^/[!-~]*$")
    timeout: float = Field(default=900, gt=0, allow_inf_nan=False)
    use: list[Literal["eval", "passes", "proposer"]] = Field(default=["eval", "passes", "proposer"], min_length=1)

    @field_validator("command")
    @classmethod
    def _command_has_a_port(cls, command: str) -> str:
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ValueError(f"cannot be split into words ({error})") from None
        if "{port}" not in command or not words:
            raise ValueError("must say where {port} goes, as in 'vllm serve {model} --port {port}'")
        return command


class LoopConfig(Section):
    """A whole configuration, with every default filled in and every path absolute."""

    run: RunSection
    scenes: ScenesSection
    frames: FramesSection | None = None
    generate: GenerateSection = GenerateSection()
    train: TrainSection
    gates: GatesSection | None = None
    confidence: ConfidenceSection = ConfidenceSection()
    eval: list[EvalSection] = Field(min_length=1)
    stop: StopSection | None = None
    guard: GuardSection | None = None
    serve: ServeSection | None = None

    @field_validator("eval", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _held_out_unless_said(self) -> LoopConfig:
        names = [entry.name for entry in self.eval]
        if len({*names, "guard"}) < len(names) + 1:
            raise ValueError("every [[eval]] needs a name of its own, other than 'guard'")
        for entry in self.eval:
            if entry.questions is not None:
                continue
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
        asked = [
            *((entry.name, entry.options) for entry in self.eval),
            *([("guard", self.guard.options)] if self.guard else []),
        ]
        shown = [
            name for name, options in asked if (options.get("frame_input") or options.get("frame-input")) == "video"
        ]
        if not shown or self.frames is None:
            return []
        return [
            f"Training shows frames as images, and {', '.join(shown)} as video: the model meets another kind of input "
            "than it was trained on, and the scores tell of both. Set frame_input = 'images' there."
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
