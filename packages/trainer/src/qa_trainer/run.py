"""One `qa-trainer sft` run: check the inputs, train or go on training, and write the outputs."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from qa_trainer.config import SFTSettings
from qa_trainer.data import Samples, load_samples
from qa_trainer.errors import QATrainerError
from qa_trainer.loading import model_hash, resolve_model
from qa_trainer.lora import ADAPTER, check_peft
from qa_trainer.run_folder import PREDICTIONS, RunFolder, open_run
from qa_trainer.tableio import TableError, read_table, table_files, table_metadata, write_table
from qa_trainer.tables import PREDICTIONS as SCHEMA
from qa_trainer.tables import REJECTS

PRODUCER = "qa-trainer sft"
_FIXED_BY_STATE = ("learning_rate", "weight_decay", "freeze", "lora_rank", "lora_alpha")
"""Settings that live in the optimizer's state: another value would silently be ignored."""


@dataclass(frozen=True)
class SFTInputs:
    """What a run reads.

    Attributes
    ----------
    questions : Path
        Table `questions`: a file or its folder.
    store : Path
        Folder of the frames.
    model : str
        `tiny`, a folder, or a hub id.
    state_from : Path, optional
        Output folder of the run that this one continues.
    """

    questions: Path
    store: Path
    model: str
    state_from: Path | None = None


@dataclass(frozen=True)
class SFTSummary:
    """The outcome of a run, as in its manifest.

    Attributes
    ----------
    out : str
    run_id, model_id : str
    already_complete : bool
        Nothing was done, because the folder holds this run.
    global_step : int
        Optimizer steps, those of the runs that it continues included.
    questions, rejects, predictions : int
        Usable questions, refused ones, rows of `predictions`.
    loss : list of float
        Mean negative log-probability of the answer tokens, per step.
    seconds : float
    """

    out: str
    run_id: str
    model_id: str
    already_complete: bool
    global_step: int
    questions: int
    rejects: int
    predictions: int
    loss: list[float]
    seconds: float


def run_sft(
    inputs: SFTInputs, settings: SFTSettings, out: Path, *, force: bool, report: Callable[[str], None]
) -> SFTSummary:
    """Train on the questions of a table and write model, state, predictions and manifest.

    Parameters
    ----------
    inputs : SFTInputs
    settings : SFTSettings
    out : Path
        Folder of the run. A killed run goes on from its last checkpoint, a complete one is left alone.
    force : bool
        Start again whatever `out` holds.
    report : callable
        Takes a line of progress.

    Raises
    ------
    QATrainerError, TableError
        The inputs or `out` cannot be used.
    """
    started = time.perf_counter()
    model = resolve_model(inputs.model)
    if settings.lora_rank is not None:
        check_peft()
    # The cheap checks come first: a missing table, then another run's folder.
    hashes: dict[str, str | None] = {"questions": _table_hash(inputs.questions, "questions")}
    hashes |= {table: _table_hash(inputs.store, table, optional=True) for table in ("frames", "frame_sets")}
    hashes["model"] = model_hash(model)
    state = None if inputs.state_from is None else _read_state(inputs.state_from, settings, hashes["model"])
    hashes["state"] = None if state is None else f"{state['run_id']}@{state['global_step']}"
    identity = {"settings": settings.content(), "inputs": hashes}
    metadata = table_metadata("predictions", PRODUCER, identity, settings.seed)
    with open_run(out, identity, force=force) as folder:
        if folder.status == "complete":
            folder.tidy()
            return _summary_of(folder)
        samples = load_samples(inputs.questions, inputs.store)
        _report_shares(samples, settings, report)
        folder.begin(identity, settings.to_toml())
        rejects_metadata = table_metadata("rejects", PRODUCER, identity, settings.seed)
        write_table(samples.rejects, folder.path / "rejects.parquet", REJECTS, rejects_metadata)
        return _train(inputs, settings, folder, samples, model, state, metadata, report, started)


