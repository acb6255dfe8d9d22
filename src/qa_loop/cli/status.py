"""`qa-loop status`."""

from __future__ import annotations

import json

import typer
from qa_contract.cli import AsJson

from qa_loop.cli.shared import Folder


def status(folder: Folder, as_json: AsJson = False) -> None:
    """Show every stage of a run, and what to do next."""
    from qa_loop.status import run_status

    found = run_status(folder)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=1))
        return
    width = max(len(stage.name) for stage in found.stages)
    typer.echo(f"{'stage':<{width}}  {'state':<12}  {'rows':>9}  {'seconds':>8}")
    for stage in found.stages:
        rows = "" if stage.rows is None else f"{stage.rows:,}"
        seconds = "" if stage.seconds is None else f"{stage.seconds:,.1f}"
        typer.echo(f"{stage.name:<{width}}  {stage.state:<12}  {rows:>9}  {seconds:>8}".rstrip())
    typer.echo(f"Next: {found.next}", err=True)
