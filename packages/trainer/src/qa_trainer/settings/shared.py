"""Settings that the trainers share."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, TypeVar, get_args

from pydantic import field_validator, model_validator
from qa_contract.cli.settings import Settings, setting
from qa_contract.errors import suggest

Part = Literal["vision", "connector", "geometry", "audio", "language"]
"""A part of the model that can be left as it is."""
Device = Literal["auto", "cpu"]
Dtype = Literal["auto", "float32", "bfloat16"]

Attention = Literal["auto", "eager", "sdpa", "flash_attention_2", "flash_attention_3"]
"""Kernels of the attention, by transformers' names."""

OPTIMISATION = "Optimisation"
MODEL = "Model"
FRAMES = "Frames"
RUN = "Run"


class FrameSettings(Settings):
    """How frames go into a model; the same as in `qa-eval run`.

    Examples
    --------
    >>> FrameSettings().frame_input
    'images'
    """

    frame_input: Literal["images", "video"] = setting("images", topic=FRAMES)
    """images: one by one; video: as one video with its times, which takes half of Qwen-VL's tokens."""
    min_pixels: int | None = setting(None, topic=FRAMES, none="the model's", ge=1)
    """Of an image, or of a whole video, in the model (Qwen-VL)."""
    max_pixels: int | None = setting(None, topic=FRAMES, none="the model's", ge=1)
    """The same, at most. Saved with the trained model."""


class ContentSettings(Settings):
    """Settings of which some decide only how fast or where a command works, not what comes out."""

    execution_only: ClassVar[frozenset[str]] = frozenset()
    """Fields that do not change the result; a run may go on with other values."""

    def content(self) -> dict[str, object]:
        """Give the settings that decide the result, as JSON values.

        Examples
        --------
        >>> "save_steps" in RunSettings().content()
        False
        """
        return self.model_dump(mode="json", exclude=set(self.execution_only))


