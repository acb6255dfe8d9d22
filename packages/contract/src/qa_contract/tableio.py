"""Read and write the Parquet tables that the packages exchange.

The module imports polars and DuckDB; command lines import it inside their commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from qa_contract.errors import TableError
from qa_contract.files import atomic_path
from qa_contract.identity import config_hash
from qa_contract.tables import DECLARATIONS, VERSIONS, Schema

SHARD = "?????-of-?????"
"""Part of a shard's name, as a glob: its number and how many there are."""

ADDED = "added"
"""Folder of a store with one folder of tables for each time that scenes were added."""


def table_metadata(table: str, producer: str, config: Mapping[str, object], seed: int) -> dict[str, str]:
    """Build the key-value metadata of a file: table, version, producer, config_hash, seed, run_id.

    `config` holds what decides the content, never a worker count or an output path, so that the same seed gives the
    same bytes; `run_id` is a hash of `config` and `seed`.

    Examples
    --------
    >>> table_metadata("program_outcomes", "qa-engine run-programs", {"profile": "exact"}, 0)["version"]
    '1'
    """
    return {
        "table": table,
        "version": VERSIONS.get(table, "1"),
        "producer": producer,
        "config_hash": config_hash(config),
        "seed": str(seed),
        "run_id": config_hash({"config": config, "seed": seed}),
    }


def table_files(source: Path, table: str) -> list[Path]:
    """List the files of `table`: `source` itself, or in the folder `source` `<table>.parquet` or its shards.

    Of a store that scenes were added to, the tables of these follow, in their order.

    Raises
    ------
    TableError
        Nothing is there, or a shard is missing.
    """
    source = Path(source)
    if source.is_file():
        return [source]
    if not source.exists():
        raise TableError(f"{source}: no such file or folder (expected table '{table}').")
    single = source / f"{table}.parquet"
    shards = sorted(source.glob(f"{table}-{SHARD}.parquet"))
    if single.is_file() and shards:
        raise TableError(f"{source}: both {single.name} and {len(shards)} shards of '{table}' are here; keep one.")
    if single.is_file():
        return [single, *sorted(source.glob(f"{ADDED}/*/{table}.parquet"))]
    if not shards:
        found = ", ".join(sorted(p.name for p in source.glob("*.parquet"))[:8]) or "no Parquet file"
        raise TableError(f"{source}: expected {single.name} or its shards, found {found}.")
    total = int(shards[0].stem.rsplit("-", 1)[1])
    if len(shards) != total:
        raise TableError(f"{source}: expected {total} shards of '{table}', found {len(shards)}.")
    return shards


def read_metadata(path: Path) -> dict[str, str]:
    """Read the key-value metadata of one Parquet file."""
    try:
        return {k: v for k, v in pl.read_parquet_metadata(path).items() if k != "ARROW:schema"}
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{path}: not a readable Parquet file ({error}).") from error


def check_metadata(path: Path, table: str, metadata: Mapping[str, str]) -> None:
    """Refuse a file of another table or of another major version; a file without metadata passes.

    Raises
    ------
    TableError
        With what was expected, what was found and what to do.

    Examples
    --------
    >>> check_metadata(Path("q.parquet"), "questions", {"table": "questions", "version": "1.7"})
    >>> check_metadata(Path("q.parquet"), "questions", {"version": "99", "producer": "qa-engine generate"})
    Traceback (most recent call last):
    ...
    qa_contract.errors.TableError: q.parquet: table 'questions' has version 99; this reads version 1. Write it again ...
    """
    stored = metadata.get("table", table)
    if stored != table:
        raise TableError(f"{path}: expected table '{table}', found table '{stored}'.")
    known = VERSIONS.get(table, "1")
    found = metadata.get("version", known)
    if found.partition(".")[0] != known.partition(".")[0]:
        producer = metadata.get("producer", "the command that wrote it")
        raise TableError(
            f"{path}: table '{table}' has version {found}; this reads version {known}. "
            f"Write it again with '{producer}' of the installed packages, or install those that wrote it."
        )


