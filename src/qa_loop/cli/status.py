"""`qa-loop status`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import AsJson
from qa_contract.errors import ExitCode

from qa_loop.cli.shared import Folder

if TYPE_CHECKING:
    from qa_loop.status import RunStatus


def status(
    folder: Folder,
    check: Annotated[
        bool, typer.Option("--check", help="Compare every file with what its stage wrote; exit code 1 if one differs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show every stage of a run, and what to do next."""
    from qa_loop.status import run_status

    found = run_status(folder, check=check)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=1))
    else:
        _show(found)
    if found.damage:
        raise typer.Exit(ExitCode.LOST)


def _show(found: RunStatus) -> None:
    """Print the stages as a table."""
    width = max(len(stage.name) for stage in found.stages)
    typer.echo(f"{'stage':<{width}}  {'state':<12}  {'rows':>9}  {'seconds':>8}  {'CPU s':>8}  {'peak MB':>8}")
    for stage in found.stages:
        rows = "" if stage.rows is None else f"{stage.rows:,}"
        used = ["" if value is None else f"{value:,.1f}" for value in (stage.seconds, stage.cpu_s, stage.peak_mb)]
        cells = "  ".join(f"{text:>8}" for text in used)
        typer.echo(f"{stage.name:<{width}}  {stage.state:<12}  {rows:>9}  {cells}".rstrip())
    for text in found.damage:
        typer.echo(text)
    typer.echo(f"Next: {found.next}", err=True)
