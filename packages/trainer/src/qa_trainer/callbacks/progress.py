"""Lines about a training run on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from qa_trainer.callbacks.step_metrics import StepMetrics

_LINES = 20
_QUIET_S = 30.0


class Progress(TrainerCallback):
    """Reports step, loss, samples and time left: about 20 times per run, and at least every half minute.

    Parameters
    ----------
    metrics : StepMetrics
        Knows the loss of the step.
    batch_size : int
        Questions per step.
    report : callable
        Takes a line.
    """

    def __init__(self, metrics: StepMetrics, *, batch_size: int, report: Callable[[str], None]) -> None:
        self._metrics = metrics
        self._batch_size = batch_size
        self._report = report
        self._first = 0
        self._started = self._reported = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remember where and when the run starts."""
        self._first = state.global_step
        self._started = self._reported = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report the step when it is time to."""
        step, now = state.global_step, time.monotonic()
        done, total = step - self._first, state.max_steps - self._first
        due = done % max(1, total // _LINES) == 0 or done in (1, total)
        if not due and now - self._reported < _QUIET_S:
            return
        self._reported = now
        left = (now - self._started) / done * (total - done)
        samples = done * self._batch_size
        self._report(
            f"step {step}/{state.max_steps}  loss {self._metrics.loss:.4f}  {samples} samples  {clock(left)} left"
        )


def clock(seconds: float) -> str:
    """Write a duration.

    Examples
    --------
    >>> clock(75.4), clock(3700)
    ('1:15', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
