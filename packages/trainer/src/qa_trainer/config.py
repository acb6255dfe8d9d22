"""Settings of the trainers: a TOML file, overridden by the command line; unknown keys fail."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qa_trainer.errors import QATrainerError, unknown_name

Part = Literal["vision", "connector", "geometry", "language"]
"""A part of the model that can be left as it is."""

_EXECUTION_ONLY = {"save_steps", "image_cache_mb"}


class SFTSettings(BaseModel):
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
        Constant, without warm-up.
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
    activation_checkpointing : bool
        Recompute activations in the backward pass: less memory, more time.
    save_steps : int
        Steps between two checkpoints; a killed run loses at most so many.
    image_cache_mb : int
        Memory for processed frames, which questions about one scene share.

    Examples
    --------
    >>> SFTSettings(steps=4, batch_size=8).micro_batch
    8
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(default=100, ge=1)
    batch_size: int = Field(default=64, ge=1)
    micro_batch_size: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=1e-6, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    max_grad_norm: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0, lt=2**32)
    round: int | None = Field(default=None, ge=0)
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu"] = "auto"
    freeze: tuple[Part, ...] = ()
    activation_checkpointing: bool = False
    save_steps: int = Field(default=20, ge=1)
    image_cache_mb: int = Field(default=1024, ge=0)

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> SFTSettings:
        if self.batch_size % self.micro_batch:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch}")
        return self

    @property
    def micro_batch(self) -> int:
        """Questions per forward pass."""
        return self.micro_batch_size or self.batch_size

    def content(self) -> dict[str, object]:
        """Give the settings that decide what is trained, as JSON values."""
        return self.model_dump(mode="json", exclude=_EXECUTION_ONLY)

    def to_toml(self) -> str:
        """Write the settings so that `--config` reads them.

        Examples
        --------
        >>> print(SFTSettings(freeze=("vision",)).to_toml().splitlines()[-4])
        freeze = ["vision"]
        """
        values = self.model_dump(mode="json", exclude_none=True)
        # JSON's numbers, strings, booleans and flat lists are TOML's.
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def load_settings(path: Path | None, overrides: Mapping[str, object]) -> SFTSettings:
    """Read settings from a TOML file and let the values of `overrides` that are not None replace them.

    Raises
    ------
    QATrainerError
        The file cannot be read, a key is unknown, or a value is not allowed.
    """
    values = {} if path is None else _read_toml(path)
    source = "the command line" if path is None else str(path)
    for name in values:
        if name not in SFTSettings.model_fields:
            raise unknown_name(f"setting in {source}", name, SFTSettings.model_fields)
    values |= {name: value for name, value in overrides.items() if value is not None}
    try:
        return SFTSettings.model_validate(values)
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
