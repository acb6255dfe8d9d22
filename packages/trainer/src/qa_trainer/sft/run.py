"""One `qa-trainer sft` run: check the inputs, train or go on training, and write the outputs."""

from __future__ import annotations

import json
import math
import platform
import time
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.features import features_digest, features_in
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import METRICS, PREDICTIONS, REJECTS

from qa_trainer.data.features import GivenFeatures, with_features
from qa_trainer.data.feed import Feed, mixed, single
from qa_trainer.data.leakage import refuse_benchmark_scenes
from qa_trainer.data.mixture import Mixture, read_mixture
from qa_trainer.data.questions import Samples, load_samples, table_hash
from qa_trainer.data.window import within_window
from qa_trainer.errors import QATrainerError
from qa_trainer.models.loading import load_processor, model_hash, resolve_model, window_of
from qa_trainer.models.lora import ADAPTER, check_peft
from qa_trainer.runs.folder import METRICS as METRICS_FILE
from qa_trainer.runs.folder import PREDICTIONS as PREDICTIONS_FILE
from qa_trainer.runs.folder import RunFolder, open_run
from qa_trainer.runs.processes import Team, is_sharded, join
from qa_trainer.runs.reporter import Reporter, Silent
from qa_trainer.runs.state import check_schedule, new_state, read_state
from qa_trainer.settings.sft import SFTSettings

PRODUCER = "qa-trainer sft"


@dataclass(frozen=True, kw_only=True)
class SFTInputs:
    """What a run reads.

    Attributes
    ----------
    model : str
        `tiny`, a folder, or a hub id.
    questions : Path, optional
        Table `questions`: a file or its folder.
    store : Path, optional
        Folder of the frames.
    state_from : Path, optional
        Output folder of the run that this one continues.
    mixture : Path, optional
        Mixture file; without one only the questions are trained on.
    features : Path, optional
        Folder of `sample-frames --features`: what the geometry encoder makes of the frames is read there.
    """

    model: str
    questions: Path | None = None
    store: Path | None = None
    state_from: Path | None = None
    mixture: Path | None = None
    features: Path | None = None


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
        Usable questions, refused rows, rows of `predictions`.
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


@dataclass(frozen=True)
class _Job:
    """What the main process has found out and every process needs."""

    folder: RunFolder
    feed: Feed
    model: Path
    settings: SFTSettings
    start_step: int
    identity: dict[str, Any]
    started: float
    features: GivenFeatures | None


