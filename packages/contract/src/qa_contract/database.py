"""Tables of stores and runs in SQL: a DuckDB connection with a view per table.

The views read the files when they are queried; nothing is copied. The connection lives in memory and can read the
files of its views and no others, so that a query from a stranger neither writes nor looks elsewhere.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import polars as pl

from qa_contract.errors import FileError, TableError, UserError, suggest
from qa_contract.remote import is_address, local
from qa_contract.tableio import check_metadata, literal_path, quote
from qa_contract.tables import TABLES, Schema

Source = str | os.PathLike[str]

FILES = "files"
"""Table of the connection that lists what the views read: table_name, run, round, stage, path."""
MAX_DEPTH = 4
"""Folders below the given one that are looked into: run, round, stage, and one to spare."""

_PER_SCENE = {"clouds": "cloud", "meshes": "mesh"}
"""Folders of a store that hold a file per scene."""
_NO_TABLES = {"frames", "images", "depth", "instances", "model", "adapter", "state", "checkpoints", "logs", "work"}
"""Folders without tables of their own; listing a million images takes minutes."""
_SHARD = re.compile(r"(\w+?)(?:-\d{5}-of-\d{5})?")
_ROUND = re.compile(r"round_(\d+)")
_READS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI}
"""Kinds of statement that only read; MULTI is what PIVOT turns into."""


@dataclass(frozen=True)
class TableFile:
    """A file of a table, and where in which run it stands.

    Attributes
    ----------
    table : str
    path : Path
        Absolute.
    root : Path
        Folder of the run, or the folder that was given where that is not part of one.
    round : int or None
        Of the folder `round_NN` above the file.
    stage : str
        Folder below the run and its round: `eval`, `train`, `store`.
    """

    table: str
    path: Path
    root: Path
    round: int | None
    stage: str


def connect(source: Source | Sequence[Source]) -> duckdb.DuckDBPyConnection:
    """Open tables for SQL: a view per table that is there, named as the table.

    Every view has, before the columns of its table, `run` (folder of the run), `round` (of the row, else of the folder)
    and `stage` (folder of the table in its run). In `rejects`, whose own `stage` is a command, that one is called
    `command`. `cloud` and `mesh` have the `scene_name` of their file. The table `files` lists what is read. A column
    that the files of an older version lack is null.

    Parameters
    ----------
    source : path, glob, or a sequence of them
        Stores, folders of `qa-loop run`, folders or files of single commands, folders of runs.

    Returns
    -------
    duckdb.DuckDBPyConnection
        In memory. Other files cannot be read or written through it; data frames are joined after
        ``connection.register(name, frame)``.

    Raises
    ------
    FileError
        Nothing is there.
    TableError
        No table is in it, or a file is not readable, or of another major version.

    Examples
    --------
    >>> import tempfile
    >>> from qa_contract.tableio import table_metadata, write_table
    >>> run = Path(tempfile.mkdtemp()) / "first"
    >>> frame = pl.DataFrame({"scene_name": ["attic"], "frame_set_id": "u-2", "method": "u", "n": 2, "frame_ids": [[]]})
    >>> schema = TABLES["frame_sets"]
    >>> path = write_table(frame, run / "frame_sets.parquet", schema, table_metadata("frame_sets", "doc", {}, 0))
    >>> connect(run).sql("SELECT run, scene_name, n FROM frame_sets").fetchall()
    [('first', 'attic', 2)]
    """
    found = list(find_tables(source))
    runs = _run_names({file.root for file in found})
    connection = duckdb.connect()
    try:
        connection.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
        _check_files(connection, found)
        connection.execute(
            f"CREATE TABLE {FILES} (table_name VARCHAR, run VARCHAR, round INTEGER, stage VARCHAR, path VARCHAR)"
        )
        rows = [(file.table, runs[file.root], file.round, file.stage, str(file.path)) for file in found]
        connection.executemany(f"INSERT INTO {FILES} VALUES (?, ?, ?, ?, ?)", rows)
        for table in sorted({file.table for file in found}):
            paths = [file.path for file in found if file.table == table]
            connection.execute(_view(connection, table, paths))
        paths = {form for file in found for form in (str(file.path), literal_path(file.path))}
        connection.execute("SET allowed_paths = ?", [sorted(paths)])
        connection.execute("SET enable_external_access = false")
    except duckdb.Error as error:
        connection.close()
        raise TableError(f"{_named(source)}: the tables cannot be opened ({error}).") from error
    except UserError:
        connection.close()
        raise
    return connection


def query(
    source: Source | Sequence[Source], sql: str, parameters: list[object] | dict[str, object] | None = None
) -> pl.DataFrame:
    """Answer one SELECT over the tables of `source`; see `connect` for the views.

    Parameters
    ----------
    source : path, glob, or a sequence of them
    sql : str
        One statement of DuckDB's dialect that reads.
    parameters : list or dict, optional
        Values of `?` or `$name` in `sql`.

    Raises
    ------
    UserError
        The statement is none, or more than one, or does more than read; a table or column is not there.
    TableError
        As `connect`.
    """
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise UserError(f"The SQL cannot be read. {_message(error)}") from None
    if len(statements) != 1 or statements[0].type not in _READS:
        found = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise UserError(f"Expected one statement that reads (SELECT, FROM, WITH, DESCRIBE), found {found}.")
    with connect(source) as connection:
        try:
            return connection.sql(sql, params=parameters).pl()
        except duckdb.CatalogException as error:
            missing = re.search(r"Table with name (.+?) does not exist", str(error))
            if missing is None:
                raise UserError(_message(error)) from None
            here = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
            raise UserError(
                f"No table '{missing[1]}' in {_named(source)}.{suggest(missing[1], here)} Tables: {', '.join(here)}."
            ) from None
        except duckdb.Error as error:
            raise UserError(_message(error)) from None


def find_tables(source: Source | Sequence[Source]) -> Iterator[TableFile]:
    """Find the files of tables in folders, without a look into folders of images and models.

    A file below a folder counts where its name is a table's (with or without the number of a shard); a file that is
    named itself counts as the table that its metadata names, or else its own name.

    Raises
    ------
    FileError
        A path, or a glob, leads to nothing.
    TableError
        There is no table.
    """
    run_above = cache(_run_above)
    nothing = True
    seen: set[Path] = set()
    for path in _expand([source] if isinstance(source, (str, os.PathLike)) else source):
        for table, file in [_single(path)] if path.is_file() else _walk(path):
            if file not in seen:
                seen.add(file)
                nothing = False
                root = run_above(file.parent) or (path if path.is_dir() else path.parent)
                yield _placed(table, file, root)
    if nothing:
        raise TableError(f"{_named(source)}: no table here. Expected {', '.join(f'{t}.parquet' for t in TABLES)}.")


def _expand(sources: Iterable[Source]) -> Iterator[Path]:
    """Give the absolute paths behind paths and globs; a path that is there is no glob, whatever its name."""
    for source in sources:
        path = local(source, tables_only=True) if is_address(source) else Path(source).expanduser()
        if path.exists():
            yield Path(os.path.abspath(path))
            continue
        matches = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(str(path)) else []
        if not matches:
            raise FileError(f"{source}: no such file or folder.")
        yield from (Path(os.path.abspath(match)) for match in matches)


def _walk(folder: Path, depth: int = 0) -> Iterator[tuple[str, Path]]:
    """Yield the tables below a folder in the order of their paths."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if entry.name in _PER_SCENE:
                yield from ((_PER_SCENE[entry.name], file) for file in sorted(path.glob("*.parquet")))
            elif entry.name not in _NO_TABLES and depth < MAX_DEPTH:
                yield from _walk(path, depth + 1)
        elif path.suffix == ".parquet" and (found := _SHARD.fullmatch(path.stem)) and found[1] in TABLES:
            yield found[1], path


