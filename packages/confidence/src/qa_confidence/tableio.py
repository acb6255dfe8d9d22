"""Read and write the Parquet tables that the packages exchange.

The same file stands in every package of the workspace, byte for byte, because no package imports another; the
workspace's tests compare the copies. Change all copies together.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

Schema = Mapping[str, Any]
"""Column name to polars dtype, in the order of the columns."""


class TableError(Exception):
    """A table is missing, unreadable, or lacks columns; the message names the file, the expectation and the finding."""


def config_hash(config: Mapping[str, object]) -> str:
    """Hash a configuration; key order does not matter.

    Examples
    --------
    >>> config_hash({"a": 1, "b": 2}) == config_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(config, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def table_metadata(table: str, producer: str, config: Mapping[str, object], seed: int) -> dict[str, str]:
    """Build the key-value metadata of a file: table, version, producer, config_hash, seed, run_id.

    `config` holds what decides the content, never a worker count or an output path, so that the same seed gives the
    same bytes; `run_id` is a hash of `config` and `seed`.
    """
    return {
        "table": table,
        "version": "1",
        "producer": producer,
        "config_hash": config_hash(config),
        "seed": str(seed),
        "run_id": config_hash({"config": config, "seed": seed}),
    }


def table_files(source: Path, table: str) -> list[Path]:
    """List the files of `table`: `source` itself, or `<table>.parquet` and its shards in the folder `source`.

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
    shards = sorted(source.glob(f"{table}-?????-of-?????.parquet"))
    if single.is_file() and shards:
        raise TableError(f"{source}: both {single.name} and {len(shards)} shards of '{table}' are here; keep one.")
    if single.is_file():
        return [single]
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


def read_table(
    source: Path, table: str, schema: Schema, *, columns: Sequence[str] | None = None, optional: Sequence[str] = ()
) -> pl.DataFrame:
    """Read the `columns` of a table (default: those of `schema`) with DuckDB and check their types.

    Parameters
    ----------
    source : Path
        A Parquet file, or the folder that holds `<table>.parquet` or its shards.
    table : str
        Name of the table, checked against the file's metadata where that names one.
    schema : mapping of str to polars dtype
        The reader's declaration of the table. Integers may be wider or narrower in the file; they are cast.
    columns : sequence of str, optional
        Columns that the caller needs; more columns in the file are ignored.
    optional : sequence of str
        Those of `columns` that older files may lack; they are null there.

    Raises
    ------
    TableError
        With the file, what was expected and what was found.
    """
    names = list(schema if columns is None else columns)
    files = table_files(source, table)
    everywhere = set(names)
    for path in files:
        stored = read_metadata(path).get("table", table)
        if stored != table:
            raise TableError(f"{path}: expected table '{table}', found table '{stored}'.")
        present = list(pl.read_parquet_schema(path))
        everywhere &= set(present)
        missing = [name for name in names if name not in present and name not in optional]
        if missing:
            raise TableError(
                f"{path}: table '{table}' lacks column(s) {', '.join(missing)}; found {', '.join(present)}."
            )
    quoted = ", ".join(_quoted(name) if name in everywhere else f"NULL AS {_quoted(name)}" for name in names)
    with duckdb.connect() as connection:
        frame = connection.sql(f"SELECT {quoted} FROM read_parquet(?)", params=[[str(p) for p in files]]).pl()
    try:
        return frame.cast({name: schema[name] for name in names})
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{name}: {frame.schema[name]}" for name in names if frame.schema[name] != schema[name])
        raise TableError(f"{files[0]}: table '{table}' has columns of other types ({types}): {error}") from error


def _quoted(name: str) -> str:
    """Quote a column's name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def write_table(frame: pl.DataFrame, path: Path, schema: Schema, metadata: Mapping[str, str]) -> Path:
    """Write a table with exactly the columns and types of `schema`; the file appears whole or not at all.

    Raises
    ------
    TableError
        `frame` lacks a column, has one too many, or holds values that do not fit the type.
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
    with atomic_path(path) as temporary:
        frame.write_parquet(temporary, compression="zstd", metadata=dict(metadata))
    return path


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; when the block ends well, sync it to disk and rename it to `path`."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        _fsync(temporary)
        temporary.replace(path)
        _fsync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def output_folder(out: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `out`; when the block ends well, it becomes `out`.

    A failed or killed command leaves no half-written output, and an earlier output stays until the new one is whole.

    Raises
    ------
    TableError
        `out` exists, is not empty, and `force` is false.
    """
    out = Path(out)
    check_output_folder(out, force=force)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        temporary.chmod(0o755)
        yield temporary
        if out.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
            out.replace(old)
            temporary.replace(out)
            shutil.rmtree(old)
        else:
            temporary.replace(out)
        _fsync(out.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_output_folder(out: Path, *, force: bool = False) -> None:
    """Refuse an output folder that already holds something, before any work is done."""
    out = Path(out)
    if out.is_file():
        raise TableError(f"{out}: a file is there; --out needs a folder.")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise TableError(f"{out}: the output folder exists and is not empty. Choose another --out, or pass --force.")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON; the file appears whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _fsync(path: Path) -> None:
    """Flush a file or a folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
