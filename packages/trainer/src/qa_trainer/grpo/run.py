"""One `qa-trainer grpo` run: check the inputs, train or go on training, and write the outputs."""

from __future__ import annotations

import importlib.util
import json
import platform
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from qa_contract.files import write_json
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import OBJECTS, QUESTIONS, REJECTS

from qa_trainer.data.leakage import refuse_benchmark_scenes
from qa_trainer.data.questions import Samples, load_samples, table_hash
from qa_trainer.errors import QATrainerError
from qa_trainer.grpo.settings import GRPOSettings
from qa_trainer.models.loading import model_hash, resolve_model
from qa_trainer.models.lora import check_peft
from qa_trainer.rewards.cognitive_map import GRID, REQUEST
from qa_trainer.rewards.consistency import option_texts
from qa_trainer.runs.folder import RunFolder, open_run
from qa_trainer.runs.reporter import Reporter, Silent

PRODUCER = "qa-trainer grpo"
_SERVER_S = 10.0
"""How long a server may take to say that it is there."""


@dataclass(frozen=True)
class GRPOInputs:
    """What a run reads: table `questions`, store of the frames, and `tiny`, a folder or a hub id as the model."""

    questions: Path
    store: Path
    model: str


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

    pairs = _pairs(samples, inputs.questions)
    if "consistency" in settings.rewards:
        # Partners have to be in one batch.
        order = pairs.with_row_index("row").sort(pl.col("row").min().over("group"), "row")["row"]
        samples, pairs = replace(samples, rows=samples.rows[order]), pairs[order]
    cells = _cells(samples, inputs.store) if "cognitive_map" in settings.rewards else [None] * len(samples)
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


def _pairs(samples: Samples, questions: Path) -> pl.DataFrame:
    """Find questions whose answers have to fit together: columns `group`, and `pair_id` where it is shared.

    They are of one type, about the same objects of one scene, and have the same answer (two views of one thing) or the
    same two options (a question and its inverse).
    """
    asked = read_table(questions, "questions", QUESTIONS, columns=["question_id", "operands"])
    objects = pl.col("operands").list.eval(pl.element().struct.field("instance_ids").list.first()).list.sort()
    asked = asked.select("question_id", objects=objects.cast(pl.List(pl.String)).list.join(","))
    options = samples.rows["options"].to_list()
    answers = [
        truth if listed is None else _meaning(truth, option_texts(listed))
        for truth, listed in zip(samples.rows["ground_truth"], options, strict=True)
    ]
    keyed = samples.rows.with_columns(answer=pl.Series(answers)).join(
        asked, on="question_id", how="left", maintain_order="left"
    )
    key = pl.concat_str("scene_name", "question_type", "objects", "answer", separator="|")
    keyed = keyed.select(group=pl.coalesce(key, "question_id"))
    return keyed.with_columns(pair_id=pl.when(pl.len().over("group") > 1).then("group"))


def _meaning(truth: str, texts: Mapping[str, str]) -> str:
    """Say what the answer to a choice has in common with those that it has to fit."""
    return " or ".join(sorted(texts.values())) if len(texts) == 2 else texts.get(truth.lower(), truth)


def _cells(samples: Samples, store: Path) -> list[str | None]:
    """Draw the true map of every question's scene: JSON of category to cells, as `cognitive_map` reads it."""
    objects = read_table(store, "objects", OBJECTS, columns=["scene_name", "category", "center"])
    maps: dict[str, str] = {}
    for (scene,), group in objects.group_by("scene_name"):
        places = np.array(group["center"].to_list())[:, :2]
        low, span = places.min(axis=0), np.ptp(places, axis=0).max()
        grid = np.floor((places - low) / (span or 1.0) * (GRID - 1) + 0.5).astype(int)
        drawn: dict[str, list[list[int]]] = {}
        for category, cell in zip(group["category"], grid.tolist(), strict=True):
            drawn.setdefault(category, []).append(cell)
        maps[str(scene)] = json.dumps(drawn, sort_keys=True)
    return [maps.get(scene) for scene in samples.rows["scene_name"]]
