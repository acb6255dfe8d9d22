"""Command line of qa-confidence; the table libraries are imported by the commands that need them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from qa_contract.errors import UserError

from qa_confidence.cli import calibration, labelling

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich costs half of the start-up
    help="Confidence, calibration and difficulty labels for the answers of a vision-language model.",
)
labelling.register(app)
calibration.register(app)


@app.callback()
def options(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Confidence, calibration and difficulty labels for the answers of a vision-language model."""


def main() -> None:
    """Run the command line; user errors exit with 2 and without a traceback."""
    try:
        app()
    except UserError as error:
        fail(error)


def fail(error: Exception) -> None:
    """Report a user error: the message alone, or the traceback with --debug."""
    if "--debug" in sys.argv:
        raise error
    typer.echo(f"error: {error}", err=True)
    raise SystemExit(2) from None
