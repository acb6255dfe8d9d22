"""Pictures of published questions: named by path, as bytes or base64; in Parquet files, folders and zip files."""

from __future__ import annotations

import ast
import base64
import binascii
import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from qa_eval.errors import QAEvalError

MARK = "<image>"
"""Stands in a question's text where a picture belongs; without it, pictures stand before the text."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MAGIC = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp"}
"""First bytes of a picture to the suffix of its file."""

LARGEST = 1 << 28
"""Bytes of one unpacked picture; more is none."""
ROWS_AT_ONCE = 32
"""Rows of a Parquet file whose pictures are in memory together."""
DAMAGED = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""Raised for a member of a zip file that is damaged, encrypted, or packed in a way that Python does not know."""


@dataclass(frozen=True)
class Cell:
    """Where the pictures of a question stand in a Parquet file; they are read when a run shows them."""

    file: Path
    row: int
    columns: tuple[str, ...]


Held = Cell | list[Any] | None
"""Pictures of one question as its file holds them: a place in a Parquet file, names and data, or nothing."""


@dataclass(frozen=True)
class Picture:
    """A picture as a file.

    Attributes
    ----------
    name : str
        As the question names it; of one without a name, by its content.
    path : Path
    """

    name: str
    path: Path


Found = list[Picture] | str
"""Pictures of a question in their order, or why they cannot be shown."""


def flat(value: Any) -> Iterator[str | bytes]:
    """Yield names and data out of the forms in which files hold pictures; empty ones are left out.

    Examples
    --------
    >>> list(flat([{"bytes": b"x", "path": "a.png"}, {"bytes": None, "path": "b.png"}, "c.png", None]))
    [b'x', 'b.png', 'c.png']
    >>> list(flat("['a.png', 'b.png']"))
    ['a.png', 'b.png']
    """
    if isinstance(value, str) and value.lstrip().startswith("["):  # a table's list, or a name like another
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            value = ast.literal_eval(value.strip())
    if isinstance(value, dict):
        yield from flat(value.get("bytes") or value.get("path"))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from flat(inner)
    elif isinstance(value, bytes | str) and value:
        yield value


def held(rows: Sequence[Mapping[str, Any]], layouts: Sequence[tuple[str, ...]]) -> list[Held]:
    """Take the pictures of rows out of the first layout (columns in order) of which a row has a column.

    Examples
    --------
    >>> held([{"images": ["a.png", "b.png"]}, {"question": "?"}], [("image",), ("images",)])
    [['a.png', 'b.png'], None]
    """
    found: list[Held] = []
    for row in rows:
        columns = next((names for names in layouts if any(row.get(name) is not None for name in names)), ())
        found.append(list(flat([row.get(name) for name in columns])) or None)
    return found


class PictureFolder:
    """Pictures by the names that questions give them: a folder, a zip file, or a folder that holds zip files.

    A name fits a file where one of both paths ends with the other, so that the folder may be the one that the names
    start from, one inside it, or one around it.

    Parameters
    ----------
    place : Path

    Raises
    ------
    QAEvalError
        It does not exist, holds no picture, or a zip file cannot be read.
    """

    def __init__(self, place: Path) -> None:
        self.place = Path(place)
        self.files: dict[str, Path | tuple[Path, str]] = {}
        self.ends: dict[str, list[str]] = {}
        if not self.place.exists():
            raise QAEvalError(f"{place}: no such folder or zip file (expected --images with the questions' pictures).")
        inside = sorted(self.place.rglob("*")) if self.place.is_dir() else [self.place]
        for path in inside:
            if path.suffix.lower() == ".zip" and path.is_file():
                above = path.parent.relative_to(self.place) if self.place.is_dir() else Path()
                for name in _members(path):
                    self.files.setdefault((above / name).as_posix(), (path, name))
        for path in inside:
            if path.suffix.lower() in SUFFIXES and path.is_file():
                self.files[path.relative_to(self.place).as_posix()] = path
        if not self.files:
            raise QAEvalError(f"{place}: holds no picture ({', '.join(SUFFIXES)}), also in zip files.")
        for name in self.files:
            for end in _ends(name):
                self.ends.setdefault(end, []).append(name)

    def find(self, name: str) -> str:
        """Find the file of a name.

        Raises
        ------
        LookupError
            There is none, or there are several.

        Returns
        -------
        str
            A key of `files`.
        """
        wanted = "/".join(part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "."))
        around = self.ends.get(wanted, [])
        if len(around) > 1 and wanted not in self.files:
            raise LookupError(f"{self.place}: several pictures of the name {name}: {', '.join(around[:3])}")
        found = wanted if wanted in self.files else around[0] if around else None
        found = found or next((end for end in _ends(wanted) if end in self.files), None)
        if found is None:
            raise LookupError(f"{self.place}: no picture {name}")
        return found


