"""The folder of a training run: who owns it, what it holds, and from where a killed run goes on.

::

    OUT/run.json, config.toml    what the run is: settings, and hashes of its inputs; written first
    OUT/rejects.parquet          questions that are not trained on
    OUT/checkpoints/             the last whole checkpoint, with the tables up to it; gone at the end
    OUT/model/                   the trained model and its processor, adapters merged
    OUT/adapter/                 the adapter of a run with --lora-rank
    OUT/state/                   optimizer, scheduler, random numbers, step: what the next round continues from
    OUT/predictions.parquet      one row per question and training pass
    OUT/metrics.parquet          one row per optimizer step: loss, learning rate, times
    OUT/manifest.json            times and places; written last, so that it marks a complete run
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qa_contract.files import atomic_path, check_output_folder, fsync, output_folder, write_json
from qa_contract.identity import refuse_other_identity

from qa_trainer.errors import QATrainerError

COMPLETE = "complete.json"
"""Written into a checkpoint last; a checkpoint without it is half-written."""
PREDICTIONS = "predictions.parquet"
METRICS = "metrics.parquet"
_STATE_FILES = ("optimizer", "scheduler", "scaler", "rng_state", "trainer_state", "global_step", "latest")
"""Starts of names; the last two are DeepSpeed's."""
_NOT_KEPT = ("training_args.bin", "pytorch_model_fsdp.bin", "zero_to_fp32.py", PREDICTIONS, METRICS, COMPLETE)
"""What a checkpoint holds and the outputs do not; FSDP saves the weights a second time."""

Status = Literal["new", "resumed", "complete"]


@dataclass(frozen=True)
class RunFolder:
    """An output folder that this process has locked.

    Attributes
    ----------
    path : Path
    status : {"new", "resumed", "complete"}
        What was found in it.
    """

    path: Path
    status: Status

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    def last_checkpoint(self) -> Path | None:
        """Find the newest whole checkpoint."""
        whole = [path.parent for path in self.checkpoints.glob(f"checkpoint-*/{COMPLETE}")]
        return max(whole, key=step_of, default=None)

    def begin(self, identity: Mapping[str, Any], config_toml: str) -> None:
        """Drop what a run of another identity or a kill left behind, and write down what this run is."""
        if self.status == "new":
            _empty(self.path)
        else:
            last = self.last_checkpoint()
            for path in (*self.checkpoints.glob("*"), *self.path.glob(".*.partial")):
                if path != last:
                    _remove(path)
        with atomic_path(self.path / "config.toml") as temporary:
            temporary.write_text(config_toml, encoding="utf-8")
        write_json(self.path / "run.json", identity)

    def seal(self, checkpoint: Path, step: int) -> None:
        """Declare a checkpoint whole, once it is on disk, and delete the older ones."""
        for path in checkpoint.rglob("*"):
            if path.is_file():
                fsync(path)
        write_json(checkpoint / COMPLETE, {"global_step": step})
        for path in self.checkpoints.glob("*"):
            if path != checkpoint:
                _remove(path)

    def finish(self, checkpoint: Path, state: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
        """Turn the last checkpoint into `model`, `state` and the tables, and mark the run complete.

        Parameters
        ----------
        checkpoint : Path
            Checkpoint of the last step.
        state, manifest : mapping
            Content of `state/state.json` and `manifest.json`.
        """
        merged = checkpoint / "merged"
        weights = "adapter" if merged.is_dir() else "model"
        parts: dict[str, list[Path]] = {weights: [], "state": []}
        for path in sorted(checkpoint.iterdir()):
            if path.name not in _NOT_KEPT and path != merged:
                parts["state" if path.name.startswith(_STATE_FILES) else weights].append(path)
        if merged.is_dir():
            parts["model"] = sorted(merged.iterdir())
        for part, sources in parts.items():
            with output_folder(self.path / part, force=True) as folder:
                for source in sources:
                    _copy(source, folder / source.name)
                if part == "state":
                    write_json(folder / "state.json", state)
        for name in (PREDICTIONS, METRICS):
            if (checkpoint / name).is_file():
                _copy(checkpoint / name, self.path / name)
        write_json(self.path / "manifest.json", manifest)
        self.tidy()

    def tidy(self) -> None:
        """Delete the checkpoints of a complete run."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)


@contextlib.contextmanager
def open_run(out: Path, identity: Mapping[str, Any], *, force: bool) -> Iterator[RunFolder]:
    """Lock the folder of a run and see what is in it.

    Parameters
    ----------
    out : Path
        Folder of the run; made when it is not there.
    identity : mapping
        What decides the result of the run, as JSON values.
    force : bool
        Start again whatever is there.

    Raises
    ------
    QATrainerError
        The folder holds something else, or a run with another identity, and `force` is false; or another process is
        training into it.
    """
    out = Path(out)
    check_output_folder(out, force=True)
    status: Status = "new" if force else _status(out, identity)
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise QATrainerError(f"{out}: another process is training into this folder; wait for it.") from None
        yield RunFolder(out, status)


def _status(out: Path, identity: Mapping[str, Any]) -> Status:
    """Compare what is in the folder with what is asked for."""
    present = [path.name for path in out.iterdir() if path.name != ".lock"] if out.is_dir() else []
    if not present:
        return "new"
    try:
        found = json.loads((out / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise QATrainerError(
            f"{out}: the output folder exists and holds no training run. Choose another --out, or pass --force."
        ) from None
    refuse_other_identity(out, found, identity, error=QATrainerError)
    return "complete" if (out / "manifest.json").is_file() else "resumed"


def step_of(checkpoint: Path) -> int:
    """Read the step from the name of a checkpoint."""
    return int(checkpoint.name.rsplit("-", 1)[1])


def _copy(source: Path | str, target: Path | str) -> None:
    """Put a file or a folder at a second place, without copying its bytes where the file system can share them."""
    source, target = Path(source), Path(target)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_copy)
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        fsync(target)


def _empty(folder: Path) -> None:
    """Remove everything but the lock."""
    for path in folder.iterdir():
        if path.name != ".lock":
            _remove(path)


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
