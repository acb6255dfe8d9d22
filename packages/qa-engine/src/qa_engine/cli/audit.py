"""The command that looks for shortcuts: audit."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from qa_contract.cli import App, AsJson, Force, Out, Progress, Seed, Wrote, close, shell

from qa_engine.cli.options import AnyQuestions


def register(app: App) -> None:
    """Add the command of this module to the command line."""
    app.command(topic="Questions")(audit)


def audit(
    questions: AnyQuestions,
    *,
    out: Out,
    folds: Annotated[int, typer.Option(min=2, help="Folds of scenes.")] = 5,
    prune: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Drop questions until blind scores are at most chance plus this."),
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    force: Force = False,
) -> None:
    """Find out what can be answered from the text alone, and drop it if asked to. Needs the extra 'audit'."""
    from qa_engine.audit.report import markdown, write_audit

    began = time.perf_counter()
    with Progress("questions") as progress:
        report = write_audit(questions, out, folds=folds, target=prune, seed=seed, force=force, progress=progress)
    if not as_json:
        typer.echo(markdown(report))
    close(
        Wrote(out, report["questions"], "questions"),
        since=began,
        notes=[] if prune is None else [f"{report['pruning']['kept']} left"],
        next=shell("less", out / "report.md"),
        summary=report,
        as_json=as_json,
    )
