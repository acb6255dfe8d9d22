"""One `qa-trainer grpo` run: check the inputs, train or go on training, and write the outputs."""

from __future__ import annotations

import importlib.util
import json
import platform
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from qa_contract.features import features_digest, features_in
from qa_contract.files import write_json
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import METRICS, PREDICTIONS, REJECTS

from qa_trainer.data.features import GivenFeatures, with_features
from qa_trainer.data.leakage import refuse_benchmark_scenes
from qa_trainer.data.questions import Samples, load_samples, table_hash
from qa_trainer.data.window import within_window
from qa_trainer.errors import QATrainerError
from qa_trainer.grpo.columns import partners, true_maps
from qa_trainer.models.loading import load_processor, model_hash, resolve_model, window_of
from qa_trainer.models.lora import ADAPTER, check_peft
from qa_trainer.rewards.cognitive_map import REQUEST
from qa_trainer.runs.folder import METRICS as METRICS_FILE
from qa_trainer.runs.folder import PREDICTIONS as PREDICTIONS_FILE
from qa_trainer.runs.folder import RunFolder, open_run
from qa_trainer.runs.processes import Team, is_sharded, join
from qa_trainer.runs.reporter import Reporter, Silent
from qa_trainer.runs.state import check_schedule, new_state, read_state
from qa_trainer.settings.grpo import GRPOSettings

if TYPE_CHECKING:
    from qa_trainer.grpo.train import GRPORun

PRODUCER = "qa-trainer grpo"
_SERVER_S = 10.0
"""How long a server may take to say that it is there."""


@dataclass(frozen=True, kw_only=True)
class GRPOInputs:
    """What a run reads.

    Attributes
    ----------
    model : str
        `tiny`, a folder, or a hub id.
    questions : Path
        Table `questions`: a file or its folder.
    store : Path
        Folder of the frames.
    state_from : Path, optional
        Output folder of the run of `grpo` that this one continues.
    features : Path, optional
        Folder of `sample-frames --features`.
    """

    model: str
    questions: Path
    store: Path
    state_from: Path | None = None
    features: Path | None = None


@dataclass(frozen=True)
class _Job:
    """What the main process has found out and every process needs."""

    folder: RunFolder
    run: GRPORun
    settings: GRPOSettings
    started: float


@dataclass(frozen=True)
class GRPOSummary:
    """The outcome of a run, as in its manifest.

    Attributes
    ----------
    run_id, model_id : str
    already_complete : bool
        Nothing was done, because the folder holds this run.
    global_step : int
        Optimizer steps, those of the runs that it continues included.
    questions, rejects, predictions : int
        Usable questions, refused rows, rows of `predictions`.
    equal_groups : int
        Questions whose completions all got the same reward.
    reward_first, reward_last : float or None
        Mean reward of the first and of the last tenth of the steps; None where no reward applied.
    seconds : float
    """

    run_id: str
    model_id: str
    already_complete: bool
    global_step: int
    questions: int
    rejects: int
    predictions: int
    equal_groups: int
    reward_first: float | None
    reward_last: float | None
    seconds: float


