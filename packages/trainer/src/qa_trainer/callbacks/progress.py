"""Progress of a training run."""

from __future__ import annotations

import resource
from typing import Any

from transformers import TrainerCallback

from qa_trainer.callbacks.step_metrics import StepMetrics
from qa_trainer.runs.reporter import Reporter


class ReportProgress(TrainerCallback):
    """Reports every step with its loss, its pace and the memory; the reporter decides what is shown, and how often.

    Parameters
    ----------
    metrics : StepMetrics
        Knows the loss and the pace of the step.
    reporter : Reporter
    """

    def __init__(self, metrics: StepMetrics, reporter: Reporter) -> None:
        self._metrics = metrics
        self._reporter = reporter

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Say where the run starts."""
        self._reporter("train", state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report the step."""
        pace = f"{self._metrics.pace:.1f} questions/s, {used_bytes(args.device) / 1e9:.1f} GB"
        self._reporter("train", state.global_step, state.max_steps, f"loss {self._metrics.loss:.4f}, {pace}")


def used_bytes(device: Any) -> int:
    """Give the most memory that this process has had: of a GPU where the device is one, else of the host."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
