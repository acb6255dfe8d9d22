"""The command that looks for shortcuts: audit."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command of this module to the command line."""
    app.command()(audit)


def audit(
    questions: Annotated[Path, typer.Argument(help="Table 'questions', or JSONL or Parquet in VSI-Bench's schema.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for bias per question and report.")],
    folds: Annotated[int, typer.Option(min=2, help="Folds of scenes.")] = 5,
    prune: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Drop questions until blind scores are at most chance plus this."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
) -> None:
    """Find out what can be answered from the text alone, and drop it if asked to. Needs the extra 'audit'."""
    from qa_engine.audit.report import markdown, write_audit

    began = time.perf_counter()

    def show(stage: str, done: int, of: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"{stage} {done}/{of}", err=True)

    report = write_audit(questions, out, folds=folds, target=prune, seed=seed, force=force, progress=show)
    typer.echo(json.dumps(report, indent=1) if as_json else markdown(report))
    left = "" if prune is None else f", {report['pruning']['kept']} left"
    typer.echo(
        f"Wrote {out}: {report['questions']} questions{left} in {time.perf_counter() - began:.1f} s. "
        f"Next: read {out / 'report.md'}",
        err=True,
    )
