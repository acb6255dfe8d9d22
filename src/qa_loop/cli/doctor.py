"""`qa-loop doctor`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson
from qa_contract.errors import ExitCode


def doctor(
    out: Annotated[Path, typer.Option(help="Where a run would be written; its disk is checked.")] = Path("."),
    as_json: AsJson = False,
) -> None:
    """Check Python, packages, machine and data, and say what to fix first."""
    from dataclasses import asdict

    from qa_loop.doctor import examine, first_fix

    checks = examine(out)
    if as_json:
        typer.echo(json.dumps({"checks": [asdict(check) for check in checks], "first": first_fix(checks)}, indent=1))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            hint = f" -> {check.fix}" if check.fix else ""
            typer.echo(f"{check.state:<4}  {check.name:<{width}}  {check.found}{hint}")
        typer.echo(f"first: {first_fix(checks)}")
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(ExitCode.USER_ERROR)
