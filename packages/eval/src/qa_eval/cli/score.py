"""Commands over stored predictions: score, import-log, export-lmms-eval."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qa_eval.errors import QAEvalError

if TYPE_CHECKING:
    from qa_eval.scoring.answers import Scored


def score(
    predictions: Annotated[Path, typer.Argument(help="JSONL or Parquet with id, prediction; or a predictions table.")],
    questions: Annotated[Path | None, typer.Option(help="Questions, joined by id (JSONL, Parquet or folder).")] = None,
    benchmark: Annotated[str, typer.Option(help="Metrics and averages: see 'qa-eval benchmarks'.")] = "vsi-bench",
    parser: Annotated[str, typer.Option(help="How answers are read: see 'qa-eval parsers'.")] = "official",
    ids: Annotated[Path | None, typer.Option(help="Score only these ids: a JSON array, or one per line.")] = None,
    frames: Annotated[
        str | None, typer.Option(help="Score one frame budget of a file that holds several (column num_frames).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write one row per answer here (.jsonl or .parquet).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the aggregate object, in percent.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
    force: Annotated[bool, typer.Option(help="Overwrite --out.")] = False,
) -> None:
    """Score stored predictions without the model."""
    from qa_eval.benchmarks import find_benchmark
    from qa_eval.parsers import find_parser
    from qa_eval.scoring.formats import percent_summary, run_summary, summary_table
    from qa_eval.scoring.inputs import keep_ids, read_answers, read_ids
    from qa_eval.scoring.outputs import check_output_file, write_scores
    from qa_eval.scoring.score import score_answers

    started = time.perf_counter()
    chosen, reader = find_benchmark(benchmark), find_parser(parser)
    stored = read_answers(predictions, questions, benchmark=chosen, frames=frames)
    if ids is not None:
        stored = keep_ids(stored, read_ids(ids))
    if out is not None:
        check_output_file(out, stored.is_table, force=force)
    scored = score_answers(stored.answers, chosen, reader)
    n, n_unscored = scored.frame.height, len(scored.reason)
    if n_unscored == n:
        raise QAEvalError(f"{predictions}: none of the {n} rows can be scored ({_first_reason(scored)}).")
    if out is not None:
        write_scores(out, scored, is_table=stored.is_table, benchmark=chosen.name, parser=reader.name, force=force)
    if as_json:
        summary = percent_summary(scored, chosen)
        summary |= {"benchmark": chosen.name, "parser": reader.name, "unknown_predictions": len(stored.unknown)}
        typer.echo(json.dumps(summary, indent=1))
    else:
        typer.echo(f"benchmark {chosen.name}, parser {reader.name}")
        typer.echo(summary_table(run_summary(scored, chosen, seed=seed)))
    if stored.repeated:
        typer.echo(f"warning: {stored.repeated} rows repeat an id; all rows are scored.", err=True)
    if stored.unknown:
        typer.echo(
            f"warning: {len(stored.unknown)} predictions belong to no question (first: {stored.unknown[0]}).", err=True
        )
    if n_unscored:
        typer.echo(f"warning: {n_unscored} of {n} rows have no score ({_first_reason(scored)}).", err=True)
    written = f"{out}: " if out is not None else ""
    typer.echo(f"{written}{n - n_unscored} rows scored in {time.perf_counter() - started:.2f} s", err=True)
    if n_unscored or stored.unknown:
        raise typer.Exit(1)


def _first_reason(scored: Scored) -> str:
    """Describe the first row without a score."""
    from qa_eval.errors import REASONS

    first = scored.frame.row(next(iter(scored.reason)), named=True)
    return f"id {first['id']}, type {first['question_type']}: {first['reason']}, {REASONS[first['reason']]}"


def import_log(
    log: Annotated[Path, typer.Argument(help="Per-sample log of another tool.")],
    out: Annotated[Path, typer.Option(help="JSONL file for 'qa-eval score'.")],
    tool: Annotated[str, typer.Option("--from", help="lmms-eval or vlmevalkit.")],
    force: Annotated[bool, typer.Option(help="Overwrite --out.")] = False,
) -> None:
    """Turn a log of lmms-eval or VLMEvalKit into predictions that can be scored again."""
    import polars as pl

    from qa_eval.bridges import read_log
    from qa_eval.scoring.outputs import check_output_file, write_rows

    check_output_file(out, False, force=force)
    rows = read_log(log, tool)
    write_rows(out, pl.DataFrame(rows, infer_schema_length=None, strict=False))
    parser = {"lmms-eval": "lmms-eval-cli"}.get(tool, tool)
    typer.echo(f"{out}: {len(rows)} rows. Next: qa-eval score {out} --parser {parser}", err=True)


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
