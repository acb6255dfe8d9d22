"""Figures of every step of reinforcement: rows of `metrics`, progress, and a stop at what is not finite."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import polars as pl
import torch
from qa_contract.tables import METRICS
from transformers import TrainerCallback

from qa_trainer.callbacks.rollouts import RolloutRecorder
from qa_trainer.errors import QATrainerError
from qa_trainer.runs.processes import Team
from qa_trainer.runs.reporter import Reporter
from qa_trainer.settings.grpo import GRPOSettings


class StepLog(TrainerCallback):
    """Collects one row of the table `metrics` per optimizer step.

    Parameters
    ----------
    settings : GRPOSettings
        Names and weights of the rewards.
    recorder : RolloutRecorder
        Knows the groups without a difference.
    question_ids : callable
        Names the questions of a step.
    reporter : Reporter
    team : Team
        Figures go over all processes.
    run_id : str
    """

    def __init__(
        self,
        settings: GRPOSettings,
        recorder: RolloutRecorder,
        question_ids: Callable[[int], list[str]],
        reporter: Reporter,
        *,
        team: Team,
        run_id: str,
    ) -> None:
        weights = settings.reward_weights or (1.0,) * len(settings.rewards)
        self._fixed = {"run_id": run_id, "round": settings.round, "reward_names": list(settings.rewards)}
        self._fixed |= {"reward_weights": list(weights), "rows": settings.batch_size * settings.group_size}
        self._recorder = recorder
        self._team = team
        self._question_ids = question_ids
        self._reporter = reporter
        self._rows: list[dict[str, Any]] = []
        self._ended = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Say where the run starts."""
        self._ended = time.perf_counter()
        self._reporter("train", state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Take the figures of the step that has ended."""
        figures = logs or {}
        if "reward" not in figures:
            return
        if not torch.isfinite(torch.tensor([figures["loss"], figures.get("grad_norm", 0.0)])).all():
            shown = ", ".join(self._question_ids(state.global_step)[:8])
            raise QATrainerError(
                f"Step {state.global_step}: the loss or its gradient is not finite. Questions: {shown}. "
                "Lower the learning rate, or look at these questions; the last whole checkpoint is kept."
            )
        now = time.perf_counter()
        row = {
            "step": state.global_step,
            "loss": figures["loss"],
            "learning_rate": figures["learning_rate"],
            "grad_norm": figures.get("grad_norm"),
            "answer_tokens": round(figures["completions/mean_length"] * self._fixed["rows"]),
            "step_seconds": now - self._ended,
            "reward": _number(figures["reward"]),
            "reward_means": [_number(figures[f"rewards/{name}/mean"]) for name in self._fixed["reward_names"]],
            "equal_groups": round(self._team.sum([self._recorder.take_equal()], args.device)[0]),
        }
        self._rows.append(self._fixed | row)
        self._ended = now
        worth = "applies to none" if row["reward"] is None else f"{row['reward']:.3f}"
        note = f"reward {worth}, {figures['completions/mean_length']:.1f} tokens"
        if row["equal_groups"]:
            note += f", {row['equal_groups']} groups equal"
        self._reporter("train", state.global_step, state.max_steps, note)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the writing of a checkpoint out of the next step."""
        self._ended = time.perf_counter()

    def drain(self) -> pl.DataFrame:
        """Give the rows since the last call."""
        rows, self._rows = self._rows, []
        return pl.DataFrame(rows, schema=METRICS)


def _number(value: float | None) -> float | None:
    """Replace NaN, which stands for a reward that applied to nothing."""
    return None if value is None or value != value else value
