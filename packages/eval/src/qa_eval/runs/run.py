"""Run a model over a questions table; a killed run goes on where it stopped."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.files import write_json
from qa_contract.identity import differing_keys, refuse_other_identity
from qa_contract.tableio import read_table, write_table

from qa_eval.benchmarks import find_benchmark
from qa_eval.errors import QAEvalError
from qa_eval.parsers import find_parser
from qa_eval.runners import Answer, Connection, Item, Runner, RunnerConfig, RunnerKind, find_runner
from qa_eval.runs.degrade import degrade_items, parse_damages
from qa_eval.runs.inputs import RunInputs, RunOptions, RunResult, Sources, make_inputs
from qa_eval.runs.outputs import SHARD, absolute, build_manifest, prediction_rows, score_rows, write_tables
from qa_eval.runs.videos import decode_frames
from qa_eval.scoring.formats import run_summary
from qa_eval.scoring.tags import read_tags

WORK, SHOWN = "work", "shown"
BASELINE_BATCH = 4096
Report = Callable[[int, int, float], None]
OUTPUTS = ("predictions.parquet", "scores.parquet", "rejects.parquet", "summary.json", "manifest.json")


def run(
    questions: Path,
    store: Path | None,
    out: Path,
    options: RunOptions,
    *,
    videos: Path | None = None,
    images: Path | None = None,
    features: Path | None = None,
    majority_from: Path | None = None,
    answers: Path | None = None,
    connection: Connection | None = None,
    force: bool = False,
    progress: Report = lambda done, total, share: None,
) -> RunResult:
    """Answer and score all questions; write predictions, scores, rejects, summary and manifest into `out`.

    Parameters
    ----------
    questions, store : Path
        A questions table, and the store whose `frame_sets` and `frames` it refers to.
    out : Path
        Finished batches are kept in `out/work` until the run ends; the same call continues from them.
    options : RunOptions
    videos, images, features, majority_from, answers : Path, optional
        See `Sources`.
    connection : Connection, optional
        How the openai runner reaches its server.
    force : bool
        Discard a run of another configuration in `out`.
    progress : callable
        Gets rows done, rows in all and the share of the work that is done, after every batch that was answered.

    Raises
    ------
    QAEvalError
        An option is unknown, or `out` holds something else.
    """
    started = time.time()
    benchmark, parser = find_benchmark(options.benchmark), find_parser(options.parser)
    kind = find_runner(options.runner)
    out = Path(out)
    sources = Sources(questions, store, videos, images, features, majority_from, answers)
    _refuse_foreign(out, force=force)
    try:
        inputs = make_inputs(sources, options, kind, out / WORK / SHOWN)
        finished = _prepare(out, inputs.config, force=force)
    except BaseException:
        shutil.rmtree(out / WORK / SHOWN, ignore_errors=True)
        _remove_empty(out / WORK, out)
        raise
    if finished:
        shutil.rmtree(out / WORK, ignore_errors=True)
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        return RunResult(summary, len(inputs.items), manifest["rows"]["rejects"], 0, True)
    try:
        job = _Job(inputs, options, kind, answers, connection or Connection(), out / WORK)
        rows, n_resumed, model_facts = job.answer_all(progress)
    except BaseException:
        _leave_nothing_empty(out)
        raise
    scored_rows = rows.with_columns(completion=pl.when(pl.col("error").is_null()).then("completion"))
    scored = score_rows(inputs, scored_rows, benchmark, parser)
    summary = run_summary(scored, benchmark, seed=options.seed, tags=read_tags(questions))
    summary |= {"runner": options.runner, "model_id": inputs.config["model_id"], "parser": parser.name}
    summary |= {"run_id": inputs.metadata["run_id"], "round": options.round}
    write_tables(out, inputs, rows, scored, options)
    write_json(out / "summary.json", summary)
    n_rejected = len(scored.reason)
    counts = {"questions": rows.height, "predictions": rows["error"].null_count(), "rejects": n_rejected}
    places = {name: absolute(path) for name, path in asdict(sources).items()}
    places |= {"model": options.model, "base_url": connection.base_url if connection else None}
    manifest = build_manifest(inputs, counts, places, model_facts, started=started, n_resumed=n_resumed)
    write_json(out / "manifest.json", manifest)
    shutil.rmtree(out / WORK)
    return RunResult(summary, rows.height, n_rejected, n_resumed, False)


def _refuse_foreign(out: Path, *, force: bool) -> None:
    """Raise where `out` holds what is no run."""
    marks = (out / "manifest.json", out / WORK / "config.json", out / WORK / SHOWN)
    holds_run = any(path.exists() for path in marks)
    if not holds_run and (out.is_file() or (out.is_dir() and any(out.iterdir()) and not force)):
        raise QAEvalError(f"{out}: exists and holds no run of qa-eval. Choose another --out, or pass --force.")


def _prepare(out: Path, config: dict[str, Any], *, force: bool) -> bool:
    """Make `out` ready, but for the pictures in it; true where it holds the finished run of this configuration."""
    manifest, stored = out / "manifest.json", out / WORK / "config.json"
    found = manifest if manifest.is_file() else stored
    if found.is_file():
        try:
            earlier = json.loads(found.read_text(encoding="utf-8")).get("config")
        except (json.JSONDecodeError, UnicodeDecodeError):
            earlier = None
        if earlier is not None and not differing_keys(earlier, config):
            return found is manifest
        if not force:
            refuse_other_identity(out, earlier, config, error=QAEvalError)
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)
    (out / WORK).mkdir(parents=True, exist_ok=True)
    for path in (out / WORK).iterdir():
        if path.name != SHOWN:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_json(stored, {"config": config})
    return False


def _leave_nothing_empty(out: Path) -> None:
    """Remove the work folder of a run that ended before its first batch, and `out` where nothing else is in it."""
    if not any((out / WORK).glob("batch-*.parquet")):
        shutil.rmtree(out / WORK, ignore_errors=True)
        _remove_empty(out)


def _remove_empty(*folders: Path) -> None:
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


@dataclass(frozen=True)
class _Job:
    """A run that is under way; finished batches lie in `work`."""

    inputs: RunInputs
    options: RunOptions
    kind: RunnerKind
    answers: Path | None
    connection: Connection
    work: Path

    def answer_all(self, progress: Report) -> tuple[pl.DataFrame, int, dict[str, Any]]:
        """Answer all batches that have no file yet.

        Returns all rows in question order, how many were found answered, and what the runner says about itself.
        """
        inputs, options = self.inputs, self.options
        runner = self.kind.make(
            RunnerConfig(
                model=inputs.model,
                device=options.device,
                max_new_tokens=options.max_new_tokens,
                reference=inputs.reference,
                answers=self.answers,
                seed=options.seed,
                frame_input=options.frame_input,
                trust_remote_code=options.trust_remote_code,
                attention=options.attention,
                dtype=options.dtype,
                min_pixels=options.min_pixels,
                max_pixels=options.max_pixels,
                system_prompt=options.system_prompt,
                features=tuple(dict.fromkeys(item.features for item in inputs.items if item.features is not None)),
                connection=self.connection,
            )
        )
        size = options.batch_size if self.kind.is_model else BASELINE_BATCH
        asked = [i for i in range(len(inputs.items)) if i not in inputs.problems]
        unasked = sorted(inputs.problems)
        reasons = [Answer(error=inputs.problems[i].reason, detail=inputs.problems[i].detail) for i in unasked]
        shards = [prediction_rows(inputs, unasked, reasons, options, runner.facts)]
        done, n_resumed, worked = 0, 0, 0
        work = sum(_work(inputs.items[i]) for i in asked)
        for number, batch in enumerate(make_batches(inputs.items, asked, runner, size)):
            path = self.work / f"batch-{number:06d}.parquet"
            if path.is_file():
                shard = read_table(path, "predictions", SHARD)
                n_resumed += len(batch)
            else:
                given = self._answer(runner, [inputs.items[i] for i in batch])
                shard = prediction_rows(inputs, batch, given, options, runner.facts)
                write_table(shard, path, SHARD, inputs.metadata)
            shards.append(shard)
            done += len(batch)
            worked += sum(_work(inputs.items[i]) for i in batch)
            if done > n_resumed:  # what an earlier run left done says nothing about the time left
                progress(done, len(asked), worked / work)
        order = pl.DataFrame({"question_id": inputs.questions["question_id"]})
        rows = order.join(pl.concat(shards), on="question_id", how="left", maintain_order="left")
        return rows, n_resumed, dict(runner.facts)

    def _answer(self, runner: Runner, items: list[Item]) -> list[Answer]:
        """Decode and damage the frames of a batch where that is asked for, and answer what can be shown."""
        failed = decode_frames(items)
        shown = [item for i, item in enumerate(items) if i not in failed]
        if self.options.degrade:
            damage, folder = parse_damages(self.options.degrade)[0], self.work / "frames"
            shown = degrade_items(shown, damage, folder, seed=self.options.seed, depths=self.inputs.depths)
        answers = iter(runner.answer(shown) if shown else [])
        return [
            Answer(error="unreadable_video", detail=failed[i]) if i in failed else next(answers)
            for i in range(len(items))
        ]


def _work(item: Item) -> int:
    """Rough work of a question, to tell the time left: frames outweigh the text."""
    return 1 + len(item.frames)


def make_batches(items: Sequence[Item], rows: Sequence[int], runner: Runner, size: int) -> list[list[int]]:
    """Group row numbers in the order of the runner's key; the batches depend on the questions alone."""
    batches: list[list[int]] = []
    previous: int | None = None
    for key, row in sorted((runner.batch_key(items[i]), i) for i in rows):
        if not batches or len(batches[-1]) == size or key[0] != previous:
            batches.append([])
        batches[-1].append(row)
        previous = key[0]
    return batches
