"""Predictions travel with the checkpoint of the step up to which they go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from transformers import TrainerCallback

from qa_trainer.run_folder import PREDICTIONS, RunFolder
from qa_trainer.tableio import write_table
from qa_trainer.tables import PREDICTIONS as SCHEMA


class SealCheckpoint(TrainerCallback):
    """Adds the predictions to a checkpoint, declares it whole, and deletes the older ones.

    Parameters
    ----------
    folder : RunFolder
    predictions : callable
        Gives the table `predictions` of all steps so far.
    metadata : dict
        Of the table.
    """

    def __init__(self, folder: RunFolder, *, predictions: Callable[[], pl.DataFrame], metadata: dict[str, str]) -> None:
        self._folder = folder
        self._predictions = predictions
        self._metadata = metadata

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Complete the checkpoint that the trainer has just written."""
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_table(self._predictions(), checkpoint / PREDICTIONS, SCHEMA, self._metadata)
        self._folder.seal(checkpoint, state.global_step)