def read_table(
    source: Path,
    table: str,
    schema: Schema,
    *,
    columns: Sequence[str] | None = None,
    optional: Sequence[str] = (),
    unique: bool = True,
    scenes: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Read the `columns` of a table (default: those of `schema`) with DuckDB, check their types and its key.

    Where the table has a declared key and the key is among the columns, no two rows may have the same one.

    Parameters
    ----------
    source : Path
        A Parquet file, or the folder that holds `<table>.parquet` or its shards.
    table : str
        Name of the table, checked with its version against the file's metadata where that names them.
    schema : mapping of str to polars dtype
        The declaration of the table. Integers may be wider or narrower in the file; they are cast.
    columns : sequence of str, optional
        Columns that the caller needs; more columns in the file are ignored.
    optional : sequence of str
        Those of `columns` that files may lack; they are null there, as are those of a later minor version.
    unique : bool
        Refuse two rows with one key; false for a caller that refuses the scene alone.
    scenes : sequence of str, optional
        The scenes whose rows are wanted, a few thousand at most. Of a table that is sorted by scene, as those of a
        store are, only the groups of rows with these scenes are read from disk.

    Raises
    ------
    TableError
        With the file, what was expected and what was found.
    """
    names = list(schema if columns is None else columns)
    declared = DECLARATIONS.get(table)
    optional = (*optional, *(declared.later if declared else ()))
    files = table_files(source, table)
    somewhere: set[str] = set()
    for path in files:
        check_metadata(path, table, read_metadata(path))
        present = _columns(path)
        somewhere |= set(present)
        missing = [name for name in names if name not in present and name not in optional]
        if missing:
            raise TableError(
                f"{path}: table '{table}' lacks column(s) {', '.join(missing)}; found {', '.join(present)}."
            )
    quoted = ", ".join(quote(name) if name in somewhere else f"NULL AS {quote(name)}" for name in names)
    given: list[Any] = [[literal_path(path) for path in files]]
    if scenes is None:
        sql = f"SELECT {quoted} FROM read_parquet(?, union_by_name=true)"
    elif not scenes:
        sql = f"SELECT {quoted} FROM read_parquet(?, union_by_name=true) WHERE false"
    else:  # the range passes over groups of rows; the list is a join, which keeps no order
        given += [min(scenes), max(scenes), list(scenes)]
        rows = "read_parquet(?, union_by_name=true, file_row_number=true)"
        wanted = "scene_name BETWEEN ? AND ? AND scene_name IN (SELECT unnest(?))"
        sql = f"SELECT {quoted} FROM {rows} WHERE {wanted} ORDER BY file_index, file_row_number"
    try:
        with duckdb.connect() as connection:
            frame = connection.sql(sql, params=given).pl()
    except duckdb.OutOfMemoryException as error:
        raise MemoryError(str(error)) from error
    except (duckdb.Error, UnicodeDecodeError) as error:
        raise TableError(
            f"{files[0] if len(files) == 1 else source}: table '{table}' is damaged ({first_line(error)}). "
            "Restore it from a copy, or write it again."
        ) from error
    try:
        frame = frame.cast({name: schema[name] for name in names})
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{name}: {frame.schema[name]}" for name in names if frame.schema[name] != schema[name])
        raise TableError(f"{files[0]}: table '{table}' has columns of other types ({types}): {error}") from error
    key = declared.key if declared else ()
    if unique and key and set(key) <= set(names):
        check_unique(frame, key, files[0] if len(files) == 1 else source)
    return frame


def write_table(
    frame: pl.DataFrame, path: Path, schema: Schema, metadata: Mapping[str, str], *, rows_per_group: int | None = None
) -> Path:
    """Write a table with exactly the columns and types of `schema`; the file appears whole or not at all.

    `rows_per_group` is how many rows can be read alone; polars decides where it is not given.

    Raises
    ------
    TableError
        `frame` lacks a column, has one too many, or holds values that do not fit the type; or the disk is full.
    """
    missing = [name for name in schema if name not in frame.columns]
    extra = [name for name in frame.columns if name not in schema]
    if missing or extra:
        raise TableError(f"{path}: the rows lack {missing or 'nothing'} and have {extra or 'nothing'} too many.")
    try:
        frame = frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    except pl.exceptions.PolarsError as error:
        raise TableError(f"{path}: rows do not fit the table '{metadata.get('table')}': {error}") from error
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_frame(frame, path, compression="zstd", metadata=dict(metadata), row_group_size=rows_per_group)
    return path


def write_frame(frame: pl.DataFrame, path: Path, **options: Any) -> None:
    """Write a frame as Parquet, with the options of polars; the file appears whole or not at all.

    Raises
    ------
    TableError
        The disk is full or takes no more, which polars reports as an error of its own.
    """
    with atomic_path(path) as temporary:
        try:
            frame.write_parquet(temporary, **options)
        except pl.exceptions.PolarsError as error:
            raise TableError(f"{path}: cannot be written ({first_line(error)}). Is the disk full?") from error


def first_line(error: Exception) -> str:
    """Give the first line of an error of a library, short."""
    return str(error).strip().split("\n", 1)[0][:200]


def _columns(path: Path) -> list[str]:
    try:
        return list(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{path}: not a readable Parquet file ({first_line(error)}).") from error


def with_every_column(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Select and cast the columns of `schema`; those that `frame` lacks are null.

    Examples
    --------
    >>> with_every_column(pl.DataFrame({"b": [1]}), {"a": pl.String, "b": pl.Float64}).row(0)
    (None, 1.0)
    """
    return frame.select(
        pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in schema.items()
    )


def check_unique(frame: pl.DataFrame, key: Sequence[str], source: Path | str) -> None:
    """Refuse rows whose `key` occurs twice: counts, joins and means would be wrong without a sign.

    Parameters
    ----------
    frame : DataFrame
    key : sequence of str
        Columns that together name a row; `DECLARATIONS[table].key` has those of a table.
    source : Path or str
        Where the rows come from, for the message.

    Raises
    ------
    TableError
        With the first doubled key and how many there are.

    Examples
    --------
    >>> check_unique(pl.DataFrame({"scene_name": ["attic", "hall", "hall"]}), ["scene_name"], "store/scenes.parquet")
    Traceback (most recent call last):
    ...
    qa_contract.errors.TableError: store/scenes.parquet: scene_name 'hall' stands in 2 rows; ... Keep one of them.
    """
    doubled = frame.select(key).filter(frame.select(key).is_duplicated())
    if doubled.height:
        first = doubled.row(0)
        rows = doubled.filter(
            pl.all_horizontal(pl.col(name).eq_missing(value) for name, value in zip(key, first, strict=True))
        )
        named = ", ".join(f"{name} '{value}'" for name, value in zip(key, first, strict=True))
        count = doubled.n_unique()
        raise TableError(
            f"{source}: {named} stands in {rows.height} rows; {count} of these keys are not unique. Keep one of them."
        )


def literal_path(path: Path) -> str:
    """Write a path for DuckDB's readers, which take `*`, `?` and `[` for wildcards.

    Examples
    --------
    >>> literal_path(Path("scans [1]/scenes.parquet"))
    'scans [[]1]/scenes.parquet'
    """
    return re.sub(r"[*?[]", r"[\g<0>]", str(path))


def quote(name: str) -> str:
    """Quote a column's or table's name for SQL.

    Examples
    --------
    >>> print(quote('the "odd" one'))
    "the ""odd"" one"
    """
    return '"' + name.replace('"', '""') + '"'
