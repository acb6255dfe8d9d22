"""Commands over finished runs: compare, consistency, report."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer


def compare(
    a: Annotated[Path, typer.Argument(help="Run folder or scores table A.")],
    b: Annotated[Path, typer.Argument(help="Run folder or scores table B.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead of the table.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
) -> None:
    """Compare two runs on the same questions: paired differences with intervals."""
    from qa_eval.scoring.compare import compare_runs
    from qa_eval.scoring.formats import comparison_json, comparison_table

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


def consistency(
    runs: Annotated[list[Path], typer.Argument(help="One run folder, or two runs of the same questions.")],
    questions: Annotated[Path, typer.Option(help="Questions table (folder or file).")],
    pairs: Annotated[
        Path | None, typer.Option(help="Rows with a, b (ids) and relation (same, inverse); default: same signature.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead of the table.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
) -> None:
    """Tell how often answers fit together: one question in two views, or a question and its inverse."""
    from qa_eval.errors import QAEvalError
    from qa_eval.scoring.consistency import run_consistency
    from qa_eval.scoring.formats import consistency_table

    if len(runs) > 2:
        raise QAEvalError("Pass one run, or two runs of the same questions.")
    found = run_consistency(runs, questions, pairs=pairs, seed=seed)
    typer.echo(json.dumps(found, indent=1) if as_json else consistency_table(found))


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
