"""Figures of every optimizer step: loss, learning rate, gradient norm, times, tokens."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import polars as pl
from qa_contract.tables import METRICS
from transformers import TrainerCallback

from qa_trainer.callbacks.confidence_recorder import ConfidenceRecorder
from qa_trainer.runs.processes import Team

PARTS = ("data", "forward", "backward", "optimizer", "wait")
"""Parts of a step whose time is taken."""


class StepMetrics(TrainerCallback):
    """Collects one row of the table `metrics` per optimizer step.

    Parameters
    ----------
    recorder : ConfidenceRecorder
        Knows the log-probabilities of the step.
    team : Team
        Sums go over all processes; times are those of the main one.
    run_id : str
    round_number : int, optional

    Attributes
    ----------
    loss : float
        Mean negative log-probability of the answer tokens of the last step, over all processes.
    pace : float
        Rows per second of the last step, over all processes.

    Notes
    -----
    `step_seconds` goes from the end of one step to the end of the next: reading frames, forward, backward and update,
    but not the writing of checkpoints.
    """

    def __init__(self, recorder: ConfidenceRecorder, *, team: Team, run_id: str, round_number: int | None) -> None:
        self._recorder = recorder
        self._team = team
        self._fixed = {"run_id": run_id, "round": round_number}
        self._rows: list[dict[str, Any]] = []
        self._tokens: list[Any] = []
        self._grad_norm: Any = None
        self._learning_rate = 0.0
        self._ended = self._recorded = self._updating = 0.0
        self._spent: defaultdict[str, float] = defaultdict(float)
        self.loss = self.pace = float("nan")

    def spend(self, part: str, seconds: float) -> None:
        """Add time to a part of the step: data, forward, backward, optimizer or wait."""
        self._spent[part] += seconds

    def on_forward(self, lengths: Any) -> None:
        """Take the number of tokens of every row of a forward pass."""
        self._tokens.append(lengths)

    def on_grad_norm(self, norm: Any) -> None:
        """Take the norm of the gradient before clipping."""
        self._grad_norm = norm

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._ended, self._recorded = time.perf_counter(), self._recorder.seconds

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the learning rate of this update, and when it begins."""
        self._learning_rate = float(kwargs["lr_scheduler"].get_last_lr()[0])
        self._updating = time.perf_counter()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note how long the update took."""
        self.spend("optimizer", time.perf_counter() - self._updating)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the row of the step."""
        logprob, answer_tokens, rows = self._recorder.totals(state.global_step)
        tokens = float(sum(int(lengths.sum()) for lengths in self._tokens))
        sums = self._team.sum([logprob, answer_tokens, rows, tokens], args.device)
        self.loss = -sums[0] / max(sums[1], 1)
        now = time.perf_counter()
        row = {
            "step": state.global_step,
            "loss": self.loss,
            "learning_rate": self._learning_rate,
            "grad_norm": None if self._grad_norm is None else float(self._grad_norm),
            "rows": round(sums[2]),
            "tokens": round(sums[3]),
            "answer_tokens": round(sums[1]),
            "step_seconds": now - self._ended,
            "recorder_seconds": self._recorder.seconds - self._recorded,
            **{f"{part}_seconds": float(self._spent[part]) for part in PARTS},
        }
        self.pace = row["rows"] / max(row["step_seconds"], 1e-9)
        self._rows.append(self._fixed | row)
        self._tokens, self._grad_norm, self._spent = [], None, defaultdict(float)
        self._ended, self._recorded = now, self._recorder.seconds

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the writing of a checkpoint out of the next step."""
        self._ended = time.perf_counter()

    def drain(self) -> pl.DataFrame:
        """Give the rows since the last call."""
        rows, self._rows = self._rows, []
        return pl.DataFrame(rows, schema=METRICS)