def _ends(name: str) -> Iterator[str]:
    """Yield a path, then without its first part, and so on to the file's name."""
    parts = name.split("/")
    return ("/".join(parts[i:]) for i in range(len(parts)))


def _members(path: Path) -> list[str]:
    """Name the pictures in a zip file, but the copies that macOS adds."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise QAEvalError(f"{path}: not a readable zip file ({error}).") from error
    return [n for n in names if PurePosixPath(n).suffix.lower() in SUFFIXES and not n.startswith("__MACOSX")]


class Unpacker:
    """Makes files of the pictures that questions hold; equal pictures become one file.

    Parameters
    ----------
    folder : PictureFolder, optional
        Where the questions name pictures.
    target : Path
        Where data and members of zip files are written.
    """

    def __init__(self, folder: PictureFolder | None, target: Path) -> None:
        self.folder = folder
        self.target = Path(target)
        self.claimed: dict[str, str] = {}
        self.unpacked: dict[str, Path] = {}
        self.archives: dict[Path, zipfile.ZipFile] = {}

    def unpack(self, questions: Mapping[str, Held]) -> dict[str, Found]:
        """Make files of the pictures of questions.

        Parameters
        ----------
        questions : mapping of id to what its file holds
        """
        cells: dict[tuple[Path, tuple[str, ...]], dict[int, str]] = {}
        found: dict[str, Found] = {}
        try:
            for name, value in questions.items():
                if isinstance(value, Cell):
                    cells.setdefault((value.file, value.columns), {})[value.row] = name
                else:
                    found[name] = self._files(value or [])
            for (file, columns), rows in cells.items():
                for row, values in _cells(file, columns, sorted(rows)):
                    found[rows[row]] = self._files(list(flat(values)))
        finally:
            for archive in self.archives.values():
                archive.close()
            self.archives.clear()
        return {name: found[name] for name in questions}

    def _files(self, values: Sequence[Any]) -> Found:
        try:
            return [self._file(value) for value in values] or "the question names no picture"
        except (LookupError, ValueError, OSError) as error:
            return str(error)

    def _file(self, value: str | bytes) -> Picture:
        if isinstance(value, bytes):
            return self._written(value)
        if not value.lower().endswith(SUFFIXES):
            return self._written(_decoded(value))
        if self.folder is None:
            raise LookupError(f"the picture {value} is named, and no --images says where it is")
        key = self.folder.find(value)
        if self.claimed.setdefault(key, value) != value:
            raise LookupError(f"{self.folder.place}: {key} is the only file for both {self.claimed[key]} and {value}")
        place = self.folder.files[key]
        if isinstance(place, Path):
            return Picture(value, place)
        if key not in self.unpacked:
            self.unpacked[key] = self._written(self._member(*place)).path
        return Picture(value, self.unpacked[key])

    def _member(self, archive: Path, name: str) -> bytes:
        """Read a member of a zip file, which stays open: its directory is as long as the benchmark."""
        try:
            if archive not in self.archives:
                self.archives[archive] = zipfile.ZipFile(archive)
            opened = self.archives[archive]
            if opened.getinfo(name).file_size > LARGEST:
                raise ValueError(f"{archive}: {name} unpacks to more than {LARGEST:,} bytes")
            return opened.read(name)
        except DAMAGED as error:
            raise ValueError(f"{archive}: {name} cannot be unpacked ({error})") from error

    def _written(self, data: bytes) -> Picture:
        suffix = next((end for start, end in MAGIC.items() if data.startswith(start)), ".img")
        path = self.target / f"{hashlib.sha256(data).hexdigest()[:24]}{suffix}"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_bytes(data)
            partial.replace(path)
        return Picture(path.name, path)


def _decoded(text: str) -> bytes:
    """Decode base64, with or without the head of a data URL."""
    try:
        return base64.b64decode(text.rpartition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"neither the name of a picture ({', '.join(SUFFIXES)}) nor base64: {text[:60]!r}") from error


def _cells(file: Path, columns: Sequence[str], rows: Sequence[int]) -> Iterator[tuple[int, list[Any]]]:
    """Yield the values of some rows of a Parquet file, a few in memory at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as source:
        start, wanted = 0, set(rows)
        for group in range(source.num_row_groups):
            n = source.metadata.row_group(group).num_rows
            if not wanted.isdisjoint(range(start, start + n)):
                place = start
                for batch in source.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=list(columns)):
                    inside = [i for i in range(batch.num_rows) if place + i in wanted]
                    for i in inside:
                        yield place + i, [batch.column(name)[i].as_py() for name in columns]
                    place += batch.num_rows
            start += n