def train_grpo(
    inputs: GRPOInputs,
    settings: GRPOSettings,
    out: Path,
    *,
    force: bool = False,
    reporter: Reporter | None = None,
) -> GRPOSummary | None:
    """Train and write model, state, `predictions`, `metrics`, `rewards.json`, `rejects` and `manifest.json` to `out`.

    Parameters
    ----------
    inputs : GRPOInputs
    settings : GRPOSettings
    out : Path
        Folder of the run. A killed run goes on from its last checkpoint, a complete one is left alone.
    force : bool
        Start again whatever `out` holds.
    reporter : Reporter, optional
        Takes progress.

    Returns
    -------
    GRPOSummary or None
        None in the processes of a launcher that only help the main one.

    Raises
    ------
    QATrainerError, TableError
        The inputs or `out` cannot be used, or training failed.
    """
    started = time.perf_counter()
    reporter = reporter or Silent()
    from qa_trainer.models.quiet import quiet_libraries

    quiet_libraries()
    team = join(device=settings.device)
    if not team.is_main:
        job: _Job | None = team.share()
        if job is not None:
            _train(inputs, job, team, Silent())
        team.leave()
        return None
    if is_sharded():
        raise QATrainerError("grpo under FSDP or ZeRO-3 is not supported: every process generates with a whole model.")
    if settings.batch_size % team.count:
        raise QATrainerError(
            f"batch_size {settings.batch_size} is not a multiple of {team.count} processes: the completions of a "
            "question stay in one of them. Choose another --batch-size."
        )
    from qa_trainer.grpo.train import check_rewards

    check_rewards(settings.rewards)
    if settings.lora_rank is not None:
        check_peft()
    model = resolve_model(inputs.model)
    hashes = {"questions": table_hash(inputs.questions, "questions"), "model": model_hash(model)}
    tables = ("frames", "frame_sets", "objects")
    hashes |= {table: table_hash(inputs.store, table, optional=True) for table in tables}
    if inputs.features is not None:
        hashes["features"] = features_digest(features_in(inputs.features))
    state = None
    if inputs.state_from is not None:
        state = read_state(inputs.state_from, settings, hashes["model"], command="grpo")
        hashes["state"] = f"{state['run_id']}@{state['global_step']}"
    start_step = 0 if state is None else state["global_step"]
    check_schedule(settings, start_step + settings.steps)
    identity = {"settings": settings.content(), "inputs": hashes}
    with open_run(out, identity, force=force) as folder:
        if folder.status == "complete":
            folder.tidy()
            team.share(None)
            team.leave()
            return _summary_of(folder)
        if settings.vllm_server_url is not None:
            check_server(settings.vllm_server_url)
        samples = _samples(inputs, settings, reporter, model=model)
        from qa_trainer.estimate.advice import describe, settle_for_this_machine

        settings, needs = settle_for_this_machine(
            model, settings, [samples], reporter, processes=team.count, sharded=False
        )
        if needs is not None:
            reporter.say(describe(needs, settings, processes=team.count))
        run = _run(inputs, settings, samples, model, identity, start_step)
        folder.begin(identity, settings.to_toml())
        rejects = run.samples.rejects.with_columns(stage=pl.lit("grpo"))
        write_table(rejects, folder.path / "rejects.parquet", REJECTS, run.metadata["rejects"])
        job = team.share(_Job(folder, run, settings, started))
        summary = _train(inputs, job, team, reporter)
        team.leave()
        return summary


def _run(
    inputs: GRPOInputs,
    settings: GRPOSettings,
    samples: Samples,
    model: Path,
    identity: dict[str, object],
    start_step: int,
) -> GRPORun:
    """Put together what every process needs."""
    from qa_trainer.grpo.train import GRPORun

    features: GivenFeatures | None = None
    if inputs.features is not None:
        samples, features = with_features(samples, inputs.features)
    pairs = partners(samples, inputs.questions)
    if "consistency" in settings.rewards:
        # Partners have to be in one batch.
        order = pairs.with_row_index("row").sort(pl.col("row").min().over("group"), "row")["row"]
        samples, pairs = replace(samples, rows=samples.rows[order]), pairs[order]
    cells = true_maps(samples, inputs.store) if "cognitive_map" in settings.rewards else [None] * len(samples)
    extra = pairs.select("pair_id").with_columns(
        cells=pl.Series(cells, dtype=pl.String), reasons=pl.lit(settings.ask_steps)
    )
    metadata = {
        table: table_metadata(table, PRODUCER, identity, settings.seed)
        for table in ("rejects", "predictions", "metrics")
    }
    state_from = inputs.state_from
    return GRPORun(
        samples=samples,
        extra=extra,
        model=model,
        start_step=start_step,
        last_step=start_step + settings.steps,
        state=None if state_from is None else state_from / "state",
        adapter=None if state_from is None else state_from / ADAPTER,
        run_id=metadata["predictions"]["run_id"],
        metadata=metadata,
        features=features,
    )


