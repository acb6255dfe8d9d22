"""The configuration of a run: the sections of `loop.toml`, checked before anything is started."""

from __future__ import annotations

import math
import os
import re
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from qa_contract.errors import suggest

from qa_loop.errors import QALoopError

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
    *("feedback", "exclude", "confidence", "runner"),
)
"""Options that the loop sets itself, so that a stage's `options` may not."""

QUESTION_OPTIONS = ("profile", "frame-set", "screen", "min-visible-px", "min-time-gap-s")
"""Options of `qa-engine generate` that say what a question is; the others say who asks and what is chosen."""

PROFILES: dict[str, dict[str, dict[str, Any]]] = {
    # The recipe of Ouroboros-Spatial (arXiv 2606.11719).
    "paper": {
        "run": {"rounds": 4},
        "frames": {"method": "uniform", "frames": 32},
        "train": {"steps": 100, "batch_size": 64, "learning_rate": 1e-6},
        "confidence": {"profile": "paper"},
    },
}
"""Values that `run.profile` fills in where the file is silent."""


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
                raise ValueError(f"'{name}' is set by the loop or has a key of its own; remove it from options")
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


class GenerateSection(Section):
    """`[generate]`: the questions of every round.

    The evaluation set is drawn from templates; of `options` it takes those that say what a question is, not who asks.
    """

    owned: ClassVar[frozenset[str]] = frozenset(OWNED_OPTIONS) - {"model"}  # a server's name for the proposer's model

    tasks: list[str] = []
    split: str = "train"
    workers: int = Field(default=1, ge=1)
    options: Options = {}

    @property
    def evaluation_options(self) -> Options:
        """Options that say what a question is."""
        return {name: value for name, value in self.options.items() if name.replace("_", "-") in QUESTION_OPTIONS}

    @property
    def reads_labels(self) -> bool:
        """Tell whether single earlier questions with their labels are read: as exemplars, or to predict from."""
        return self.options.get("proposer") == "llm" or self.options.get("sampler") == "predicted"


class TrainSection(Section):
    """`[train]`: one round of training. A round asks `steps x batch_size` questions, each trained on once."""

    model: str = Field(min_length=1)
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    options: Options = {}

    @property
    def adapts(self) -> bool:
        """Tell whether low-rank adapters are trained, so that every round starts from the same weights."""
        return bool({"lora_rank", "lora-rank"}.intersection(self.options))


class ConfidenceSection(Section):
    """`[confidence]`: how training predictions become easy, frontier and hard."""

    profile: str = "paper"
    options: Options = {}


class EvalSection(Section):
    """`[eval]`: the fixed question set, drawn before round 1, and what is measured on it."""

    split: str | None = None
    in_sample: bool = False
    per_scene: int | None = Field(default=None, ge=1)
    count: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    batch_size: int = Field(default=8, ge=1)
    runners: list[Literal["blind", "majority", "oracle"]] = ["blind", "majority"]
    blind_every_round: bool = False
    options: Options = {}

    @model_validator(mode="after")
    def _one_size(self) -> EvalSection:
        if (self.per_scene is None) == (self.count is None):
            raise ValueError("give per_scene or count, one of the two")
        return self


class LoopConfig(Section):
    """A whole configuration, with every default filled in and every path absolute."""

    run: RunSection
    scenes: ScenesSection
    frames: FramesSection | None = None
    generate: GenerateSection = GenerateSection()
    train: TrainSection
    confidence: ConfidenceSection = ConfidenceSection()
    eval: EvalSection

    @model_validator(mode="after")
    def _held_out_unless_said(self) -> LoopConfig:
        if self.eval.in_sample and self.eval_split != self.generate.split:
            raise ValueError(
                f"eval.in_sample = true asks about the training split '{self.generate.split}', "
                f"but eval.split is '{self.eval.split}'; remove one of the two"
            )
        if not self.eval.in_sample and self.eval_split == self.generate.split:
            raise ValueError(
                f"eval.split and generate.split are both '{self.generate.split}': scores would not be held out. "
                "Choose another split, or say eval.in_sample = true (a plumbing check, no result)"
            )
        return self

    @property
    def eval_split(self) -> str:
        """Split of the evaluation questions: `test`, or the training split where `in_sample` is said."""
        return self.eval.split or (self.generate.split if self.eval.in_sample else "test")

    @property
    def questions_per_round(self) -> int:
        """Every question of a round is trained on once."""
        return self.train.steps * self.train.batch_size


