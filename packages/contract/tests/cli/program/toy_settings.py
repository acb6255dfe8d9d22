"""Settings of the made-up program."""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import model_validator
from qa_contract.cli.settings import Settings, setting


class Precision(StrEnum):
    FULL = "float32"
    HALF = "bfloat16"


class Training(Settings):
    steps: int = setting(100, ge=1)
    """Optimizer steps of this run."""
    batch_size: int = setting(64, topic="Optimisation", ge=1)
    """Questions per step."""
    micro_batch_size: int | None = setting(None, topic="Optimisation", ge=1, none="all of a step")
    """Questions per forward pass; gradients are accumulated over the passes of a step, so that a long explanation of
    an option with a long name has to wrap."""
    learning_rate: float = setting(1e-6, topic="Optimisation", gt=0, allow_inf_nan=False)
    """The highest of the schedule."""
    weight_decay: float = setting(0.0, topic="Optimisation", ge=0)
    """Of AdamW."""
    schedule: Literal["constant", "linear", "cosine", "polynomial", "inverse_sqrt"] = setting(
        "constant", topic="Optimisation"
    )
    """How the learning rate goes on after the warm-up."""
    activation_checkpointing: bool = setting(False, topic="Memory")
    """Recompute activations in the backward pass: less memory, more time."""
    precision: Precision = setting(Precision.FULL, topic="Memory")
    """Arithmetic of the forward pass."""
    freeze: tuple[Literal["vision", "connector", "language"], ...] = setting((), topic="What is trained")
    """Parts of the model that are left as they are."""
    lora_rank: int | None = setting(8, topic="What is trained", ge=1)
    """Rank of the adapters."""
    rewards: tuple[str, ...] = setting(("mra", "choice"), option="--reward")
    """Names of rewards."""
    reward_weights: tuple[float, ...] | None = setting(None, none="1 each")
    """One per reward."""
    cache: Path | None = None
    """Folder of processed frames."""
    seed: int = setting(0, ge=0, lt=2**32)
    """Seed of everything random."""

    @model_validator(mode="after")
    def _divides(self) -> "Training":
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self