class RunSettings(FrameSettings, ContentSettings):
    """What every training run is told.

    Examples
    --------
    >>> 'freeze = ["vision"]' in RunSettings(freeze=("vision",)).to_toml().splitlines()
    True
    """

    execution_only = frozenset({"save_steps", "allow_benchmark_scenes", "image_cache_mb", "devices", "check_memory"})

    steps: int = setting(100, topic=OPTIMISATION, ge=1)
    """Optimizer steps of this run."""
    learning_rate: float = setting(1e-6, topic=OPTIMISATION, gt=0, allow_inf_nan=False)
    """Learning rate at its highest."""
    part_learning_rate: tuple[str, ...] = setting((), topic=OPTIMISATION, placeholder="PART=X")
    """Learning rates of single parts, as connector=2e-5; they follow the same schedule."""
    schedule: Literal["constant", "linear", "cosine", "polynomial", "inverse_sqrt"] = setting(
        "constant", topic=OPTIMISATION
    )
    """The learning rate after the warm-up; linear and cosine fall to 0."""
    warmup_steps: int = setting(0, topic=OPTIMISATION, ge=0)
    """Steps in which the learning rate rises from 0, at the start of the schedule."""
    warmup_share: float = setting(0.0, topic=OPTIMISATION, ge=0, lt=1, allow_inf_nan=False)
    """The same as a share of the schedule's steps."""
    schedule_steps: int | None = setting(None, topic=OPTIMISATION, none="to the end of this run", ge=1)
    """Steps of the schedule, all rounds together."""
    weight_decay: float = setting(0.0, topic=OPTIMISATION, ge=0, allow_inf_nan=False)
    """Of AdamW; norms and biases have none."""
    part_weight_decay: tuple[str, ...] = setting((), topic=OPTIMISATION, placeholder="PART=X")
    """Weight decay of single parts, as connector=0."""
    max_grad_norm: float = setting(1.0, topic=OPTIMISATION, ge=0, allow_inf_nan=False)
    """Longer gradients are cut to this norm; 0 = none."""
    freeze: tuple[Part, ...] = setting((), topic=MODEL)
    """Parts that are not trained."""
    lora_rank: int | None = setting(None, topic=MODEL, none="none", ge=1)
    """Train low-rank adapters of this rank instead of the weights (extra 'lora')."""
    lora_alpha: int = setting(16, topic=MODEL, ge=1)
    """An adapter's output counts alpha / rank."""
    dtype: Dtype = setting("auto", topic=MODEL)
    """Arithmetic of the forward pass; 'auto' is bfloat16 on a GPU. What is trained, and its moments, stay float32:
    bfloat16 weights lose a step of 1e-6. What is frozen is held in bfloat16."""
    attention: Attention = setting("auto", topic=MODEL)
    """Kernels of the attention; 'auto' leaves the choice to transformers. The manifest says which ran."""
    activation_checkpointing: bool | None = setting(None, topic=MODEL, none="on a GPU where it is needed")
    """Recompute activations in the backward pass: less memory, more time."""
    device: Device = setting("auto", topic=RUN)
    """'auto' takes a GPU where there is one."""
    devices: str | None = setting(None, topic=RUN, none="what is there", placeholder="NxNAME-MEMORY")
    """Hardware that 'plan' counts with, as 8xH100-80G; training looks at what is there."""
    check_memory: bool = setting(True, topic=RUN)
    """Refuse to start what 'plan' says cannot fit."""
    seed: int = setting(0, topic=RUN, ge=0, lt=2**32)
    """Of everything random in the run."""
    image_cache_mb: int = setting(1024, topic=RUN, ge=0)
    """Memory for processed frames, which questions about one scene share."""
    save_steps: int = setting(20, topic=RUN, ge=1)
    """Steps between checkpoints; a killed run loses at most so many."""
    allow_benchmark_scenes: bool = setting(False, topic=RUN)
    """Also train on scenes that benchmarks test on."""

    @field_validator("part_learning_rate", "part_weight_decay")
    @classmethod
    def _one_number_per_part(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            part, _, number = entry.partition("=")
            if part not in get_args(Part):
                raise ValueError(
                    f"'{part}' is no part.{suggest(part, get_args(Part))} Valid: {', '.join(get_args(Part))}"
                )
            try:
                valid = 0 <= float(number) < math.inf
            except ValueError:
                valid = False
            if not valid:
                raise ValueError(f"'{entry}' needs a number of at least 0 after '{part}='")
        if len(by_part(entries)) < len(entries):
            raise ValueError("a part is named twice")
        return entries

    @model_validator(mode="after")
    def _fit_together(self) -> RunSettings:
        if self.warmup_steps and self.warmup_share:
            raise ValueError("warmup_steps and warmup_share say the same thing; give one of them")
        for part in by_part(self.part_learning_rate) | by_part(self.part_weight_decay):
            if part in self.freeze:
                raise ValueError(f"{part} has a learning rate or weight decay of its own and is frozen")
        return self

    def warmup(self, schedule_steps: int) -> int:
        """Give the steps of the warm-up in a schedule of so many.

        Examples
        --------
        >>> RunSettings(warmup_share=0.03).warmup(250), RunSettings(warmup_steps=5).warmup(250)
        (8, 5)
        """
        return math.ceil(self.warmup_share * schedule_steps) if self.warmup_share else self.warmup_steps

    @property
    def falls(self) -> bool:
        """Tell whether the schedule comes to an end."""
        return self.schedule in ("linear", "cosine", "polynomial")

    @property
    def scheduler_type(self) -> str:
        """Name of the schedule in transformers' terms, where a constant one with a warm-up has its own."""
        return "constant_with_warmup" if self.schedule == "constant" and self.warmup(2) else self.schedule


def by_part(entries: tuple[str, ...]) -> dict[str, float]:
    """Read entries PART=X.

    Examples
    --------
    >>> by_part(("connector=2e-5",))
    {'connector': 2e-05}
    """
    return {part: float(number) for part, _, number in (entry.partition("=") for entry in entries)}


S = TypeVar("S", bound=RunSettings)


def settled(settings: S, *, gpu: bool, activation_checkpointing: bool | None) -> S:
    """Fill in what the settings leave to the device.

    Parameters
    ----------
    settings : RunSettings
        With a `micro_batch_size`.
    gpu : bool
        The run is on one.
    activation_checkpointing : bool, optional
        Taken where the settings leave it open.

    Examples
    --------
    >>> settled(RunSettings(), gpu=True, activation_checkpointing=True).dtype
    'bfloat16'
    """
    found: dict[str, object] = {}
    if settings.dtype == "auto":
        found["dtype"] = "bfloat16" if gpu else "float32"
    if settings.activation_checkpointing is None:
        found["activation_checkpointing"] = bool(activation_checkpointing)
    if gpu and getattr(settings, "micro_batch_size", 1) is None:
        found["micro_batch_size"] = 1
    return settings.model_copy(update=found)
