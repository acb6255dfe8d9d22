"""Progress of a training run."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from qa_trainer.callbacks.step_metrics import StepMetrics
from qa_trainer.runs.reporter import Reporter


class ReportProgress(TrainerCallback):
    """Reports every step with its loss; the reporter decides what is shown, and how often.

    Parameters
    ----------
    metrics : StepMetrics
        Knows the loss of the step.
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
        self._reporter("train", state.global_step, state.max_steps, f"loss {self._metrics.loss:.4f}")
