"""`qa-loop status`."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import AsJson
from qa_contract.errors import ExitCode

from qa_loop.cli.shared import Folder

WATCH_S = 2.0
CLEAR = "\x1b[H\x1b[2J"
"""Moves to the top of a terminal and empties it."""

if TYPE_CHECKING:
    from qa_loop.status import RunStatus


def status(
    folder: Folder,
    check: Annotated[
        bool, typer.Option("--check", help="Compare every file with what its stage wrote; exit code 1 if one differs.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again until nothing runs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every stage of a run, and what to do next."""
    from qa_loop.progress import last_lines
    from qa_loop.status import run_status

    found = run_status(folder, check=check)
    while watch and (running := [stage for stage in found.stages if stage.state == "running"]):
        typer.echo(CLEAR if sys.stdout.isatty() else "", nl=False)
        _show(found, last_lines(folder / running[0].log, 1))
        time.sleep(WATCH_S)
        found = run_status(folder, check=check)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=1))
    else:
        _show(found)
    if found.damage:
        raise typer.Exit(ExitCode.LOST)


def _show(found: RunStatus, last: list[str] | None = None) -> None:
    """Print the stages as a table; `last` ends the log of the running one."""
    width = max(len(stage.name) for stage in found.stages)
    typer.echo(f"{'stage':<{width}}  {'state':<12}  {'rows':>9}  {'seconds':>8}  {'CPU s':>8}  {'peak MB':>8}")
    for stage in found.stages:
        rows = "" if stage.rows is None else f"{stage.rows:,}"
        used = ["" if value is None else f"{value:,.1f}" for value in (stage.seconds, stage.cpu_s, stage.peak_mb)]
        cells = "  ".join(f"{text:>8}" for text in used)
        typer.echo(f"{stage.name:<{width}}  {stage.state:<12}  {rows:>9}  {cells}".rstrip())
    if found.pruned:
        typer.echo(f"Weights were removed, as [run] keep says: {', '.join(found.pruned)}")
    for text in [*found.damage, *(last or ())]:
        typer.echo(text)
    typer.echo(f"Next: {found.next}", err=True)
