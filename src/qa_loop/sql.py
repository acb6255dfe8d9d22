"""Answers of SQL over the tables of runs, written for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import polars as pl
from qa_contract.database import connect, query
from qa_contract.queries import QUERIES
from qa_contract.tableio import quote
from qa_contract.tables import DECLARATIONS

from qa_loop.errors import unknown_name

CELL = 60
"""Characters of a cell that a table for people shows; `csv` and `json` hold everything."""


def answer(source: str, sql: str) -> pl.DataFrame:
    """Answer one SELECT over the tables of a run, a store or several of them.

    Parameters
    ----------
    source : str
        Folder, file or glob, as `qa_contract.connect` takes it.
    sql : str
        One statement that reads.

    Raises
    ------
    UserError
        Nothing is there, or the statement cannot be answered; the message names tables and columns that exist.
    """
    return query(source, sql)


def named_query(source: str, name: str) -> pl.DataFrame:
    """Answer a query of `qa_contract.queries` by its name."""
    if name not in QUERIES:
        raise unknown_name("query", name, QUERIES, f"See 'qa-loop sql {source} --list'.")
    return query(source, QUERIES[name].sql)


def tables(source: str) -> pl.DataFrame:
    """List the tables that are there: name, files, rows, meaning."""
    with connect(source) as connection:
        listed = connection.execute("SELECT table_name, count(*) FROM files GROUP BY ALL ORDER BY ALL").fetchall()
        rows = [
            {
                "table": name,
                "files": files,
                "rows": connection.execute(f"SELECT count(*) FROM {quote(name)}").fetchall()[0][0],
                "row is": DECLARATIONS[name].rows,
            }
            for name, files in listed
        ]
    return pl.DataFrame(rows)


def written_lists(source: str, form: str) -> str:
    """Write the tables of a source and the ready-made queries; as CSV the tables alone."""
    found = tables(source)
    queries = pl.DataFrame([{"query": entry.name, "answers": entry.about} for entry in QUERIES.values()])
    if form == "json":
        return json.dumps({"tables": found.to_dicts(), "queries": queries.to_dicts()}, indent=1) + "\n"
    return written(found, form) if form == "csv" else f"{as_table(found)}\n{as_table(queries, cell=2 * CELL)}"


def written(frame: pl.DataFrame, form: str) -> str:
    """Write rows as `table`, `csv` or `json`."""
    return _FORMS[form](frame)


def as_table(frame: pl.DataFrame, *, cell: int = CELL) -> str:
    """Write rows in columns: numbers to the right, long texts shortened, null as nothing.

    Examples
    --------
    >>> print(as_table(pl.DataFrame({"type": ["count", "size"], "score": [0.5, None]})), end="")
    type   score
    count    0.5
    size
    2 rows
    """
    columns = [[name, *map(_shown(frame[name], cell), frame[name].to_list())] for name in frame.columns]
    widths = [max(map(len, column)) for column in columns]
    right = [frame[name].dtype.is_numeric() for name in frame.columns]
    lines = [
        "  ".join(
            text.rjust(width) if is_number else text.ljust(width)
            for text, width, is_number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in zip(*columns, strict=True)
    ]
    return "\n".join([*lines, f"{frame.height:,} {'row' if frame.height == 1 else 'rows'}"]) + "\n"


def as_csv(frame: pl.DataFrame) -> str:
    """Write rows as CSV; lists and structs are JSON in one field."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    flat = frame.with_columns(
        pl.Series(name, [None if value is None else _json(value) for value in frame[name].to_list()], pl.String)
        for name in nested
    )
    return flat.write_csv()


def as_json(frame: pl.DataFrame) -> str:
    """Write rows as a JSON list of objects; what JSON has no number for is null."""
    return frame.write_json() + "\n"


def _shown(column: pl.Series, cell: int) -> Callable[[Any], str]:
    """Give the function that writes one value of a column."""

    def show(value: object) -> str:
        text = "" if value is None else _json(value) if column.dtype.is_nested() else str(value)
        # Text of a table must not steer the terminal.
        text = "".join(c if c.isprintable() else " " for c in text)
        return text if len(text) <= cell else f"{text[: cell - 1]}…"

    return show


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


_FORMS: dict[str, Callable[[pl.DataFrame], str]] = {"table": as_table, "csv": as_csv, "json": as_json}
