"""Read JSONL, JSON and Parquet files as columns; only Parquet needs polars, so that JSONL is read at once."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from qa_eval.errors import QAEvalError
from qa_eval.pictures import Cell, held

Columns = dict[str, list[Any]]
"""Column name to values; all lists have one length."""

LARGEST_CELL = 1 << 30
"""Characters of a cell: tables of benchmarks hold pictures as base64."""

PREDICTION_COLUMNS = (
    *("question_id", "scene_name", "question_type", "run_id", "model_id", "runner", "round", "phase", "completion"),
    *("frame_set_id", "prompt_id", "settings"),
)
"""Columns of the predictions table that scoring needs."""


def read_columns(path: Path, table: str, *, more: Sequence[str] = ()) -> Columns:
    """Read a JSONL, JSON or Parquet file, or a folder with `<table>.parquet`, as columns.

    Rows of JSON that lack a key get None there. Of a predictions table the columns that scoring needs are read, and
    those of `more` that the file has.

    Raises
    ------
    QAEvalError
        With the file, the line and the reason.
    """
    path = Path(path)
    if not path.exists():
        raise QAEvalError(f"{path}: no such file or folder (expected {table}).")
    if path.is_dir() or path.suffix == ".parquet":
        return _read_parquet(path, table, more)
    if path.suffix not in (".jsonl", ".ndjson", ".json"):
        raise QAEvalError(f"{path}: expected .jsonl, .json or .parquet, found '{path.suffix or 'no suffix'}'.")
    return _columns(_read_json_rows(path), path)


def read_published(
    path: Path,
    names: Sequence[str],
    *,
    optional: Sequence[str] = (),
    inside: str | None = None,
    pictures: Sequence[tuple[str, ...]] = (),
) -> Columns:
    """Read the columns of a benchmark's published file: JSON, JSONL, TSV, CSV, Parquet, or a folder of Parquet shards.

    Parameters
    ----------
    path : Path
    names : sequence of str
        Columns that must be there. Of a Parquet file only these are read, because images often stand beside them.
    optional : sequence of str
        Columns that are read where they are there.
    inside : str, optional
        Key of the list of rows where the file is one JSON object.
    pictures : sequence of tuple of str
        Columns that hold or name a question's pictures, in order; of several layouts the first that is there. The
        result has them as the column `pictures`, unread: scoring needs none.

    Raises
    ------
    QAEvalError
        With the file, what was expected and what was found.
    """
    path = Path(path)
    if not path.exists():
        raise QAEvalError(f"{path}: no such file or folder (expected {', '.join(names)}).")
    if path.is_dir() or path.suffix == ".parquet":
        return _read_shards(path, names, optional, pictures)
    rows = read_table_rows(path) if path.suffix in (".tsv", ".csv") else _read_json_rows(path, inside=inside)
    columns = _columns(rows, path)
    need_columns(columns, names, path)
    return columns | ({"pictures": held(rows, pictures)} if pictures else {})


def read_table_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a TSV or CSV file; empty cells are None.

    Raises
    ------
    QAEvalError
        The file is no such table.
    """
    csv.field_size_limit(LARGEST_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise QAEvalError(f"{path}: not readable as a table ({error}).") from error
    return [{name: value or None for name, value in row.items() if name} for row in rows]


def _columns(rows: list[dict[str, Any]], path: Path) -> Columns:
    if not rows:
        raise QAEvalError(f"{path}: no rows.")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def parquet_files(path: Path) -> list[Path]:
    """List a Parquet file, or those of a folder; of one that has none itself, those of the folders in it.

    Raises
    ------
    QAEvalError
        There is none.
    """
    files = (sorted(path.glob("*.parquet")) or sorted(path.rglob("*.parquet"))) if path.is_dir() else [path]
    if not files:
        raise QAEvalError(f"{path}: no Parquet file in this folder.")
    return files


def _read_shards(
    path: Path, names: Sequence[str], optional: Sequence[str], pictures: Sequence[tuple[str, ...]]
) -> Columns:
    """Read some columns of a Parquet file, or of all Parquet files of a folder."""
    import polars as pl

    files = parquet_files(path)
    try:
        schemas = {file: pl.read_parquet_schema(file) for file in files}
        for file, found in schemas.items():
            need_columns(found, names, file)
        wanted = [*names, *(name for name in optional if name in schemas[files[0]])]
        shards = [pl.read_parquet(file, columns=wanted) for file in files]
        columns = pl.concat(shards).to_dict(as_series=False)
        if pictures:
            layouts = {
                file: next((tuple(n for n in one if n in known) for one in pictures if set(one) & set(known)), None)
                for file, known in schemas.items()
            }
            columns["pictures"] = [
                Cell(file, row, layout) if (layout := layouts[file]) else None
                for file, shard in zip(files, shards, strict=True)
                for row in range(shard.height)
            ]
        return columns
    except (pl.exceptions.PolarsError, OSError) as error:
        raise QAEvalError(f"{path}: not readable as Parquet ({error}).") from error


def _read_json_rows(path: Path, *, inside: str | None = None) -> list[dict[str, Any]]:
    """Parse one object per line, a list of objects, or the list at the key `inside` of one object."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QAEvalError(f"{path}: not readable as UTF-8 text ({error}).") from error
    rows: list[Any] = []
    if inside is not None or text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except json.JSONDecodeError as error:
            raise QAEvalError(f"{path}: not valid JSON ({error}).") from error
        if inside is not None:
            found = rows.get(inside) if isinstance(rows, dict) else None
            if not isinstance(found, list):
                raise QAEvalError(f"{path}: expected an object with a list at '{inside}'.")
            rows = found
    else:
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except json.JSONDecodeError as error:
                    raise QAEvalError(f"{path}: line {number} is not valid JSON ({error}).") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise QAEvalError(f"{path}: row {number} is a {type(row).__name__}, expected an object.")
    return rows


def _read_parquet(path: Path, table: str, more: Sequence[str]) -> Columns:
    """Read a Parquet file: the workspace's table where it has a question_id, else any columns."""
    import polars as pl
    from qa_contract.tableio import read_table, table_files
    from qa_contract.tables import TABLES

    files = table_files(path, table)
    try:
        names = list(pl.read_parquet_schema(files[0]))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise QAEvalError(f"{files[0]}: not a readable Parquet file ({error}).") from error
    if "question_id" in names:
        wanted = (*PREDICTION_COLUMNS, *more) if table == "predictions" else tuple(TABLES[table])
        frame = read_table(path, table, TABLES[table], columns=[name for name in wanted if name in names])
    else:
        frame = pl.read_parquet(files)
    return frame.to_dict(as_series=False)


def need_columns(columns: Iterable[str], names: Sequence[str], path: Path) -> None:
    """Raise unless all columns are there."""
    missing = [name for name in names if name not in columns]
    if missing:
        raise QAEvalError(f"{path}: expected {', '.join(missing)}; found {', '.join(columns) or 'nothing'}.")