def _train(inputs: GRPOInputs, job: _Job, team: Team, reporter: Reporter) -> GRPOSummary | None:
    """Train, and in the main process turn the last checkpoint into the outputs."""
    from qa_trainer.grpo.train import train

    run, settings, folder = job.run, job.settings, job.folder
    result = train(run, settings, folder, team=team, reporter=reporter)
    if not team.is_main:
        return None
    predictions = read_table(result.checkpoint / PREDICTIONS_FILE, "predictions", PREDICTIONS)
    metrics = read_table(result.checkpoint / METRICS_FILE, "metrics", METRICS)
    write_json(folder.path / "rewards.json", {"steps": result.rewards})
    tenth = max(1, len(result.rewards) // 10)
    summary = GRPOSummary(
        run_id=run.run_id,
        model_id=run.run_id,
        already_complete=False,
        global_step=run.last_step,
        questions=len(run.samples),
        rejects=len(run.samples.rejects),
        predictions=len(predictions),
        equal_groups=int(metrics["equal_groups"].sum()),
        reward_first=_mean_reward(result.rewards[:tenth]),
        reward_last=_mean_reward(result.rewards[-tenth:]),
        seconds=round(time.perf_counter() - job.started, 3),
    )
    manifest = {
        **asdict(summary),
        "producer": PRODUCER,
        "inputs": {name: None if value is None else str(value) for name, value in asdict(inputs).items()},
        "settings": settings.model_dump(mode="json"),
        "processes": team.count,
        "resumed_at": result.resumed_at,
        "device": result.device,
        "attention": result.attention,
        "platform": platform.platform(),
        "versions": {name: version(name) for name in ("qa-trainer", "torch", "transformers", "trl")},
    }
    belongs_to = result.checkpoint if settings.lora_rank is None else run.model
    left = new_state(settings, command="grpo", run_id=run.run_id, last_step=run.last_step, model=model_hash(belongs_to))
    folder.finish(result.checkpoint, left, manifest)
    return summary


def _mean_reward(steps: list[dict[str, float]]) -> float | None:
    """Average over the steps in which a reward applied."""
    found = [step["reward"] for step in steps if "reward" in step]
    return round(sum(found) / len(found), 4) if found else None


def _samples(inputs: GRPOInputs, settings: GRPOSettings, reporter: Reporter, *, model: Path) -> Samples:
    """Read the questions that fit the model's window, and refuse scenes that benchmarks test on."""
    samples = within_window(
        replace(
            load_samples(inputs.questions, inputs.store, as_video=settings.frame_input == "video"),
            ask_steps=settings.ask_steps,
        ),
        load_processor(model, settings),
        window_of(model),
        room=settings.max_completion_length,
        request="\n" + REQUEST if "cognitive_map" in settings.rewards else "",
    )
    for line in refuse_benchmark_scenes(samples.rows["scene_name"], allowed=settings.allow_benchmark_scenes):
        reporter.say(line)
    return samples


def preview_grpo(inputs: GRPOInputs, settings: GRPOSettings) -> dict[str, Any]:
    """Format the first sample of a run as the model gets it.

    Raises
    ------
    QATrainerError, TableError
        The inputs cannot be used.
    """
    from qa_trainer.data.feed import single
    from qa_trainer.data.preview import preview

    model = resolve_model(inputs.model)
    samples = _samples(inputs, settings, Silent(), model=model)
    request = REQUEST if "cognitive_map" in settings.rewards else None
    return preview(single("questions", samples, first=0, count=1), load_processor(model, settings), request=request)


def check_server(url: str) -> None:
    """Ask a vLLM server whether it is there, before a model is loaded.

    Raises
    ------
    QATrainerError
        It does not answer, or this machine has no vLLM, which TRL needs to send weights to the server.
    """
    try:
        # The server is named by the user; the settings allow http and https only.
        with urllib.request.urlopen(f"{url.rstrip('/')}/health/", timeout=_SERVER_S):
            pass
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise QATrainerError(
            f"--vllm-server-url {url}: no answer ({error}). Start one with 'trl vllm-serve --model MODEL', "
            "or leave the option out: then transformers makes the completions."
        ) from error
    if importlib.util.find_spec("vllm") is None:
        raise QATrainerError(
            f"--vllm-server-url {url}: TRL needs vLLM here, too, to send the weights. "
            "Install it with: pip install 'trl[vllm]'"
        )


def _summary_of(folder: RunFolder) -> GRPOSummary:
    """Read the summary of a complete run."""
    manifest = json.loads((folder.path / "manifest.json").read_text(encoding="utf-8"))
    fields = {name: manifest[name] for name in GRPOSummary.__dataclass_fields__}
    return GRPOSummary(**{**fields, "already_complete": True})
