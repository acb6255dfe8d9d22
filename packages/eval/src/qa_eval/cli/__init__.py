"""The command `qa-eval`. Libraries that take long to import are imported inside the commands."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from qa_contract.errors import UserError

from qa_eval.cli.lists import benchmarks, parsers, runners
from qa_eval.cli.report import compare, consistency, report
from qa_eval.cli.run import run
from qa_eval.cli.score import export_lmms_eval, import_log, score

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich costs most of the start-up
    help="Run and score vision-language models on spatial questions; VSI-Bench is scored bit for bit.",
)

for command in (score, run, compare, consistency, report, import_log, export_lmms_eval, runners, benchmarks, parsers):
    app.command(command.__name__.replace("_", "-"))(command)


@app.callback()
def options(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Accept --debug before the command; `main` reads it."""


def main() -> None:
    """Run the command line; user errors exit with 2 and without a traceback."""
    try:
        app()
    except UserError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None
