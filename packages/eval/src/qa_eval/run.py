"""Run a model over a questions table; a killed run goes on where it stopped."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from qa_eval.benchmarks import find_benchmark
from qa_eval.degrade import area_under_curve, degrade_items, parse_damages
from qa_eval.errors import QAEvalError
from qa_eval.fingerprint import model_id, tables_hash
from qa_eval.items import Problem, build_items, depth_paths, frame_paths, read_questions
from qa_eval.models import Answer, Connection, Item, Runner, RunnerConfig, RunnerKind, find_runner
from qa_eval.parsers import find_parser
from qa_eval.scoring import Answers, Scored, score_answers
from qa_eval.summary import run_summary
from qa_eval.tableio import Schema, read_table, table_files, table_metadata, write_json, write_table
from qa_eval.tables import PREDICTIONS, REJECTS, SCORES

PRODUCER = "qa-eval run"
WORK = "work"
BASELINE_BATCH = 4096
SHARD: Schema = {**PREDICTIONS, "error": pl.String, "detail": pl.String}
"""Columns of the file of one finished batch: the predictions table, and why a row has no answer."""

OUTPUTS = ("predictions.parquet", "scores.parquet", "rejects.parquet", "summary.json", "manifest.json")


@dataclass(frozen=True)
class RunOptions:
    """Options of a run that decide its content."""

    runner: str = "transformers"
    model: str | None = None
    batch_size: int = 8
    max_new_tokens: int = 16
    round: int | None = None
    seed: int = 0
    device: str = "auto"
    benchmark: str = "questions"
    parser: str = "official"
    degrade: str | None = None


@dataclass(frozen=True)
class RunResult:
    """What a run left behind; `already` = nothing was to be done."""

    summary: dict[str, Any]
    n_questions: int
    n_rejected: int
    n_resumed: int
    already: bool


@dataclass(frozen=True)
class Plan:
    """All that a run needs before it starts; `problems` maps a row to why it cannot be asked."""

    questions: pl.DataFrame
    items: list[Item]
    problems: dict[int, Problem]
    reference: tuple[Item, ...]
    answers: Path | None
    depths: dict[Path, Path]
    config: dict[str, Any]
    metadata: dict[str, str]


def run(
    questions: Path,
    store: Path | None,
    out: Path,
    options: RunOptions,
    *,
    majority_from: Path | None = None,
    answers: Path | None = None,
    connection: Connection | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RunResult:
    """Answer and score all questions; write predictions, scores, rejects, summary and manifest into `out`.

    Parameters
    ----------
    questions, store : Path
        A questions table, and the store whose `frame_sets` and `frames` it refers to.
    out : Path
        Finished batches are kept in `out/work` until the run ends; the same call continues from them.
    options : RunOptions
    majority_from : Path, optional
        Questions that baselines are fitted on; by default `questions` itself.
    answers : Path, optional
        Stored answers of the replay and oracle runners.
    connection : Connection, optional
        How the openai runner reaches its server.
    force : bool
        Discard a run of another configuration in `out`.
    progress : callable
        Gets rows done and rows in all after every batch.

    Raises
    ------
    QAEvalError
        An option is unknown, or `out` holds something else.
    """
    started = time.time()
    benchmark, parser = find_benchmark(options.benchmark), find_parser(options.parser)
    kind = find_runner(options.runner)
    plan = make_plan(questions, store, options, kind, majority_from=majority_from, answers=answers)
    out = Path(out)
    if _prepare(out, plan.config, force=force):
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        return RunResult(summary, len(plan.items), manifest["rows"]["rejects"], 0, True)
    try:
        rows, n_resumed = _answer_all(plan, out / WORK, options, kind, connection or Connection(), progress)
    except BaseException:
        _leave_nothing_empty(out)
        raise
    scored_rows = rows.with_columns(completion=pl.when(pl.col("error").is_null()).then("completion"))
    given, scored = _score(plan, scored_rows, benchmark, parser)
    summary = run_summary(given, scored, benchmark, seed=options.seed)
    summary |= {"runner": options.runner, "model_id": plan.config["model_id"], "parser": parser.name}
    summary |= {"run_id": plan.metadata["run_id"], "round": options.round}
    _write_tables(out, plan, rows, scored, options)
    write_json(out / "summary.json", summary)
    n_rejected = len(scored.reason)
    counts = {"questions": rows.height, "predictions": rows["error"].null_count(), "rejects": n_rejected}
    inputs = {"questions": _absolute(questions), "store": _absolute(store), "model": options.model}
    inputs |= {"majority_from": _absolute(majority_from or questions) if kind.is_fitted else None}
    inputs |= {"answers": _absolute(answers), "base_url": connection.base_url if connection else None}
    manifest = _manifest(plan, counts, inputs, started=started, n_resumed=n_resumed)
    write_json(out / "manifest.json", manifest)
    shutil.rmtree(out / WORK)
    return RunResult(summary, rows.height, n_rejected, n_resumed, False)


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


def make_plan(
    questions: Path,
    store: Path | None,
    options: RunOptions,
    kind: RunnerKind,
    *,
    majority_from: Path | None,
    answers: Path | None,
) -> Plan:
    """Read the questions, find their frames, and fix the configuration that names the run."""
    table = read_questions(questions)
    if kind.is_model and options.model is None:
        raise QAEvalError(f"Runner '{options.runner}' needs --model (a folder, a hub id, or a name at the server).")
    if options.runner == "replay" and answers is None:
        raise QAEvalError("Runner 'replay' needs --answers (predictions that carry ids and completions).")
    if answers is not None and not kind.reads_answers:
        raise QAEvalError(f"Runner '{options.runner}' does not read --answers; 'replay' and 'oracle' do.")
    if options.degrade and kind.frames == "none":
        raise QAEvalError(f"Runner '{options.runner}' shows no frames; there is nothing to degrade.")
    with_frames = kind.frames != "none" and table["frame_set_id"].null_count() < table.height
    if with_frames and store is None:
        raise QAEvalError(f"{questions}: the questions refer to frames; pass the store with --store.")
    config: dict[str, Any] = asdict(options) | {"questions": tables_hash(table_files(Path(questions), "questions"))}
    del config["model"]
    config["model_id"] = options.runner
    if kind.is_model:
        config["model_id"] = model_id(str(options.model)) if kind.is_local else f"{options.runner}:{options.model}"
    frames: dict[tuple[str, str], tuple[Path, ...] | Problem] = {}
    if with_frames and store is not None:
        frames = frame_paths(table, store)
        config["frames"] = {name: tables_hash(table_files(Path(store), name)) for name in ("frame_sets", "frames")}
    if kind.is_local:
        config["versions"] = {name: _version(name) for name in ("torch", "transformers")}
    reference: tuple[Item, ...] = ()
    if kind.is_fitted:
        source = Path(majority_from or questions)
        reference = tuple(build_items(read_questions(source), {}))
        config["majority_from"] = tables_hash(table_files(source, "questions"))
    if answers is not None:
        config["answers"] = tables_hash(table_files(Path(answers), "predictions"))
    keys = zip(table["scene_name"], table["frame_set_id"], strict=True)
    problems = {i: p for i, key in enumerate(keys) if isinstance(p := frames.get(key), Problem)}
    metadata = table_metadata("predictions", PRODUCER, config, options.seed)
    items = build_items(table, frames, shown=kind.frames)
    depths = depth_paths(store) if options.degrade and with_frames and store is not None else {}
    return Plan(table, items, problems, reference, answers, depths, config, metadata)


def _prepare(out: Path, config: dict[str, Any], *, force: bool) -> bool:
    """Make `out` ready; true where it already holds the finished run of this configuration."""
    manifest, stored = out / "manifest.json", out / WORK / "config.json"
    found = manifest if manifest.is_file() else stored
    if found.is_file():
        try:
            earlier = json.loads(found.read_text(encoding="utf-8")).get("config")
        except (json.JSONDecodeError, UnicodeDecodeError):
            earlier = None
        if earlier == json.loads(json.dumps(config)):
            return found is manifest
        if not force:
            changed = sorted(k for k in {*config, *(earlier or {})} if config.get(k) != (earlier or {}).get(k))
            raise QAEvalError(
                f"{out}: holds a run of another configuration (different: {', '.join(changed)}). "
                "Choose another --out, or pass --force to replace it."
            )
    elif out.is_file() or (out.is_dir() and any(out.iterdir()) and not force):
        raise QAEvalError(f"{out}: exists and holds no run of qa-eval. Choose another --out, or pass --force.")
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / WORK, ignore_errors=True)
    (out / WORK).mkdir(parents=True)
    write_json(stored, {"config": config})
    return False


def _leave_nothing_empty(out: Path) -> None:
    """Remove the work folder of a run that ended before its first batch, and `out` where nothing else is in it."""
    if not any((out / WORK).glob("batch-*.parquet")):
        shutil.rmtree(out / WORK, ignore_errors=True)
        if out.is_dir() and not any(out.iterdir()):
            out.rmdir()


def _answer_all(
    plan: Plan,
    work: Path,
    options: RunOptions,
    kind: RunnerKind,
    connection: Connection,
    progress: Callable[[int, int], None],
) -> tuple[pl.DataFrame, int]:
    """Answer all batches that have no file yet; all rows in question order, and how many were found answered."""
    runner = kind.make(
        RunnerConfig(
            model=options.model,
            device=options.device,
            max_new_tokens=options.max_new_tokens,
            reference=plan.reference,
            answers=plan.answers,
            seed=options.seed,
            connection=connection,
        )
    )
    size = options.batch_size if kind.is_model else BASELINE_BATCH
    asked = [i for i in range(len(plan.items)) if i not in plan.problems]
    shards: list[pl.DataFrame] = [_rows(plan, sorted(plan.problems), None, options)]
    damage = parse_damages(options.degrade)[0] if options.degrade else None
    done, n_resumed = 0, 0
    for number, batch in enumerate(make_batches(plan.items, asked, runner, size)):
        path = work / f"batch-{number:06d}.parquet"
        if path.is_file():
            shard = read_table(path, "predictions", SHARD)
            n_resumed += len(batch)
        else:
            items = [plan.items[i] for i in batch]
            if damage is not None:
                items = degrade_items(items, damage, work / "frames", seed=options.seed, depths=plan.depths)
            shard = _rows(plan, batch, runner.answer(items), options)
            write_table(shard, path, SHARD, plan.metadata)
        shards.append(shard)
        done += len(batch)
        progress(done, len(asked))
    order = pl.DataFrame({"question_id": plan.questions["question_id"]})
    return order.join(pl.concat(shards), on="question_id", how="left", maintain_order="left"), n_resumed


def make_batches(items: Sequence[Item], rows: Sequence[int], runner: Runner, size: int) -> list[list[int]]:
    """Group row numbers in the order of the runner's key; the plan depends on the questions alone."""
    batches: list[list[int]] = []
    previous: int | None = None
    for key, row in sorted((runner.batch_key(items[i]), i) for i in rows):
        if not batches or len(batches[-1]) == size or key[0] != previous:
            batches.append([])
        batches[-1].append(row)
        previous = key[0]
    return batches


