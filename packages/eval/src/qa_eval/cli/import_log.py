"""The command `import-log`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from qa_contract.cli import Force, Wrote, close, shell

if TYPE_CHECKING:
    from qa_eval.benchmarks import Benchmark


def import_log(
    log: Annotated[Path, typer.Argument(help="Per-sample log of another tool.")],
    out: Annotated[Path, typer.Option(help="File for 'qa-eval score': .jsonl or .parquet.")],
    tool: Annotated[
        str,
        typer.Option(
            "--from",
            help="Tool that wrote the log: lmms-eval, thinking-in-space, vlmevalkit, or authors (result files of a "
            "benchmark's own code).",
        ),
    ],
    benchmark: Annotated[
        str | None, typer.Option(help="Benchmark of the log.", show_default="the one that its name names")
    ] = None,
    parser: Annotated[
        str | None, typer.Option(help="How answers are read again.", show_default="as the tool does")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Published questions, for logs that hold their positions alone.")
    ] = None,
    force: Force = False,
) -> None:
    """Turn a log of another tool into predictions, and show its own scores beside ours.

    Rows whose scores differ are listed with what was read; column log_score keeps the log's own.
    """
    import polars as pl

    from qa_eval.benchmarks import find_benchmark
    from qa_eval.bridges import log_benchmark, log_parser, read_log
    from qa_eval.bridges.logs import with_questions
    from qa_eval.scoring.outputs import check_output_file, write_rows

    started = time.perf_counter()
    check_output_file(out, False, force=force)
    name = benchmark or log_benchmark(log)
    chosen = None if name is None else find_benchmark(name)
    rows = read_log(log, tool, name)
    if questions is not None and chosen is not None:
        rows = with_questions(rows, chosen, questions)
    write_rows(out, pl.DataFrame(rows, infer_schema_length=None, strict=False))
    reader = parser or log_parser(log, tool)
    if chosen is not None and "ground_truth" in rows[0]:
        for line in _beside(log, out, rows, chosen, reader):
            typer.echo(line)
    following = ["--benchmark", name or "BENCHMARK", "--parser", reader]
    following += [] if "ground_truth" in rows[0] else ["--questions", str(questions or "PUBLISHED_FILE")]
    close(Wrote(out, len(rows)), since=started, next=shell("qa-eval", "score", out, *following))


def _beside(log: Path, out: Path, rows: list[dict[str, Any]], benchmark: Benchmark, parser: str) -> list[str]:
    """Describe how the log's own scores stand to ours."""
    from qa_eval.bridges.agreement import agreement, agreement_lines, log_totals
    from qa_eval.parsers import find_parser
    from qa_eval.scoring.inputs import read_answers
    from qa_eval.scoring.score import score_answers
    from qa_eval.scoring.summary import summarise

    stored = read_answers(out, benchmark=benchmark)
    scored = score_answers(stored.answers, benchmark, find_parser(parser))
    overall = summarise(scored, benchmark).means.overall
    percent = None if overall is None else 100 * overall
    totals = log_totals(log)
    found = agreement(scored, {str(row["id"]): row["log_score"] for row in rows if "log_score" in row})
    if found is None:
        own = [f"the log's own total, {name}: {value:.2f}" for name, value in totals.items()]
        here = [] if percent is None else [f"read by {parser}: {percent:.2f}"]
        return [*own, *here, "the log scores no single row"]
    return agreement_lines(found, parser, totals, percent)
