"""Predictions and metrics travel with the checkpoint of the step up to which they go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import polars as pl
from qa_contract.tableio import read_table, write_table
from qa_contract.tables import METRICS, PREDICTIONS
from transformers import TrainerCallback

from qa_trainer.runs.folder import METRICS as METRICS_FILE
from qa_trainer.runs.folder import PREDICTIONS as PREDICTIONS_FILE
from qa_trainer.runs.folder import RunFolder
from qa_trainer.runs.processes import Team


class Drained(Protocol):
    """What collects rows between checkpoints."""

    def drain(self) -> pl.DataFrame:
        """Give the rows since the last call."""
        ...


class SealCheckpoint(TrainerCallback):
    """Adds predictions and metrics to a checkpoint, declares it whole, and deletes the older ones.

    Parameters
    ----------
    folder : RunFolder
    resumed : Path, optional
        Checkpoint from which this process goes on.
    recorder, metrics : Drained
        What was recorded since the last checkpoint: answers, and figures of the steps.
    team : Team
        Every process brings the rows that it has trained on.
    predictions : callable
        Turns what was recorded into rows of the table `predictions`.
    metadata : dict of str to dict
        Of the tables, by name.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        resumed: Path | None,
        recorder: Drained,
        metrics: Drained,
        team: Team,
        predictions: Callable[[pl.DataFrame], pl.DataFrame],
        metadata: dict[str, dict[str, str]],
    ) -> None:
        self._folder = folder
        self._recorder = recorder
        self._metrics = metrics
        self._team = team
        self._build = predictions
        self._metadata = metadata
        self._predictions = pl.DataFrame(schema=PREDICTIONS)
        self._steps = pl.DataFrame(schema=METRICS)
        if resumed is not None:
            self._predictions = read_table(resumed / PREDICTIONS_FILE, "predictions", PREDICTIONS)
            self._steps = read_table(resumed / METRICS_FILE, "metrics", METRICS)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Complete the checkpoint that the trainer has just written; the gathering waits for every process's files."""
        recorded = self._team.gather(self._recorder.drain())
        steps = self._metrics.drain()
        if not self._team.is_main:
            return
        rows = pl.concat(recorded).sort("row", maintain_order=True)
        self._predictions = pl.concat([self._predictions, self._build(rows)])
        self._steps = pl.concat([self._steps, steps])
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_table(self._predictions, checkpoint / PREDICTIONS_FILE, PREDICTIONS, self._metadata["predictions"])
        write_table(self._steps, checkpoint / METRICS_FILE, METRICS, self._metadata["metrics"])
        self._folder.seal(checkpoint, state.global_step)
