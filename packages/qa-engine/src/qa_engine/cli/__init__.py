"""Command line of the engine: `qa-engine`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from qa_engine.cli import (
    audit,
    doctor,
    explain,
    export,
    frames,
    programs,
    questions,
    stores,
    view,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich costs most of the start-up
    help="Make spatial questions from 3D scenes; every answer is computed and can be replayed.",
)
stores.register(app)
frames.register(app)
doctor.register(app)
view.register(app)
programs.register(app)
audit.register(app)
questions.register(app)
explain.register(app)
export.register(app)


@app.callback()
def options(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    """Take the options that stand before the command."""


def main() -> None:
    """Run the command line; user errors exit with 2 and without a traceback."""
    try:
        app()
    except Exception as error:
        if "--debug" in sys.argv or not _is_user_error(error):
            raise
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None


def _is_user_error(error: Exception) -> bool:
    """Tell a mistake in the input from one in the program; the table reader is slow to import, so it comes late."""
    from qa_contract.errors import UserError

    return isinstance(error, (UserError, OSError))
