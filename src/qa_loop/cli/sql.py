"""`qa-loop sql`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Form(StrEnum):
    """How rows are printed."""

    table = "table"
    csv = "csv"
    json = "json"


def sql(
    source: Annotated[
        str, typer.Argument(help="Run, store, folder or file of a table; several by a glob in quotes: 'runs/*'.")
    ],
    statement: Annotated[
        str | None, typer.Argument(metavar="SQL", help="One SELECT in DuckDB's dialect, in quotes.")
    ] = None,
    query: Annotated[
        str | None, typer.Option(metavar="NAME", help="Answer a ready-made query of --list in place of SQL.")
    ] = None,
    names: Annotated[bool, typer.Option("--list", help="Show the tables that are there, and the queries.")] = False,
    form: Annotated[Form, typer.Option("--format", help="How rows are printed.")] = Form.table,
) -> None:
    """Ask the tables of runs and stores in SQL: a view per table, with run, round and stage of every row."""
    from qa_loop import sql as asked
    from qa_loop.errors import QALoopError

    if (statement is not None) + (query is not None) + names != 1:
        raise QALoopError("Give one of: SQL after the source, --query NAME, --list.")
    if names:
        typer.echo(asked.written_lists(source, form.value), nl=False)
    else:
        rows = asked.named_query(source, query) if query is not None else asked.answer(source, statement or "")
        typer.echo(asked.written(rows, form.value), nl=False)