def load_config(path: Path) -> LoopConfig:
    """Read a configuration file.

    Relative paths are relative to the file. `${NAME}` in a path stands for an environment variable.

    Raises
    ------
    QALoopError
        Naming the file and the key: unknown keys, wrong values, an unset variable, a path that does not exist.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = tomllib.load(file)
    except OSError as error:
        raise QALoopError(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QALoopError(f"{path}: not a valid TOML file: {error}.") from error
    config = parse_config(raw, source=str(path))
    return _with_paths(config, path.resolve().parent, source=str(path))


def parse_config(raw: dict[str, Any], *, source: str) -> LoopConfig:
    """Check the parsed sections of a file; paths stay as they are written.

    Examples
    --------
    >>> parse_config({"run": {"name": "x", "roundz": 3}}, source="loop.toml")
    Traceback (most recent call last):
    ...
    qa_loop.errors.QALoopError: loop.toml: unknown key 'run.roundz'. Did you mean 'rounds'?
    """
    unknown = _unknown_keys(raw)
    if unknown:
        raise QALoopError("\n".join(f"{source}: {text}" for text in unknown))
    try:
        return LoopConfig.model_validate(_with_profile(raw))
    except ValidationError as error:
        raise QALoopError("\n".join(f"{source}: {_describe(item)}" for item in error.errors())) from None


def _sections() -> dict[str, type[BaseModel]]:
    """Map each section's name to its model."""
    found: dict[str, type[BaseModel]] = {}
    for name, field in LoopConfig.model_fields.items():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found[name] = part
    return found


def _unknown_keys(raw: dict[str, Any]) -> list[str]:
    sections = _sections()
    found: list[str] = []
    for name, values in raw.items():
        if name not in sections:
            found.append(f"unknown section [{name}].{suggest(name, sections)} Valid: {', '.join(sections)}.")
            continue
        if not isinstance(values, dict):
            found.append(f"'{name}' must be a section, [{name}].")
            continue
        fields = sections[name].model_fields
        found += [f"unknown key '{name}.{key}'.{suggest(key, fields)}" for key in values if key not in fields]
    return found


def _with_profile(raw: dict[str, Any]) -> dict[str, Any]:
    """Fill in what `run.profile` says and the file does not."""
    profile = raw.get("run", {}).get("profile")
    defaults = PROFILES.get(profile, {}) if isinstance(profile, str) else {}
    return {**raw, **{name: {**values, **raw.get(name, {})} for name, values in defaults.items()}}


def _describe(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    text = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        return f"{where} is missing."
    found = f" (found {item['input']!r})" if not isinstance(item["input"], dict | BaseModel) else ""
    return f"{where + ': ' if where else ''}{text}{found}."


_VARIABLE = re.compile(r"\$\{(\w+)\}")
_LOCAL_MODEL = ("./", "../", "/", "~", "$")  # a model that starts so is a folder, not a hub id


def _with_paths(config: LoopConfig, folder: Path, *, source: str) -> LoopConfig:
    """Make every path absolute and check that it is there."""
    scenes = {
        key: _existing(value, folder, where=f"{source}: scenes.{key}")
        for key in ("root", "annotations", "frames_dir")
        if (value := getattr(config.scenes, key)) is not None
    }
    train: dict[str, str] = {}
    if config.train.model.startswith(_LOCAL_MODEL):
        train["model"] = _existing(config.train.model, folder, where=f"{source}: train.model")
    return config.model_copy(
        update={
            "scenes": config.scenes.model_copy(update=scenes),
            "train": config.train.model_copy(update=train),
        }
    )


def _existing(text: str, folder: Path, *, where: str) -> str:
    for name in _VARIABLE.findall(text):
        if not os.environ.get(name):
            raise QALoopError(
                f"{where} is '{text}', but the environment variable {name} is not set. "
                f"Set it to the folder that holds the data: export {name}=/path/to/data"
            )
    expanded = _VARIABLE.sub(lambda match: os.environ[match[1]], text)
    path = folder / Path(expanded).expanduser()
    if not path.exists():
        raise QALoopError(f"{where}: {path} does not exist (written as '{text}').")
    return str(path.resolve())
