"""Settings of the trainers: a TOML file, overridden by the command line; unknown keys fail."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qa_trainer.errors import QATrainerError, unknown_name

Part = Literal["vision", "connector", "geometry", "language"]
"""A part of the model that can be left as it is."""

_EXECUTION_ONLY = {"save_steps", "image_cache_mb", "vllm_server_url", "allow_benchmark_scenes"}


class RunSettings(BaseModel):
    """What the settings of all trainers share: unknown keys fail, values stay, and a file can be written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def content(self) -> dict[str, object]:
        """Give the settings that decide what is trained, as JSON values."""
        return self.model_dump(mode="json", exclude=_EXECUTION_ONLY)

    def to_toml(self) -> str:
        """Write the settings so that `--config` reads them.

        Examples
        --------
        >>> print(SFTSettings(freeze=("vision",)).to_toml().splitlines()[10])
        freeze = ["vision"]
        """
        values = self.model_dump(mode="json", exclude_none=True)
        # JSON's numbers, strings, booleans and flat lists are TOML's.
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


class SFTSettings(RunSettings):
    """What `qa-trainer sft` does; the defaults are the published recipe (arXiv 2606.11719).

    Attributes
    ----------
    steps : int
        Optimizer steps of this run.
    batch_size : int
        Questions per optimizer step.
    micro_batch_size : int, optional
        Questions per forward pass; gradients are accumulated up to `batch_size`. Default: `batch_size`.
    learning_rate : float
        The highest of the schedule.
    schedule : {"constant", "linear", "cosine", "polynomial", "inverse_sqrt"}
        How the learning rate goes on after the warm-up, as in transformers; linear and cosine fall to 0.
    warmup_steps : int
        Steps in which the learning rate rises from 0, at the start of the schedule.
    schedule_steps : int, optional
        Steps over which the schedule runs, all rounds together. Default: up to the last step of this run.
    weight_decay, max_grad_norm : float
        Of AdamW, and of the gradient clipping (0 = none).
    seed : int
        Seed of everything random in the run.
    round : int, optional
        Round written into the predictions. Default: the round of each question.
    dtype : {"float32", "bfloat16"}
        Arithmetic of the forward pass. The weights and the optimizer stay float32, because a step of 1e-6 is lost
        in bfloat16 weights.
    device : {"auto", "cpu"}
        `auto` takes a GPU where there is one.
    freeze : tuple of {"vision", "connector", "geometry", "language"}
        Parts of the model that are not trained.
    lora_rank : int, optional
        Train low-rank adapters of this rank instead of the weights (extra `lora`).
    lora_alpha : float
        The adapter's output counts alpha / rank.
    activation_checkpointing : bool
        Recompute activations in the backward pass: less memory, more time.
    save_steps : int
        Steps between two checkpoints; a killed run loses at most so many.
    image_cache_mb : int
        Memory for processed frames, which questions about one scene share.
    report_to : tuple of str
        Where transformers reports every step, besides the table `metrics`: trackio, tensorboard, wandb, ...
    allow_benchmark_scenes : bool
        Train on scenes that benchmarks test on, too.

    Examples
    --------
    >>> SFTSettings(steps=4, batch_size=8).micro_batch
    8
    """

    steps: int = Field(default=100, ge=1)
    batch_size: int = Field(default=64, ge=1)
    micro_batch_size: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=1e-6, gt=0, allow_inf_nan=False)
    schedule: Literal["constant", "linear", "cosine", "polynomial", "inverse_sqrt"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    schedule_steps: int | None = Field(default=None, ge=1)
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    max_grad_norm: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0, lt=2**32)
    round: int | None = Field(default=None, ge=0)
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu"] = "auto"
    freeze: tuple[Part, ...] = ()
    lora_rank: int | None = Field(default=None, ge=1)
    lora_alpha: int = Field(default=16, ge=1)
    activation_checkpointing: bool = False
    save_steps: int = Field(default=20, ge=1)
    image_cache_mb: int = Field(default=1024, ge=0)
    allow_benchmark_scenes: bool = False
    report_to: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> SFTSettings:
        if self.batch_size % self.micro_batch:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch}")
        return self

    @property
    def micro_batch(self) -> int:
        """Questions per forward pass of a run in one process."""
        return self.micro_batch_size or self.batch_size

    @property
    def falls(self) -> bool:
        """Tell whether the schedule comes to an end."""
        return self.schedule in ("linear", "cosine", "polynomial")


