"""Settings that the trainers share; each field's default, bounds and docstring are its option's and its TOML key's."""

from __future__ import annotations

from typing import ClassVar, Literal

from qa_contract.cli.settings import Settings, setting

Part = Literal["vision", "connector", "geometry", "language"]
"""A part of the model that can be left as it is."""
Device = Literal["auto", "cpu"]
Dtype = Literal["float32", "bfloat16"]

OPTIMISATION = "Optimisation"
MODEL = "Model"
RUN = "Run"


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


class RunSettings(ContentSettings):
    """What every training run is told.

    Examples
    --------
    >>> print(RunSettings(freeze=("vision",)).to_toml().splitlines()[3])
    freeze = ["vision"]
    """

    execution_only = frozenset({"save_steps", "allow_benchmark_scenes"})

    steps: int = setting(100, topic=OPTIMISATION, ge=1)
    """Optimizer steps of this run."""
    learning_rate: float = setting(1e-6, topic=OPTIMISATION, gt=0, allow_inf_nan=False)
    """Learning rate at its highest."""
    max_grad_norm: float = setting(1.0, topic=OPTIMISATION, ge=0, allow_inf_nan=False)
    """Longer gradients are cut to this norm; 0 = none."""
    freeze: tuple[Part, ...] = setting((), topic=MODEL)
    """Parts that are not trained."""
    lora_rank: int | None = setting(None, topic=MODEL, none="none", ge=1)
    """Train low-rank adapters of this rank instead of the weights (extra 'lora')."""
    lora_alpha: int = setting(16, topic=MODEL, ge=1)
    """An adapter's output counts alpha / rank."""
    dtype: Dtype = setting("float32", topic=MODEL)
    """Arithmetic of the forward pass. Weights and optimizer stay float32: bfloat16 weights lose a step of 1e-6."""
    activation_checkpointing: bool = setting(False, topic=MODEL)
    """Recompute activations in the backward pass: less memory, more time."""
    device: Device = setting("auto", topic=RUN)
    """'auto' takes a GPU where there is one."""
    seed: int = setting(0, topic=RUN, ge=0, lt=2**32)
    """Of everything random in the run."""
    save_steps: int = setting(20, topic=RUN, ge=1)
    """Steps between checkpoints; a killed run loses at most so many."""
    allow_benchmark_scenes: bool = setting(False, topic=RUN)
    """Also train on scenes that benchmarks test on."""