def train_sft(
    inputs: SFTInputs,
    settings: SFTSettings,
    out: Path,
    *,
    force: bool = False,
    reporter: Reporter | None = None,
) -> SFTSummary | None:
    """Train on the questions of a table and write model, state, predictions, metrics and manifest.

    Parameters
    ----------
    inputs : SFTInputs
    settings : SFTSettings
    out : Path
        Folder of the run. A killed run goes on from its last checkpoint, a complete one is left alone.
    force : bool
        Start again whatever `out` holds.
    reporter : Reporter, optional
        Takes progress.

    Returns
    -------
    SFTSummary or None
        None in the processes of a launcher that only help the main one.

    Raises
    ------
    QATrainerError, TableError
        The inputs or `out` cannot be used.
    """
    from qa_trainer.models.quiet import quiet_libraries

    started = time.perf_counter()
    reporter = reporter or Silent()
    team = join(device=settings.device)
    if not team.is_main:
        job: _Job | None = team.share()
        if job is not None:
            quiet_libraries()
            _train(inputs, job, team, Silent())
        team.leave()
        return None
    model = resolve_model(inputs.model)
    if settings.lora_rank is not None:
        check_peft()
    mixture = None if inputs.mixture is None else read_mixture(inputs.mixture)
    _check_sources(inputs, mixture)
    # The cheap checks come first: a missing table, then another run's folder.
    hashes: dict[str, Any] = {}
    if inputs.questions is not None and inputs.store is not None:
        hashes["questions"] = table_hash(inputs.questions, "questions")
        hashes |= {table: table_hash(inputs.store, table, optional=True) for table in ("frames", "frame_sets")}
    if mixture is not None:
        hashes["mixture"] = mixture.identity()
    if inputs.features is not None:
        hashes["features"] = features_digest(features_in(inputs.features))
    hashes["model"] = model_hash(model)
    state = (
        None if inputs.state_from is None else read_state(inputs.state_from, settings, hashes["model"], command="sft")
    )
    hashes["state"] = None if state is None else f"{state['run_id']}@{state['global_step']}"
    start_step = 0 if state is None else state["global_step"]
    if settings.epochs is None:
        check_schedule(settings, start_step + settings.steps)
    identity = {"settings": settings.content(), "inputs": hashes}
    with open_run(out, identity, force=force) as folder:
        if folder.status == "complete":
            folder.tidy()
            team.share(None)
            team.leave()
            return _summary_of(folder)
        quiet_libraries()
        if settings.report_to:
            from qa_trainer.sft.train import check_reporters

            check_reporters(settings.report_to)
        feed, features = _feed(inputs, mixture, settings, start_step, model=model)
        if settings.epochs is not None:
            settings = settings.model_copy(update={"steps": len(feed) // settings.batch_size})
            check_schedule(settings, start_step + settings.steps)
        for line in _check_leaks(feed, settings):
            reporter.say(line)
        _report_shares(feed, settings, reporter)
        from qa_trainer.estimate.advice import describe, settle_for_this_machine

        samples = [source for source in feed.sources if isinstance(source, Samples)]
        settings, needs = settle_for_this_machine(
            model, settings, samples, reporter, processes=team.count, sharded=is_sharded()
        )
        if needs is not None:
            reporter.say(describe(needs, settings, processes=team.count))
        folder.begin(identity, settings.to_toml())
        rejects_metadata = table_metadata("rejects", PRODUCER, identity, settings.seed)
        rejects = pl.concat([source.rejects for source in feed.sources])
        write_table(rejects, folder.path / "rejects.parquet", REJECTS, rejects_metadata)
        job = team.share(_Job(folder, feed, model, settings, start_step, identity, started, features))
        summary = _train(inputs, job, team, reporter)
        team.leave()
        return summary


def _train(inputs: SFTInputs, job: _Job, team: Team, reporter: Reporter) -> SFTSummary | None:
    """Train, and in the main process turn the last checkpoint into the outputs."""
    settings = job.settings
    from qa_trainer.sft.train import SFTRun, train

    metadata = {
        table: table_metadata(table, PRODUCER, job.identity, settings.seed) for table in ("predictions", "metrics")
    }
    run = SFTRun(
        feed=job.feed,
        features=job.features,
        model=job.model,
        start_step=job.start_step,
        last_step=job.start_step + settings.steps,
        state=None if inputs.state_from is None else inputs.state_from / "state",
        adapter=None if inputs.state_from is None else inputs.state_from / ADAPTER,
        run_id=metadata["predictions"]["run_id"],
        metadata=metadata,
    )
    result = train(run, settings, job.folder, team=team, reporter=reporter)
    if not team.is_main:
        return None
    predictions = read_table(result.checkpoint / PREDICTIONS_FILE, "predictions", PREDICTIONS)
    metrics = read_table(result.checkpoint / METRICS_FILE, "metrics", METRICS)
    summary = SFTSummary(
        out=str(job.folder.path),
        run_id=run.run_id,
        model_id=run.run_id,
        already_complete=False,
        global_step=run.last_step,
        questions=job.feed.questions,
        rejects=sum(len(source.rejects) for source in job.feed.sources),
        predictions=len(predictions),
        loss=[round(value, 6) for value in metrics["loss"]],
        seconds=round(time.perf_counter() - job.started, 3),
    )
    belongs_to = result.checkpoint if settings.lora_rank is None else job.model
    left = new_state(settings, command="sft", run_id=run.run_id, last_step=run.last_step, model=model_hash(belongs_to))
    used = job.feed.used()
    manifest = {
        **asdict(summary),
        "producer": PRODUCER,
        "inputs": {name: None if value is None else str(value) for name, value in asdict(inputs).items()},
        "hashes": job.identity["inputs"],
        "sources": {
            label: {"rows": len(source), "used": used[label]}
            for label, source in zip(job.feed.labels, job.feed.sources, strict=True)
        },
        "settings": settings.model_dump(mode="json"),
        "processes": team.count,
        "resumed_at": result.resumed_at,
        "device": result.device,
        "attention": result.attention,
        "recorder_seconds": round(metrics["recorder_seconds"].sum(), 3),
        "platform": platform.platform(),
        "versions": {name: version(name) for name in ("qa-trainer", "torch", "transformers", "trl")},
    }
    job.folder.finish(result.checkpoint, left, manifest)
    return summary


def _check_sources(inputs: SFTInputs, mixture: Mixture | None) -> None:
    """Refuse a call that says too little or too much about what to train on.

    Raises
    ------
    QATrainerError
    """
    if mixture is not None and inputs.features is not None:
        raise QATrainerError("--features are of the frames of one store; a mixture is trained without them.")
    given = inputs.questions is not None, inputs.store is not None
    if mixture is None or mixture.needs_questions:
        if not all(given):
            asked_by = "sft" if mixture is None else f"{inputs.mixture}: a source without paths"
            raise QATrainerError(f"{asked_by} needs QUESTIONS and --store.")
    elif any(given):
        raise QATrainerError(
            f"{inputs.mixture}: every source has paths of its own, so QUESTIONS and --store would not be used. "
            "Leave them out, or remove the paths of one source."
        )


def read_feed(inputs: SFTInputs, settings: SFTSettings) -> Feed:
    """Read what a run without earlier rounds would be fed.

    Raises
    ------
    QATrainerError, TableError
        The inputs cannot be used.
    """
    mixture = None if inputs.mixture is None else read_mixture(inputs.mixture)
    _check_sources(inputs, mixture)
    feed, _ = _feed(inputs, mixture, settings, start_step=0, model=resolve_model(inputs.model))
    _check_leaks(feed, settings)
    return feed


def _check_leaks(feed: Feed, settings: SFTSettings) -> list[str]:
    """Refuse questions about scenes that benchmarks test on; where they are allowed, give a line that says so."""
    names = [source.rows["scene_name"] for source in feed.sources if isinstance(source, Samples)]
    return refuse_benchmark_scenes(pl.concat(names), allowed=settings.allow_benchmark_scenes) if names else []


def _feed(
    inputs: SFTInputs, mixture: Mixture | None, settings: SFTSettings, start_step: int, *, model: Path
) -> tuple[Feed, GivenFeatures | None]:
    """Read everything that is trained on and fits the model's window, and put it in order."""
    processor, limit = load_processor(model, settings), window_of(model)
    first, steps = start_step * settings.batch_size, settings.steps
    own: Samples | None = None
    as_video = settings.frame_input == "video"
    if as_video and mixture is not None and any(spec.questions for spec in mixture.source):
        raise QATrainerError(
            "--frame-input video shows the questions of --store; a source with a store of its own has images."
        )
    if inputs.questions is not None and inputs.store is not None:
        own = within_window(load_samples(inputs.questions, inputs.store, as_video=as_video), processor, limit)
    features: GivenFeatures | None = None
    if own is not None and inputs.features is not None:
        own, features = with_features(own, inputs.features)
    if mixture is None:
        assert own is not None
        if settings.epochs is not None:
            steps = math.ceil(settings.epochs * len(own) / settings.batch_size)
        return single("questions", own, first=first, count=steps * settings.batch_size), features
    if settings.epochs is not None:
        raise QATrainerError("--epochs counts passes over one table of questions; a mixture needs --steps.")
    loaded = {name: within_window(source, processor, limit) for name, source in mixture.load().items()}
    sources = [(spec.name, spec.share, loaded.get(spec.name, own)) for spec in mixture.source]
    filled = [(name, share, source) for name, share, source in sources if source is not None]
    count = steps * settings.batch_size
    feed = mixed(filled, first=first, count=count, batch_size=settings.batch_size, seed=settings.seed)
    return feed, None


def _report_shares(feed: Feed, settings: SFTSettings, reporter: Reporter) -> None:
    """Say when rows are refused, repeated or left over."""
    rejects = pl.concat([source.rejects for source in feed.sources])
    for reason, count in rejects["reason"].value_counts(sort=True).iter_rows():
        reporter.say(f"{count} questions refused: {reason}")
    steps, used = f"{settings.steps} steps of {settings.batch_size}", feed.used()
    for label, source in zip(feed.labels, feed.sources, strict=True):
        have, wanted = len(source), used[label]
        if wanted > have:
            reporter.say(f"{steps} need {wanted} {label}: the {have} repeat")
        elif wanted < have and isinstance(source, Samples):
            reporter.say(f"{steps} use the first {wanted} of {have} {label}")
        elif len(feed.sources) > 1:
            reporter.say(f"{steps} use {wanted} of {have} {label}")


def _summary_of(folder: RunFolder) -> SFTSummary:
    """Read the summary of a complete run."""
    manifest = json.loads((folder.path / "manifest.json").read_text(encoding="utf-8"))
    fields = {name: manifest[name] for name in SFTSummary.__dataclass_fields__}
    return replace(SFTSummary(**fields), out=str(folder.path), already_complete=True)
