"""The command `score`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import AsJson, Force, Seed, Wrote, close

from qa_eval.cli.options import SCORING, Benchmark, Parser

JUDGE = "Judge (a server that speaks OpenAI's chat completions)"

if TYPE_CHECKING:
    from qa_eval.scoring.answers import Scored


def score(
    predictions: Annotated[Path, typer.Argument(help="JSONL or Parquet with id, prediction; or a predictions table.")],
    questions: Annotated[Path | None, typer.Option(help="Questions, joined by id (JSONL, Parquet or folder).")] = None,
    benchmark: Benchmark = "vsi-bench",
    parser: Parser = "official",
    ids: Annotated[
        Path | None,
        typer.Option(help="Score only these ids: a JSON array, or one per line.", rich_help_panel=SCORING),
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(
            help="Score one frame budget of a file that holds several (column num_frames).", rich_help_panel=SCORING
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            help="Also let this model read what the parser cannot.",
            show_default="none",
            metavar="MODEL",
            rich_help_panel=JUDGE,
        ),
    ] = None,
    judge_url: Annotated[
        str | None,
        typer.Option(help="Server of the judge, up to /v1.", metavar="URL", rich_help_panel=JUDGE),
    ] = None,
    judge_cache: Annotated[
        Path | None,
        typer.Option(help="Folder with its replies.", show_default="~/.cache/qa-eval/judge", rich_help_panel=JUDGE),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write one row per answer here (.jsonl or .parquet).")] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Score stored predictions without the model.

    With --json the aggregate object is printed, in percent.
    """
    from qa_eval.benchmarks import find_benchmark
    from qa_eval.errors import QAEvalError
    from qa_eval.parsers import find_parser
    from qa_eval.scoring.formats import percent_summary, run_summary, summary_table
    from qa_eval.scoring.inputs import keep_ids, read_answers, read_ids
    from qa_eval.scoring.outputs import check_output_file, write_scores
    from qa_eval.scoring.score import score_answers
    from qa_eval.scoring.tags import read_tags

    started = time.perf_counter()
    chosen, reader = find_benchmark(benchmark), find_parser(parser)
    stored = read_answers(predictions, questions, benchmark=chosen, frames=frames)
    if ids is not None:
        stored = keep_ids(stored, read_ids(ids))
    if out is not None:
        check_output_file(out, stored.is_table, force=force)
    if (judge is None) != (judge_url is None):
        raise QAEvalError("--judge MODEL and --judge-url URL belong together.")
    scored = score_answers(stored.answers, chosen, reader)
    name, judged = reader.name, None
    if judge is not None:
        from qa_eval.runners import Connection
        from qa_eval.scoring.judge import default_cache, judge_answers

        connection = Connection(judge_url, cache=judge_cache or default_cache())
        judged = judge_answers(scored, chosen, reader, judge, connection)
        scored, name = judged.scored, judged.name
    n, n_unscored = scored.frame.height, len(scored.reason)
    if n_unscored == n:
        raise QAEvalError(f"{predictions}: none of the {n} rows can be scored ({_first_reason(scored)}).")
    if out is not None:
        write_scores(out, scored, is_table=stored.is_table, benchmark=chosen.name, parser=name, force=force)
    tags = read_tags(questions)
    if as_json:
        summary = percent_summary(scored, chosen, tags)
        summary |= {"benchmark": chosen.name, "parser": name, "unknown_predictions": len(stored.unknown)}
        if judged is not None:
            summary["judge"] = {
                "model": judge,
                "asked": judged.asked,
                "read": judged.read,
                "without_reply": judged.lost,
            }
        typer.echo(json.dumps(summary, indent=1))
    else:
        typer.echo(f"benchmark {chosen.name}, parser {name}")
        typer.echo(summary_table(run_summary(scored, chosen, seed=seed, tags=tags)))
    if chosen.hint and scored.parse_failed.sum() > n / 2:
        typer.echo(f"hint: {int(scored.parse_failed.sum())} of {n} answers cannot be read; {chosen.hint}.", err=True)
    if judged is not None:
        typer.echo(f"The judge read {judged.read} of {judged.asked} answers that the parser could not read.", err=True)
    if judged is not None and judged.lost:
        typer.echo(f"warning: the judge's server gave no reply to {judged.lost} of them; they stay unread.", err=True)
    if stored.empty_truths:
        typer.echo(f"warning: {stored.empty_truths} rows have an empty ground truth; they count as wrong.", err=True)
    if stored.doubled:
        typer.echo(f"warning: {stored.doubled} rows stand there twice; each counts once.", err=True)
    if stored.unknown:
        typer.echo(
            f"warning: {len(stored.unknown)} predictions belong to no question (first: {stored.unknown[0]}).", err=True
        )
    if n_unscored:
        typer.echo(f"warning: {n_unscored} of {n} rows have no score ({_first_reason(scored)}).", err=True)
    close(
        *([] if out is None else [Wrote(out, n)]),
        since=started,
        headline="" if out is not None else f"Scored {n - n_unscored:,} rows",
        lost=n_unscored + len(stored.unknown) + (judged.lost if judged else 0),
    )


def _first_reason(scored: Scored) -> str:
    """Describe the first row without a score."""
    from qa_eval.errors import REASONS

    first = scored.frame.row(next(iter(scored.reason)), named=True)
    return f"id {first['id']}, type {first['question_type']}: {first['reason']}, {REASONS[first['reason']]}"
