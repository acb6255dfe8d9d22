"""Files of a finished run: tables, manifest, degradation curves."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.files import write_json
from qa_contract.tableio import with_every_column, write_table
from qa_contract.tables import PREDICTIONS, REJECTS, SCORES, Schema

from qa_eval.benchmarks import Benchmark
from qa_eval.parsers import Parser
from qa_eval.runners import Answer
from qa_eval.runners.replay import SOURCE_COLUMNS
from qa_eval.runs.degrade import area_under_curve
from qa_eval.runs.fingerprint import package_version
from qa_eval.runs.inputs import PRODUCER, RunInputs, RunOptions, RunResult
from qa_eval.scoring.answers import SCHEMA, Answers, Scored
from qa_eval.scoring.score import score_answers

SHARD: Schema = {**PREDICTIONS, "error": pl.String, "detail": pl.String}
"""Columns of the file of one finished batch: the predictions table, and why a row has no answer."""

CARRIED = ("question_id", "scene_name", "question_type", "frame_set_id", "prompt_id")
"""Columns that rows take over from their question."""

ANSWERED = (
    *("completion", "token_ids", "token_logprobs", "token_mask", "token_is_top1", "token_entropy"),
    *("option_logprobs", "frame_pixels", "error", "detail"),
)
"""Columns that rows take over from their answer."""


def prediction_rows(
    inputs: RunInputs, batch: Sequence[int], answers: Sequence[Answer], options: RunOptions, facts: Mapping[str, Any]
) -> pl.DataFrame:
    """Build the rows of a batch: question, answer, and what produced it.

    Parameters
    ----------
    inputs : RunInputs
    batch : sequence of int
        Rows of the questions.
    answers : sequence of Answer
        One per row of `batch`.
    options : RunOptions
    facts : mapping
        What the runner says about itself.
    """
    items = [inputs.items[i] for i in batch]
    run = {"run_id": inputs.metadata["run_id"], "model_id": inputs.config["model_id"], "runner": options.runner}
    run |= {"round": options.round, "step": None, "phase": "eval", "decoding": facts.get("decoding")}
    run |= {"dataset_revision": inputs.revision["sha256"]}
    run |= {"versions": ", ".join(f"{name} {version}" for name, version in inputs.versions.items())}
    columns: dict[str, Any] = {name: inputs.questions[name][list(batch)].to_list() for name in CARRIED}
    columns |= {name: [getattr(answer, name) for answer in answers] for name in ANSWERED}
    run["settings"] = json.dumps(dict(facts), sort_keys=True) if facts else None
    columns |= {name: [value] * len(batch) for name, value in run.items()}
    columns["frame_input"] = [item.frame_input for item in items]
    columns["frame_ids"] = [list(item.frame_ids) or None for item in items]
    columns["frame_fps"] = [None if item.clip is None else item.clip.rate for item in items]
    for name in SOURCE_COLUMNS:
        own = zip(answers, columns[name], strict=True)
        columns[name] = [answer.stored.get(name, value) for answer, value in own]
    return pl.DataFrame({name: columns[name] for name in SHARD}, schema=dict(SHARD))


def score_rows(inputs: RunInputs, rows: pl.DataFrame, benchmark: Benchmark, parser: Parser) -> Scored:
    """Score the rows of all questions, in their order; a row without a completion has no score and keeps its reason."""
    asked = inputs.questions.select(
        pl.col("question_id").alias("id"),
        *("question_type", "ground_truth", "options", "scene_name", pl.col("frame_set_id").alias("frames")),
        *(
            pl.col(n) if n in inputs.questions.columns else pl.lit(None, SCHEMA[n]).alias(n)
            for n in ("references", "group")
        ),
    )
    carried = [name for name in rows.columns if name not in asked.columns]
    answers = Answers.of(asked.hstack(rows.select(pl.col("completion").alias("prediction"), *carried)))
    frame = score_answers(answers, benchmark, parser).frame
    return Scored(frame.with_columns(pl.coalesce("error", "reason").alias("reason")))


def write_tables(out: Path, inputs: RunInputs, rows: pl.DataFrame, scored: Scored, options: RunOptions) -> None:
    """Write predictions, scores (all questions; null without an answer) and rejects."""
    predictions = rows.filter(pl.col("error").is_null())
    write_table(with_every_column(predictions, PREDICTIONS), out / "predictions.parquet", PREDICTIONS, inputs.metadata)
    frame = scored.frame.with_columns(
        pl.col("prediction").alias("completion"), benchmark=pl.lit(options.benchmark), parser=pl.lit(options.parser)
    )
    metadata = inputs.metadata | {"table": "scores"}
    write_table(with_every_column(frame, SCORES), out / "scores.parquet", SCORES, metadata)
    rejects = frame.with_columns(pl.lit("run").alias("stage"), inputs.questions["signature"]).drop_nulls("reason")
    rejects = with_every_column(rejects.rename({"id": "item"}), REJECTS)
    write_table(rejects, out / "rejects.parquet", REJECTS, inputs.metadata | {"table": "rejects"})


def build_manifest(
    inputs: RunInputs,
    counts: dict[str, int],
    places: dict[str, str | None],
    model_facts: dict[str, Any],
    *,
    started: float,
    n_resumed: int,
) -> dict[str, Any]:
    """Describe the run: configuration, questions, frames, model, inputs, counts, times, host, package versions."""
    packages = ("qa-eval", "numpy", "polars", "duckdb", "pyarrow", "pillow", "torch", "torchvision", "transformers")
    now = time.time()
    return {
        "producer": PRODUCER,
        "config": inputs.config,
        "run_id": inputs.metadata["run_id"],
        "inputs": places,
        "rows": counts,
        "resumed_rows": n_resumed,
        "dataset_revision": inputs.revision,
        "prompt_ids": sorted(inputs.questions["prompt_id"].unique().to_list()),
        "frames": inputs.shown,
        "model": model_facts,
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "finished": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        "seconds": round(now - started, 3),
        "host": {"platform": platform.platform(), "python": platform.python_version(), "machine": platform.machine()},
        "packages": {name: version for name in packages if (version := package_version(name))},
    }


def absolute(path: Path | None) -> str | None:
    """Write a path so that a report finds it from another folder."""
    return None if path is None else str(Path(path).resolve())


def degradation_curves(out: Path, runs: dict[str, RunResult], clean: RunResult) -> dict[str, Any]:
    """Write `curves.json`: overall score per kind and level with its interval, and the area under each curve.

    `runs` maps ``kind:level`` to the run over frames damaged so.
    """
    curves: dict[str, Any] = {}
    for name, result in runs.items():
        kind, _, level = name.partition(":")
        curves.setdefault(kind, {"levels": {}})["levels"][level] = result.summary["overall"]
    base = clean.summary["overall"]["mean"]
    for curve in curves.values():
        means = {int(level): cell["mean"] for level, cell in curve["levels"].items() if cell["mean"] is not None}
        curve["area"] = area_under_curve(means, base) if means and base is not None else None
    value = {"clean": clean.summary["overall"], "curves": curves}
    write_json(Path(out) / "curves.json", value)
    return value
