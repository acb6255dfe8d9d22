"""Sections about scenes, frames and questions: `[scenes]`, `[frames]`, `[generate]`, `[gates]`."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from qa_loop.sections.base import OWNED_OPTIONS, Options, Section

SCENE_FLAGS = {
    "annotations": "--annotations",
    "frames_dir": "--frames-dir",
    "scenes": "--scenes",
    "frames": "--frames-per-scene",
    "size": "--size",
    "first_scene": "--first-scene",
}
"""Keys of [scenes] that some data sets have, with their option of `qa-engine ingest`; the engine knows which."""

QUESTION_OPTIONS = ("profile", "frame-set", "screen", "min-visible-px", "min-time-gap-s")
"""Options of `qa-engine generate` that say what a question is; the others say who asks and what is chosen."""

OF_THE_ROUND = ("base", "current")
"""Models of a proposer that the loop knows: that of [train] before training, and that of the round before."""

Gate = Literal["duplicate", "unanswerable", "suspect", "trivial", "blind"]
"""Gates of the engine; `qa-engine gates` says what each refuses."""


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


class DataSet(ScenesSection):
    """`[scenes]` or `[[scenes]]` of a run: one of several data sets, with its name and its share of the questions.

    Scenes of several come to one store. A rescan of a place that an earlier entry has comes to the split of that place,
    so that it stands in one split whatever `split` says. Without shares scenes are asked alike.
    """

    name: str | None = Field(default=None, pattern="^[a-z0-9][a-z0-9_-]{0,63}$")
    share: float | None = Field(default=None, gt=0, le=1)

    @property
    def called(self) -> str:
        """Its name: that of the data set where it has none of its own."""
        return self.name or self.dataset

    def overlaps(self, other: DataSet) -> bool:
        """Tell whether both surely hold the same scenes; of other folders only the engine knows."""
        if (self.dataset, self.root, self.frames_dir) != (other.dataset, other.root, other.frames_dir):
            return False
        if self.root is not None:
            return not self.only or not other.only or bool({*self.only} & {*other.only})
        if self.seed != other.seed or self.scenes is None or other.scenes is None:
            return False
        first, second = self.first_scene or 0, other.first_scene or 0
        return first < second + other.scenes and second < first + self.scenes


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

    use: list[Gate] = list(get_args(Gate))
    offer: float = Field(default=1.25, ge=1, le=20)
    options: Options = {}
