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
from typing import Any

import numpy as np
import polars as pl
from qa_contract.files import write_json
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import REJECTS

from qa_trainer.data.leakage import refuse_benchmark_scenes
from qa_trainer.data.questions import Samples, load_samples, table_hash
from qa_trainer.errors import QATrainerError
from qa_trainer.grpo.columns import partners, true_maps
from qa_trainer.grpo.settings import GRPOSettings
from qa_trainer.models.loading import model_hash, resolve_model
from qa_trainer.models.lora import check_peft
from qa_trainer.rewards.cognitive_map import REQUEST
from qa_trainer.runs.folder import RunFolder, open_run
from qa_trainer.runs.reporter import Reporter, Silent

PRODUCER = "qa-trainer grpo"
_SERVER_S = 10.0
"""How long a server may take to say that it is there."""


@dataclass(frozen=True, kw_only=True)
class GRPOInputs:
    """What a run reads: table `questions`, store of the frames, and `tiny`, a folder or a hub id as the model."""

    model: str
    questions: Path
    store: Path


@dataclass(frozen=True)
class GRPOSummary:
    """The outcome: identity, questions used and refused, mean reward of the first and the last tenth, seconds."""

    run_id: str
    already_complete: bool
    questions: int
    rejects: int
    reward_first: float
    reward_last: float
    seconds: float


def train_grpo(
    inputs: GRPOInputs,
    settings: GRPOSettings,
    out: Path,
    *,
    force: bool = False,
    reporter: Reporter | None = None,
) -> GRPOSummary:
    """Train and write `model/`, `rewards.json`, `rejects.parquet` and `manifest.json` to `out`.

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

    Raises
    ------
    QATrainerError, TableError
        The inputs or `out` cannot be used, or training failed.
    """
    started = time.perf_counter()
    reporter = reporter or Silent()
    from qa_trainer.models.quiet import quiet_libraries

    quiet_libraries()
    from qa_trainer.grpo.train import check_rewards

    check_rewards(settings.rewards)
    if settings.lora_rank is not None:
        check_peft()
    model = resolve_model(inputs.model)
    hashes = {"questions": table_hash(inputs.questions, "questions"), "model": model_hash(model)}
    tables = ("frames", "frame_sets", "objects")
    hashes |= {table: table_hash(inputs.store, table, optional=True) for table in tables}
    identity = {"settings": settings.content(), "inputs": hashes}
    with open_run(out, identity, force=force) as folder:
        if folder.status == "complete":
            folder.tidy()
            return _summary_of(folder)
        if settings.vllm_server_url is not None:
            check_server(settings.vllm_server_url)
        samples = _samples(inputs, settings, reporter)
        return _train(inputs, settings, folder, samples, model, identity, reporter, started)


def _train(
    inputs: GRPOInputs,
    settings: GRPOSettings,
    folder: RunFolder,
    samples: Samples,
    model: Path,
    identity: dict[str, object],
    reporter: Reporter,
    started: float,
) -> GRPOSummary:
    """Train, and turn the last checkpoint into the outputs."""
    from qa_trainer.grpo.train import train

    pairs = partners(samples, inputs.questions)
    if "consistency" in settings.rewards:
        # Partners have to be in one batch.
        order = pairs.with_row_index("row").sort(pl.col("row").min().over("group"), "row")["row"]
        samples, pairs = replace(samples, rows=samples.rows[order]), pairs[order]
    cells = true_maps(samples, inputs.store) if "cognitive_map" in settings.rewards else [None] * len(samples)
    extra = pairs.select("pair_id").with_columns(cells=pl.Series(cells, dtype=pl.String))
    metadata = table_metadata("rejects", PRODUCER, identity, settings.seed)
    folder.begin(identity, settings.to_toml())
    rejects = samples.rejects.with_columns(stage=pl.lit("grpo"))
    write_table(rejects, folder.path / "rejects.parquet", REJECTS, metadata)
    result = train(samples, extra, model, settings, folder, reporter=reporter)
    write_json(folder.path / "rewards.json", {"steps": result.rewards})
    rewards = np.array([step["reward"] for step in result.rewards])
    tenth = max(1, len(rewards) // 10)
    summary = GRPOSummary(
        run_id=metadata["run_id"],
        already_complete=False,
        questions=len(samples),
        rejects=len(samples.rejects),
        reward_first=round(float(rewards[:tenth].mean()), 4),
        reward_last=round(float(rewards[-tenth:].mean()), 4),
        seconds=round(time.perf_counter() - started, 3),
    )
    manifest = {
        **asdict(summary),
        "producer": PRODUCER,
        "inputs": {name: str(value) for name, value in asdict(inputs).items()},
        "settings": settings.model_dump(mode="json"),
        "resumed_at": result.resumed_at,
        "device": result.device,
        "platform": platform.platform(),
        "versions": {name: version(name) for name in ("qa-trainer", "torch", "transformers", "trl")},
    }
    folder.finish(result.checkpoint, None, manifest)
    return summary


def _samples(inputs: GRPOInputs, settings: GRPOSettings, reporter: Reporter) -> Samples:
    """Read the questions, and refuse scenes that benchmarks test on."""
    samples = load_samples(inputs.questions, inputs.store)
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

    samples = _samples(inputs, settings, Silent())
    request = REQUEST if "cognitive_map" in settings.rewards else None
    return preview(single("questions", samples, first=0, count=1), resolve_model(inputs.model), request=request)


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
