"""`qa-loop compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson


def compare(
    a: Annotated[Path, typer.Argument(help="Folder of a run.")],
    b: Annotated[Path, typer.Argument(help="Folder of another run on the same evaluation questions.")],
    as_json: AsJson = False,
) -> None:
    """Compare two runs round by round: paired differences per question type, with intervals over scenes."""
    from qa_loop.pairs import compared

    rows = compared(a, b)
    if as_json:
        typer.echo(json.dumps([row.as_dict() for row in rows], indent=1))
        return
    width = max(len(row.name) for row in rows)
    typer.echo(f"{'question type':<{width}}  round      n      A      B   B - A")
    for row in rows:
        low, high = row.low, row.high
        interval = "[no interval]" if low is None or high is None else f"[{100 * low:+.1f}, {100 * high:+.1f}]"
        clear = " *" if row.clear else ""
        typer.echo(
            f"{row.name:<{width}}  {row.round:>5}  {row.n:>5}  {100 * row.a:5.1f}  {100 * row.b:5.1f}  "
            f"{100 * row.difference:+6.1f} {interval}{clear}"
        )
    typer.echo(
        "Scores in percent; 95% intervals of the paired difference (bootstrap over scenes). * excludes 0.", err=True
    )
