"""Command line of the loop: run, demo, status, report, doctor."""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.errors import UserError

from qa_loop.errors import StageError

if TYPE_CHECKING:
    from qa_loop.config import LoopConfig

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich costs most of the start-up
    help="Teach a vision-language model to reason about space: ask, train, look at its confidence, ask again.",
)

EXIT_LOST, EXIT_USER, EXIT_INTERRUPT, EXIT_TERMINATED = 1, 2, 130, 143

Folder = Annotated[Path, typer.Argument(help="Folder of a run, finished or not.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def options(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Hold the options that stand before the command."""


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="The run's loop.toml.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; one begun with the same configuration is continued.")],
    force: Annotated[
        bool, typer.Option(help="Accept a changed configuration: redo what it changes and what follows.")
    ] = False,
) -> None:
    """Run every round of a configuration, or continue a run that was stopped."""
    from qa_loop.config import load_config

    _run(load_config(config), out, force=force, again=f"qa-loop run {config} --out {out}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/demo"),
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the questions and the training, instead of the file's.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Accept another seed in a folder that has a run.")] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the demo's configuration, a start for your own, and stop.")
    ] = False,
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
    again = f"qa-loop demo --out {out}" + ("" if seed is None else f" --seed {seed}")
    _run(config, out, force=force, again=again)


@app.command()
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
    typer.echo(f"next: {found.next}", err=True)


@app.command()
def report(folder: Folder) -> None:
    """Write the run's report.html again, from what is there."""
    from qa_loop.report import write_report

    path = write_report(folder)
    typer.echo(
        f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB); next: open it in a browser, it needs no network", err=True
    )


@app.command()
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
        raise typer.Exit(EXIT_USER)


def _run(config: LoopConfig, out: Path, *, force: bool, again: str) -> None:
    """Run the loop, write its report, print its table."""
    from qa_loop.progress import clock
    from qa_loop.report import write_report
    from qa_loop.results import comparison, format_comparison
    from qa_loop.run import Stopped, run_loop

    try:
        outcome = run_loop(config, out, force=force)
        path = write_report(out)
    except KeyboardInterrupt as stop:
        typer.echo(f"\nstopped; nothing is lost. Continue with: {again}", err=True)
        raise typer.Exit(EXIT_TERMINATED if isinstance(stop, Stopped) else EXIT_INTERRUPT) from None
    except StageError as error:
        typer.echo(f"error: {error}", err=True)
        typer.echo(f"Finished stages are kept. When it is fixed: {again}", err=True)
        raise typer.Exit(error.exit_code) from None
    table = comparison(out)
    typer.echo(format_comparison(table))
    rows = sum(row.model.n for row in table.rows if row.model and not row.is_overall)
    typer.echo(
        f"wrote {path}: {config.run.rounds} rounds of {config.questions_per_round} questions, "
        f"{rows:,} scored answers at the end, {clock(outcome.seconds)}; next: open {path}, or qa-loop status {out}",
        err=True,
    )
    if outcome.lossy:
        typer.echo(
            f"rows are missing in {', '.join(outcome.lossy)}; the reasons are in their rejects and in {out / 'logs'}",
            err=True,
        )
        raise typer.Exit(EXIT_LOST)


def main() -> None:
    """Run the command line; user errors exit with 2 and without a traceback."""
    try:
        app()
    except UserError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(EXIT_USER) from None
