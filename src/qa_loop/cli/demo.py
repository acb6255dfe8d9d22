"""`qa-loop demo`."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import COMMON, AsJson, RunOut, shell

from qa_loop.cli.shared import Accept, run_and_report


def demo(
    out: RunOut = Path("runs/demo"),
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Seed of the questions and the training, instead of the file's.", rich_help_panel=COMMON
        ),
    ] = None,
    force: Accept = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the demo's configuration, a start for your own, and stop.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the whole loop on procedural rooms with a tiny model: no download, no GPU."""
    from qa_loop.config import load_config

    with resources.as_file(resources.files("qa_loop") / "configs" / "demo.toml") as path:
        if print_config:
            typer.echo(path.read_text(encoding="utf-8"), nl=False)
            return
        config = load_config(path)
    if seed is not None:
        config = config.model_copy(update={"run": config.run.model_copy(update={"seed": seed})})
    again = shell("qa-loop", "demo", "--out", out, *([] if seed is None else ["--seed", seed]))
    run_and_report(config, out, force=force, again=again, as_json=as_json)
