"""The command `qa-eval`. Libraries that take long to import are imported inside the commands."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from qa_eval.errors import QAEvalError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich costs most of the start-up
    help="Run and score vision-language models on spatial questions; VSI-Bench is scored bit for bit.",
)


@app.callback()
def options(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Accept --debug before the command; `main` reads it."""


@app.command()
def score(
    predictions: Annotated[Path, typer.Argument(help="JSONL or Parquet with id, prediction; or a predictions table.")],
    questions: Annotated[Path | None, typer.Option(help="Questions, joined by id (JSONL, Parquet or folder).")] = None,
    benchmark: Annotated[str, typer.Option(help="Metrics and averages: see 'qa-eval benchmarks'.")] = "vsi-bench",
    parser: Annotated[str, typer.Option(help="How answers are read: see 'qa-eval parsers'.")] = "official",
    ids: Annotated[Path | None, typer.Option(help="Score only these ids: a JSON array, or one per line.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write one row per answer here (.jsonl or .parquet).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the aggregate object, in percent.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
    force: Annotated[bool, typer.Option(help="Overwrite --out.")] = False,
) -> None:
    """Score stored predictions without the model."""
    from qa_eval.benchmarks import find_benchmark
    from qa_eval.inputs import keep_ids, read_answers, read_ids
    from qa_eval.outputs import check_output_file, write_scores
    from qa_eval.parsers import find_parser
    from qa_eval.scoring import score_answers
    from qa_eval.summary import percent_summary, run_summary, summary_table

    started = time.perf_counter()
    chosen, reader = find_benchmark(benchmark), find_parser(parser)
    stored = read_answers(predictions, questions, benchmark=chosen)
    if ids is not None:
        stored = keep_ids(stored, read_ids(ids))
    if out is not None:
        check_output_file(out, stored.is_table, force=force)
    scored = score_answers(stored.answers, chosen, reader)
    n, n_unscored = len(stored.answers.ids), len(scored.reason)
    if n_unscored == n:
        raise QAEvalError(f"{predictions}: none of the {n} rows can be scored ({_first_reason(stored, scored)}).")
    if out is not None:
        write_scores(out, stored, scored, benchmark=chosen.name, parser=reader.name, force=force)
    if as_json:
        summary = percent_summary(stored.answers, scored, chosen)
        summary |= {"benchmark": chosen.name, "parser": reader.name, "unknown_predictions": len(stored.unknown)}
        typer.echo(json.dumps(summary, indent=1))
    else:
        typer.echo(f"benchmark {chosen.name}, parser {reader.name}")
        typer.echo(summary_table(run_summary(stored.answers, scored, chosen, seed=seed)))
    if stored.repeated:
        typer.echo(f"warning: {stored.repeated} rows repeat an id; all rows are scored.", err=True)
    if stored.unknown:
        typer.echo(
            f"warning: {len(stored.unknown)} predictions belong to no question (first: {stored.unknown[0]}).", err=True
        )
    if n_unscored:
        typer.echo(f"warning: {n_unscored} of {n} rows have no score ({_first_reason(stored, scored)}).", err=True)
    written = f"{out}: " if out is not None else ""
    typer.echo(f"{written}{n - n_unscored} rows scored in {time.perf_counter() - started:.2f} s", err=True)
    if n_unscored or stored.unknown:
        raise typer.Exit(1)


def _first_reason(stored, scored) -> str:
    """Describe the first row without a score."""
    from qa_eval.errors import REASONS

    row, reason = next(iter(scored.reason.items()))
    return f"id {stored.answers.ids[row]}, type {stored.answers.question_type[row]}: {reason}, {REASONS[reason]}"


@app.command()
def run(
    questions: Annotated[Path, typer.Argument(help="Questions table (folder or file).")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same call continues a killed run.")],
    store: Annotated[Path | None, typer.Option(help="Store with the frames that the questions refer to.")] = None,
    model: Annotated[str | None, typer.Option(help="Model folder or hub id.")] = None,
    runner: Annotated[str, typer.Option(help="What answers: see 'qa-eval runners'.")] = "transformers",
    batch_size: Annotated[int, typer.Option(min=1)] = 8,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="As VSI-Bench: 16.")] = 16,
    round_: Annotated[int | None, typer.Option("--round", help="Round of the loop, stored in every row.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of random runners and intervals.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    benchmark: Annotated[str, typer.Option(help="Metrics and averages: see 'qa-eval benchmarks'.")] = "questions",
    parser: Annotated[str, typer.Option(help="How answers are read: see 'qa-eval parsers'.")] = "official",
    majority_from: Annotated[
        Path | None, typer.Option(help="Questions that baselines are fitted on (default: the same).")
    ] = None,
    frame_set: Annotated[str | None, typer.Option(help="Show this frame set of the store to all questions.")] = None,
    answers: Annotated[Path | None, typer.Option(help="Stored answers, for replay and oracle.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Server of the openai runner, up to /v1.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight (openai).")] = 8,
    retries: Annotated[int, typer.Option(min=0, help="Further attempts per request (openai).")] = 4,
    timeout: Annotated[float, typer.Option(help="Seconds per request (openai).")] = 120.0,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps server responses (openai).")] = None,
    degrade: Annotated[
        str | None, typer.Option(help="Also run over damaged frames: kinds:levels, e.g. blur,fog:1,3,5.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of the table.")] = False,
    force: Annotated[bool, typer.Option(help="Replace a run of another configuration in --out.")] = False,
) -> None:
    """Answer a questions table with a model or a baseline, and score the answers."""
    from dataclasses import replace

    from qa_eval.degrade import parse_damages
    from qa_eval.models import Connection
    from qa_eval.plan import RunOptions
    from qa_eval.run import run as run_questions
    from qa_eval.run_outputs import degradation_curves
    from qa_eval.summary import summary_table

    started = time.perf_counter()
    damages = [str(damage) for damage in parse_damages(degrade)] if degrade else []
    chosen = RunOptions(runner, model, batch_size, max_new_tokens, round_, seed, device, benchmark, parser)
    chosen = replace(chosen, frame_set=frame_set)

    def start(folder: Path, what: RunOptions):
        return run_questions(
            questions,
            store,
            folder,
            what,
            majority_from=majority_from,
            answers=answers,
            connection=Connection(base_url, concurrency, retries, timeout, cache),
            force=force,
            progress=_Progress(),
        )

    result = start(out, chosen)
    damaged = {name: start(out / "degrade" / name.replace(":", "-"), replace(chosen, degrade=name)) for name in damages}
    summary = result.summary
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
    else:
        typer.echo(f"runner {summary['runner']}, model {summary['model_id']}, parser {summary['parser']}")
        typer.echo(summary_table(summary))
    if damaged:
        for kind, curve in degradation_curves(out, damaged, result)["curves"].items():
            levels = "  ".join(f"{level}: {100 * cell['mean']:.1f}" for level, cell in curve["levels"].items())
            typer.echo(f"{kind:<14} area {100 * curve['area']:5.1f}   {levels}", err=as_json)
    if result.already:
        typer.echo(f"{out}: this run is already finished; nothing to do.", err=True)
    else:
        resumed = f", {result.n_resumed} of them from the interrupted run" if result.n_resumed else ""
        rejected = f", {result.n_rejected} without an answer (rejects.parquet)" if result.n_rejected else ""
        typer.echo(
            f"{out}: {result.n_questions} rows{resumed}{rejected}, {time.perf_counter() - started:.1f} s. "
            f"Next: qa-eval score {out} --questions {questions} --json",
            err=True,
        )
    if summary["n_scored"] < summary["n"]:
        raise typer.Exit(1)


class _Progress:
    """Write rows done and time left to stderr, at most every few seconds."""

    def __init__(self) -> None:
        self.started = self.last = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        self.first = done if self.first is None else self.first
        if now - self.last > 5 and done < total:
            self.last = now
            rate = (done - self.first) / (now - self.started)
            left = f", about {(total - done) / rate:.0f} s left" if rate else ""
            typer.echo(f"{done} of {total} rows{left}", err=True)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="Run folder or scores table A.")],
    b: Annotated[Path, typer.Argument(help="Run folder or scores table B.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead of the table.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
) -> None:
    """Compare two runs on the same questions: paired differences with intervals."""
    from qa_eval.compare_command import compare_runs, comparison_json, comparison_table

    result, facts = compare_runs(a, b, seed=seed)
    if as_json:
        typer.echo(json.dumps(comparison_json(result, facts), indent=1))
    else:
        for name in ("a", "b"):
            typer.echo(f"{name.upper()}: " + ", ".join(f"{k} {v}" for k, v in facts[name].items() if v is not None))
        typer.echo(comparison_table(result))
    for what in ("parsers", "frames", "prompts"):
        if facts[f"{what}_differ"]:
            typer.echo(f"warning: the {what} of A and B differ.", err=True)
    if facts["only_a"] or facts["only_b"]:
        typer.echo(f"warning: {facts['only_a']} questions only in A, {facts['only_b']} only in B.", err=True)
        raise typer.Exit(1)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, the first one foremost.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.md, report.json, model_card.md.")],
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Spatial questions",
    force: Annotated[bool, typer.Option(help="Replace --out.")] = False,
) -> None:
    """Write a report that opens offline: scores, intervals, confidence, degradation curves, examples."""
    from qa_eval.report import write_report

    started = time.perf_counter()
    write_report(runs, out, title=title, force=force)
    typer.echo(
        f"{out}: report of {len(runs)} runs, {time.perf_counter() - started:.1f} s. Next: open {out}/report.html",
        err=True,
    )


@app.command("import-log")
def import_log(
    log: Annotated[Path, typer.Argument(help="Per-sample log of another tool.")],
    out: Annotated[Path, typer.Option(help="JSONL file for 'qa-eval score'.")],
    tool: Annotated[str, typer.Option("--from", help="lmms-eval or vlmevalkit.")],
    force: Annotated[bool, typer.Option(help="Overwrite --out.")] = False,
) -> None:
    """Turn a log of lmms-eval or VLMEvalKit into predictions that can be scored again."""
    from qa_eval.bridges import read_log
    from qa_eval.outputs import check_output_file, write_rows

    check_output_file(out, False, force=force)
    rows = read_log(log, tool)
    write_rows(out, rows)
    parser = {"lmms-eval": "lmms-eval-cli"}.get(tool, tool)
    typer.echo(f"{out}: {len(rows)} rows. Next: qa-eval score {out} --parser {parser}", err=True)


@app.command("export-lmms-eval")
def export_lmms_eval(
    questions: Annotated[Path, typer.Argument(help="Questions table (folder or file).")],
    out: Annotated[Path, typer.Option(help="Task folder.")],
    store: Annotated[Path | None, typer.Option(help="Store with the frames.")] = None,
    name: Annotated[str, typer.Option(help="Name of the task.")] = "spatial_questions",
    force: Annotated[bool, typer.Option(help="Replace --out.")] = False,
) -> None:
    """Write a questions table as a task folder of lmms-eval: same frames, prompt and score."""
    from qa_eval.bridges import write_lmms_task

    n = write_lmms_task(questions, store, out, name=name, force=force)
    typer.echo(f"{out}: {n} questions. Next: lmms-eval --include_path {out} --tasks {name} --model ...", err=True)


@app.command()
def runners() -> None:
    """List the runners."""
    from qa_eval.models import RUNNERS

    for name, kind in RUNNERS.items():
        typer.echo(f"{name:<16} {kind.description}")


@app.command()
def benchmarks() -> None:
    """List the benchmarks."""
    from qa_eval.benchmarks import BENCHMARKS

    for item in BENCHMARKS.values():
        typer.echo(f"{item.name:<16} {item.description}\n{'':<16} source: {item.source}")


@app.command()
def parsers() -> None:
    """List the parsers."""
    from qa_eval.parsers import PARSERS

    for item in PARSERS.values():
        typer.echo(f"{item.name:<16} {item.source}")


def main() -> None:
    """Run the command line; user errors exit with 2 and without a traceback."""
    try:
        app()
    except Exception as error:
        if "--debug" in sys.argv or not _is_user_error(error):
            raise
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None


def _is_user_error(error: Exception) -> bool:
    """Whether an error is about the input; the table reader is loaded only if a table was touched."""
    tableio = sys.modules.get("qa_eval.tableio")
    return isinstance(error, QAEvalError) or (tableio is not None and isinstance(error, tableio.TableError))
