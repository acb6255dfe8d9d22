"""Settings of `qa-trainer sft`."""

from __future__ import annotations

import os

from pydantic import model_validator
from qa_contract.cli.settings import setting

from qa_trainer.settings.shared import OPTIMISATION, RUN, RunSettings


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

    execution_only = RunSettings.execution_only | {"loader_processes", "feature_cache_mb"}

    epochs: int | None = setting(None, topic=OPTIMISATION, none="as --steps says", ge=1)
    """Passes over the questions, instead of so many steps; the last step is filled up from the first questions."""
    batch_size: int = setting(64, topic=OPTIMISATION, ge=1)
    """Questions per optimizer step."""
    micro_batch_size: int | None = setting(None, topic=OPTIMISATION, none="all of a step; on a GPU 1", ge=1)
    """Questions per forward pass; gradients are accumulated."""
    loader_processes: int | None = setting(None, topic=RUN, none="on a GPU up to 8, else none", ge=0)
    """Processes that read frames ahead of the training; with several, each has its share of the image cache."""
    feature_cache_mb: int = setting(1024, topic=RUN, ge=0)
    """Memory of the host for what frozen encoders have made of frames; 0 = encode them in every step."""
    deterministic: bool | None = setting(None, topic=RUN, none="on a CPU, where it costs nothing")
    """On a GPU, too, use kernels that give the same bits in every run, where there are such; they are slower."""
    round: int | None = setting(None, topic=RUN, none="the questions'", ge=0)
    """Round written into the predictions."""
    report_to: tuple[str, ...] = setting((), topic=RUN)
    """Where every step is reported besides the table 'metrics': trackio, tensorboard, wandb, ..."""

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> SFTSettings:
        if self.batch_size % self.micro_batch:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch}")
        return self

    def loaders(self, *, gpu: bool) -> int:
        """Give the number of processes that read frames, on a machine with or without a GPU."""
        most = min(8, (os.cpu_count() or 1) - 1) if gpu else 0
        return most if self.loader_processes is None else self.loader_processes

    @property
    def micro_batch(self) -> int:
        """Questions per forward pass of a run in one process."""
        return self.micro_batch_size or self.batch_size