def _train(
    inputs: SFTInputs,
    settings: SFTSettings,
    folder: RunFolder,
    samples: Samples,
    model: Path,
    state: dict[str, Any] | None,
    metadata: dict[str, str],
    report: Callable[[str], None],
    started: float,
) -> SFTSummary:
    """Train, and turn the last checkpoint into the outputs."""
    from qa_trainer.quiet import quiet_libraries

    quiet_libraries()
    from qa_trainer.sft import SFTRun, train

    run = SFTRun(
        samples=samples,
        model=model,
        start_step=0 if state is None else state["global_step"],
        state=None if inputs.state_from is None else inputs.state_from / "state",
        adapter=None if inputs.state_from is None else inputs.state_from / ADAPTER,
        run_id=metadata["run_id"],
        model_id=metadata["run_id"],
        metadata=metadata,
    )
    result = train(run, settings, folder, report=report)
    predictions = read_table(result.checkpoint / PREDICTIONS, "predictions", SCHEMA)
    summary = SFTSummary(
        out=str(folder.path),
        run_id=run.run_id,
        model_id=run.model_id,
        already_complete=False,
        global_step=result.global_step,
        questions=len(samples),
        rejects=len(samples.rejects),
        predictions=len(predictions),
        loss=_loss_per_step(predictions),
        seconds=round(time.perf_counter() - started, 3),
    )
    belongs_to = result.checkpoint if settings.lora_rank is None else model
    new_state = {"run_id": run.run_id, "global_step": result.global_step, "model": model_hash(belongs_to)}
    new_state |= {name: settings.content()[name] for name in _FIXED_BY_STATE}
    manifest = {
        **asdict(summary),
        "producer": PRODUCER,
        "inputs": {name: None if value is None else str(value) for name, value in asdict(inputs).items()},
        "settings": settings.model_dump(mode="json"),
        "resumed_at": result.resumed_at,
        "device": result.device,
        "recorder_seconds": round(result.recorder_s, 3),
        "platform": platform.platform(),
        "versions": {name: version(name) for name in ("qa-trainer", "torch", "transformers", "trl")},
    }
    folder.finish(result.checkpoint, new_state, manifest)
    return summary


def _read_state(state_from: Path, settings: SFTSettings, model: str | None) -> dict[str, Any]:
    """Read what the earlier run left, and check that this run continues it."""
    path = Path(state_from) / "state" / "state.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise QATrainerError(
            f"--state-from {state_from}: no state/state.json; give the --out folder of a complete 'qa-trainer sft' run."
        ) from error
    if state["model"] != model:
        raise QATrainerError(
            f"--state-from {state_from}: the optimizer state belongs to other weights than --model. "
            f"Pass --model {Path(state_from) / 'model'} (with --lora-rank: the model that the adapter is for), "
            "or leave --state-from out."
        )
    wanted = settings.content()
    for name in _FIXED_BY_STATE:
        if state.get(name, wanted[name]) != wanted[name]:
            raise QATrainerError(
                f"--state-from {state_from}: its optimizer runs with {name} {state[name]}, asked for {wanted[name]}. "
                f"Pass the same {name}, or leave --state-from out to start a new optimizer."
            )
    return state


def _report_shares(samples: Samples, settings: SFTSettings, report: Callable[[str], None]) -> None:
    """Say when questions are refused, repeated or left over."""
    wanted = settings.steps * settings.batch_size
    for reason, count in samples.rejects["reason"].value_counts(sort=True).iter_rows():
        report(f"{count} questions refused: {reason}")
    if wanted > len(samples):
        report(f"{settings.steps} steps of {settings.batch_size} need {wanted} questions: the {len(samples)} repeat")
    elif wanted < len(samples):
        report(f"{settings.steps} steps of {settings.batch_size} use the first {wanted} of {len(samples)} questions")


def _loss_per_step(predictions: pl.DataFrame) -> list[float]:
    """Mean negative log-probability of all answer tokens of each step, which is the training loss."""
    tokens = predictions.select("step", "token_logprobs").explode("token_logprobs", empty_as_null=True)
    means = tokens.group_by("step", maintain_order=True).agg(-pl.col("token_logprobs").cast(pl.Float64).mean())
    return [round(value, 6) for value in means["token_logprobs"]]


def _summary_of(folder: RunFolder) -> SFTSummary:
    """Read the summary of a complete run."""
    manifest = json.loads((folder.path / "manifest.json").read_text(encoding="utf-8"))
    fields = {name: manifest[name] for name in SFTSummary.__dataclass_fields__}
    return SFTSummary(**{**fields, "out": str(folder.path), "already_complete": True})


def _table_hash(source: Path, table: str, *, optional: bool = False) -> str | None:
    """Hash the files of a table."""
    try:
        files = table_files(source, table)
    except TableError:
        if optional:
            return None
        raise
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