def _rows(plan: Plan, batch: Sequence[int], answers: Sequence[Answer] | None, options: RunOptions) -> pl.DataFrame:
    """Build the rows of a batch; without answers, the rows of the questions that cannot be asked."""
    if answers is None:
        answers = [Answer(error=plan.problems[i].reason, detail=plan.problems[i].detail) for i in batch]
    carried = ("question_id", "scene_name", "question_type", "frame_set_id", "prompt_id")
    columns: dict[str, Any] = {name: plan.questions[name][list(batch)].to_list() for name in carried}
    fields = ("completion", "token_ids", "token_logprobs", "token_mask", "token_is_top1", "token_entropy")
    columns |= {name: [getattr(answer, name) for answer in answers] for name in (*fields, "error", "detail")}
    constant = {"run_id": plan.metadata["run_id"], "model_id": plan.config["model_id"], "runner": options.runner}
    constant |= {"round": options.round, "step": None, "phase": "eval"}
    columns |= {name: [value] * len(batch) for name, value in constant.items()}
    return pl.DataFrame({name: columns[name] for name in SHARD}, schema=dict(SHARD))


def _score(plan: Plan, rows: pl.DataFrame, benchmark, parser) -> tuple[Answers, Scored]:
    """Score the rows; a row without a completion has no score and keeps its reason."""
    answers = Answers(
        ids=plan.questions["question_id"].to_list(),
        question_type=plan.questions["question_type"].to_list(),
        ground_truth=plan.questions["ground_truth"].to_list(),
        prediction=rows["completion"].to_list(),
        options=plan.questions["options"].to_list(),
        scene_name=plan.questions["scene_name"].to_list(),
    )
    scored = score_answers(answers, benchmark, parser)
    errors = {i: error for i, error in enumerate(rows["error"]) if error is not None}
    return answers, replace(scored, reason=scored.reason | errors)


