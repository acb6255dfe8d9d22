"""What `run` and `demo` share: run the loop, write its report, print its table."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import COMMON, Wrote, close, resumable, shell
from qa_contract.errors import ExitCode

from qa_loop.errors import StageError

if TYPE_CHECKING:
    from qa_loop.config import LoopConfig

Folder = Annotated[Path, typer.Argument(help="Folder of a run, finished or not.")]
Accept = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Accept a changed configuration: redo what it changes and what follows.",
        rich_help_panel=COMMON,
    ),
]
RedoLost = Annotated[
    bool,
    typer.Option(
        "--redo-lost",
        help="Do stages again whose rows are missing, and what follows if something else comes out.",
        rich_help_panel=COMMON,
    ),
]


def run_and_report(
    config: LoopConfig, out: Path, *, force: bool, redo_lost: bool = False, again: str, as_json: bool
) -> None:
    """Run the loop, write its report, print its table.

    Parameters
    ----------
    config : LoopConfig
        What to run.
    out : Path
        Folder of the run.
    force : bool
        Accept a changed configuration.
    redo_lost : bool
        Do stages again whose rows are missing.
    again : str
        The command line that goes on after a stop.
    as_json : bool
        Print the table as JSON.
    """
    from qa_loop.run import run_loop

    started = time.perf_counter()
    with resumable(f"nothing is lost. Continue with: {again}"):
        try:
            outcome = run_loop(config, out, force=force, redo_lost=redo_lost)
        except StageError as error:
            kept = f"Finished stages are kept. When it is fixed: {again}"
            raise StageError(f"{error}\n{kept}", exit_code=error.exit_code) from None
        from qa_loop.manifest import load_manifest
        from qa_loop.pools import short_rounds
        from qa_loop.report import write_report
        from qa_loop.results import comparison, format_comparison

        path = write_report(out)
    table = comparison(out)
    if not as_json:
        typer.echo(format_comparison(table))
    answers = sum(row.model.n for row in table.rows if row.model and not row.is_overall)
    notes = [f"{config.run.rounds} rounds of {config.questions_per_round:,} questions"]
    if short := short_rounds(config, load_manifest(out)):
        named = ", ".join(f"{number} ({n:,} questions)" for number, n in short)
        notes.append(f"smaller than asked: round {named}; the scenes and gates left no more")
    if outcome.lossy:
        notes.append(
            f"rows are missing in {', '.join(outcome.lossy)}: the reasons are in their rejects and in {out / 'logs'}; "
            "when the cause is repaired, start the same command with --redo-lost"
        )
    close(
        Wrote(path, answers, "scored answers"),
        since=started,
        notes=notes,
        next=shell("qa-loop", "status", out),
        summary={"lossy": outcome.lossy, **table.as_dict()},
        as_json=as_json,
    )
    if outcome.lossy:
        raise typer.Exit(ExitCode.LOST)
