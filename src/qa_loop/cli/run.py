"""`qa-loop run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson, RunOut, shell

from qa_loop.cli.shared import Accept, RedoLost, run_and_report


def run(
    config: Annotated[Path, typer.Argument(help="The run's loop.toml.")],
    out: RunOut,
    force: Accept = False,
    redo_lost: RedoLost = False,
    as_json: AsJson = False,
) -> None:
    """Run every round of a configuration, or continue a run that was stopped."""
    from qa_loop.config import load_config

    again = shell("qa-loop", "run", config, "--out", out)
    run_and_report(load_config(config), out, force=force, redo_lost=redo_lost, again=again, as_json=as_json)