def _write_tables(out: Path, plan: Plan, rows: pl.DataFrame, scored: Scored, options: RunOptions) -> None:
    """Write predictions, scores (all questions; null without an answer) and rejects."""
    predictions = rows.filter(pl.col("error").is_null()).select(list(PREDICTIONS))
    write_table(predictions, out / "predictions.parquet", PREDICTIONS, plan.metadata)
    score = pl.Series("score", scored.score).fill_nan(None)
    scores = rows.with_columns(
        score,
        pl.Series("parsed", scored.parsed.tolist(), dtype=pl.String),
        pl.Series("parse_failed", scored.parse_failed),
        benchmark=pl.lit(options.benchmark),
        parser=pl.lit(options.parser),
    ).select(list(SCORES))
    write_table(scores, out / "scores.parquet", SCORES, plan.metadata | {"table": "scores"})
    signature = plan.questions["signature"]
    unscored = np.array(sorted(scored.reason), dtype=np.int64)
    reasons = [scored.reason[i] for i in unscored.tolist()]
    rejects = rows[unscored].select(
        pl.lit("run").alias("stage"),
        pl.col("question_id").alias("item"),
        "scene_name",
        "question_type",
        signature[unscored],
        pl.Series("reason", reasons, dtype=pl.String),
        "detail",
    )
    write_table(rejects, out / "rejects.parquet", REJECTS, plan.metadata | {"table": "rejects"})


def _manifest(
    plan: Plan, counts: dict[str, int], inputs: dict[str, str | None], *, started: float, n_resumed: int
) -> dict[str, Any]:
    """Describe the run: configuration, inputs, counts, times, host, package versions."""
    packages = ("qa-eval", "numpy", "polars", "duckdb", "pyarrow", "pillow", "torch", "torchvision", "transformers")
    now = time.time()
    return {
        "producer": PRODUCER,
        "config": plan.config,
        "run_id": plan.metadata["run_id"],
        "inputs": inputs,
        "rows": counts,
        "resumed_rows": n_resumed,
        "decoding": "greedy, unmodified logits recorded",
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "finished": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        "seconds": round(now - started, 3),
        "host": {"platform": platform.platform(), "python": platform.python_version(), "machine": platform.machine()},
        "packages": {name: version for name in packages if (version := _version(name))},
    }


def _absolute(path: Path | None) -> str | None:
    """Write a path so that a report finds it from another folder."""
    return None if path is None else str(Path(path).resolve())


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