class GRPOSettings(RunSettings):
    """What `qa-trainer grpo` does.

    Attributes
    ----------
    steps : int
        Optimizer steps.
    batch_size : int
        Questions per step.
    group_size : int
        Completions per question; a completion's advantage is its reward against the group's mean.
    micro_batch_size : int, optional
        Completions per forward pass; gradients are accumulated. Default: all of a step.
    rewards : tuple of str
        Names in `qa_trainer.rewards.REWARDS`.
    reward_weights : tuple of float, optional
        One per reward. Default: 1 each.
    learning_rate, beta, temperature, max_completion_length, max_grad_norm : float, int
        As in TRL; `beta` weighs the distance to the model at the start.
    seed : int
    dtype : {"float32", "bfloat16"}
    device : {"auto", "cpu"}
    freeze : tuple of {"vision", "connector", "geometry", "language"}
    activation_checkpointing : bool
    lora_rank : int, optional
    lora_alpha : int
        Adapters instead of the weights, as in `SFTSettings`.
    save_steps : int
        Steps between two checkpoints; a killed run loses at most so many.
    vllm_server_url : str, optional
        Base URL of a vLLM server of TRL (`trl vllm-serve`) that makes the completions.
    allow_benchmark_scenes : bool
        Train on scenes that benchmarks test on, too.

    Examples
    --------
    >>> GRPOSettings().rewards
    ('mra', 'choice', 'format')
    """

    steps: int = Field(default=100, ge=1)
    batch_size: int = Field(default=8, ge=1)
    group_size: int = Field(default=8, ge=2)
    micro_batch_size: int | None = Field(default=None, ge=1)
    rewards: tuple[str, ...] = ("mra", "choice", "format")
    reward_weights: tuple[float, ...] | None = None
    learning_rate: float = Field(default=1e-6, gt=0, allow_inf_nan=False)
    beta: float = Field(default=0.04, ge=0, allow_inf_nan=False)
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    max_completion_length: int = Field(default=64, ge=1)
    max_grad_norm: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0, lt=2**32)
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu"] = "auto"
    freeze: tuple[Part, ...] = ()
    activation_checkpointing: bool = False
    lora_rank: int | None = Field(default=None, ge=1)
    lora_alpha: int = Field(default=16, ge=1)
    save_steps: int = Field(default=20, ge=1)
    vllm_server_url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+/?$")
    allow_benchmark_scenes: bool = False

    @model_validator(mode="after")
    def _one_weight_each(self) -> GRPOSettings:
        if self.reward_weights is not None and len(self.reward_weights) != len(self.rewards):
            raise ValueError(f"{len(self.reward_weights)} reward_weights for {len(self.rewards)} rewards")
        return self

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> GRPOSettings:
        completions = self.batch_size * self.group_size
        if completions % self.micro_batch:
            raise ValueError(f"{completions} completions are not a multiple of micro_batch_size {self.micro_batch}")
        return self

    @property
    def micro_batch(self) -> int:
        """Completions per forward pass."""
        return self.micro_batch_size or self.batch_size * self.group_size


Settings = TypeVar("Settings", SFTSettings, GRPOSettings)


def load_settings(path: Path | None, overrides: Mapping[str, object], kind: type[Settings]) -> Settings:
    """Read settings from a TOML file and let the values of `overrides` that are not None replace them.

    Raises
    ------
    QATrainerError
        The file cannot be read, a key is unknown, or a value is not allowed.
    """
    values = {} if path is None else _read_toml(path)
    source = "the command line" if path is None else str(path)
    for name in values:
        if name not in kind.model_fields:
            raise unknown_name(f"setting in {source}", name, kind.model_fields)
    values |= {name: value for name, value in overrides.items() if value is not None}
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        raise QATrainerError(f"Wrong settings ({source}): {'; '.join(problems)}.") from None


def _read_toml(path: Path) -> dict[str, object]:
    """Read a TOML file."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise QATrainerError(f"{path}: cannot read the settings ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QATrainerError(f"{path}: not a TOML file ({error}).") from error
