"""Settings of `qa-trainer sft`."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator
from qa_contract.cli.settings import setting

from qa_trainer.settings import OPTIMISATION, RUN, RunSettings


class SFTSettings(RunSettings):
    """What `qa-trainer sft` does; the defaults are the published recipe.

    References
    ----------
    arXiv 2606.11719.

    Examples
    --------
    >>> SFTSettings(steps=4, batch_size=8).micro_batch
    8
    """

    execution_only = RunSettings.execution_only | {"image_cache_mb"}

    schedule: Literal["constant", "linear", "cosine", "polynomial", "inverse_sqrt"] = setting(
        "constant", topic=OPTIMISATION
    )
    """The learning rate after the warm-up; linear and cosine fall to 0."""
    warmup_steps: int = setting(0, topic=OPTIMISATION, ge=0)
    """Steps in which the learning rate rises from 0, at the start of the schedule."""
    schedule_steps: int | None = setting(None, topic=OPTIMISATION, none="to the end of this run", ge=1)
    """Steps of the schedule, all rounds together."""
    weight_decay: float = setting(0.0, topic=OPTIMISATION, ge=0, allow_inf_nan=False)
    """Of AdamW."""
    batch_size: int = setting(64, topic=OPTIMISATION, ge=1)
    """Questions per optimizer step."""
    micro_batch_size: int | None = setting(None, topic=OPTIMISATION, none="all of a step", ge=1)
    """Questions per forward pass; gradients are accumulated."""
    image_cache_mb: int = setting(1024, topic=RUN, ge=0)
    """Memory for processed frames, which questions about one scene share."""
    round: int | None = setting(None, topic=RUN, none="the questions'", ge=0)
    """Round written into the predictions."""
    report_to: tuple[str, ...] = setting((), topic=RUN)
    """Where every step is reported besides the table 'metrics': trackio, tensorboard, wandb, ..."""

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