def _single(path: Path) -> tuple[str, Path]:
    try:
        metadata = pl.read_parquet_metadata(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{path}: not a readable Parquet file ({error}).") from error
    return metadata.get("table", path.stem), path


def _placed(table: str, file: Path, root: Path) -> TableFile:
    """Say to which round and stage of a run a file belongs."""
    parts = file.parent.relative_to(root).parts
    rounds = [int(found[1]) for part in parts if (found := _ROUND.fullmatch(part))]
    stage = "/".join(part for part in parts if not _ROUND.fullmatch(part) and part not in _PER_SCENE)
    return TableFile(table, file, root, rounds[0] if rounds else None, stage or root.name)


def _run_above(folder: Path) -> Path | None:
    """Find the folder of the run that a folder is part of: it holds the folders of the rounds."""
    for above in (folder, *folder.parents[:MAX_DEPTH]):
        if _ROUND.fullmatch(above.name):
            return above.parent
        if any(_ROUND.fullmatch(path.name) for path in above.glob("round_*") if path.is_dir()):
            return above
    return None


def _run_names(roots: set[Path]) -> dict[Path, str]:
    """Name runs by their folders, and by whole paths where two folders have one name."""
    names = [root.name for root in roots]
    return {root: root.name if names.count(root.name) == 1 else str(root) for root in roots}


def _check_files(connection: duckdb.DuckDBPyConnection, files: Sequence[TableFile]) -> None:
    """Refuse files of another table or major version; those of single scenes are too many to open."""
    tables = {str(file.path): file.table for file in files if file.table not in _PER_SCENE.values()}
    if not tables:
        return
    rows = connection.execute(
        "SELECT file_name, decode(key), decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) <> 'ARROW:schema'",
        [[literal_path(Path(path)) for path in tables]],
    ).fetchall()
    metadata: dict[str, dict[str, str]] = {path: {} for path in tables}
    for path, key, value in rows:
        metadata[path][key] = value
    for path, found in metadata.items():
        check_metadata(Path(path), tables[path], found)


def _view(connection: duckdb.DuckDBPyConnection, table: str, paths: Sequence[Path]) -> str:
    """Write the view of a table over its files."""
    is_per_scene = table in _PER_SCENE.values()
    listed = ", ".join(_literal(literal_path(path)) for path in paths)
    scan = f"read_parquet([{listed}], filename = '_path', union_by_name = {not is_per_scene})"
    present = [name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall() if name != "_path"]
    places = {"run": "f.run", "round": "f.round", "stage": "f.stage"}
    if "round" in present:
        places["round"] = "CAST(coalesce(t.round, f.round) AS INTEGER)"
    if is_per_scene:
        places["scene_name"] = "parse_filename(t._path, true)"
    columns = [f"{value} AS {name}" for name, value in places.items()]
    for name in present:
        if name == "stage":
            columns.append('t.stage AS "command"')
        elif name not in places:
            columns.append(f"t.{quote(name)}")
    absent = {name: TABLES[table][name] for name in TABLES.get(table, ()) if name not in present}
    columns += [f"CAST(NULL AS {kind}) AS {quote(name)}" for name, kind in _sql_types(connection, absent).items()]
    return (
        f"CREATE VIEW {quote(table)} AS SELECT {', '.join(columns)} FROM {scan} t "
        f"JOIN {FILES} f ON f.path = t._path AND f.table_name = {_literal(table)}"
    )


def _sql_types(connection: duckdb.DuckDBPyConnection, schema: Schema) -> dict[str, str]:
    """Name the types of columns in SQL."""
    if not schema:
        return {}
    connection.register("_absent", pl.DataFrame(schema=dict(schema)))
    rows = connection.execute("DESCRIBE SELECT * FROM _absent").fetchall()
    connection.unregister("_absent")
    return {name: kind for name, kind, *_ in rows}


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _named(source: Source | Sequence[Source]) -> str:
    sources = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    return ", ".join(str(path) for path in sources[:3]) + (", ..." if len(sources) > 3 else "")


def _message(error: duckdb.Error) -> str:
    """DuckDB's own words, which name the place in the statement and the nearest columns."""
    return str(error).strip()
