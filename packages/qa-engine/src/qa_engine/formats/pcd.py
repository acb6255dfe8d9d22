"""Read hostile PCD files (ASCII and binary) with numpy alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.parsing import read_bytes
from qa_engine.formats.ply import MAX_BYTES, MAX_HEADER_BYTES
from qa_engine.scenes.fields import shorten

TYPES = {("F", 4): "<f4", ("F", 8): "<f8"} | {
    (kind, size): f"<{letter}{size}" for kind, letter in (("I", "i"), ("U", "u")) for size in (1, 2, 4, 8)
}
MAX_FIELDS = 100
MAX_COUNT = 1000


def read_points(path: Path) -> NDArray[Any]:
    """Read the points of a PCD file of version 0.7.

    Returns
    -------
    (n,) structured array
        One field per field of the file that holds one value, with its type; padding and histograms are left out.

    Raises
    ------
    SceneError
        The file is no PCD, cut off or compressed.
    """
    data = read_bytes(path, max_bytes=MAX_BYTES)
    begin = re.search(rb"^DATA[ \t]+(\w+)[ \t]*\r?\n", data[:MAX_HEADER_BYTES], re.MULTILINE)
    if begin is None:
        raise SceneError(path.name, "no PCD header", reason=IngestReason.BAD_FORMAT)
    header = _header(data[: begin.start()].decode("latin-1"), path.name)
    fields, n = _fields(header, path.name), _count(header, path.name)
    encoding = begin[1].decode()
    if encoding not in ("ascii", "binary"):
        problem = f"{shorten(encoding)}; expected ascii or binary: save the cloud uncompressed"
        raise SceneError(f"{path.name}: DATA", problem, reason=IngestReason.BAD_FORMAT)
    body = data[begin.end() :]
    dtype = np.dtype([(f"{i} {name}", kind, (count,)) for i, (name, kind, count) in enumerate(fields)])
    width = sum(count for _, _, count in fields)
    smallest = dtype.itemsize if encoding == "binary" else 2 * width
    if n * smallest > len(body) + (encoding == "ascii"):
        problem = f"{n} points need {n * smallest} bytes, the file has {len(body)} left"
        raise SceneError(f"{path.name}: POINTS", problem, reason=IngestReason.BAD_FORMAT)
    whole = encoding == "binary"
    table = np.frombuffer(body, dtype, n) if whole else _ascii(body, n, width, dtype, path.name)
    single = [i for i, (name, _, count) in enumerate(fields) if count == 1 and name != "_"]
    points = np.empty(n, [(fields[i][0], fields[i][1]) for i in single])
    for i in single:
        points[fields[i][0]] = table[f"{i} {fields[i][0]}"][:, 0]
    return points


def _header(text: str, name: str) -> dict[str, list[str]]:
    """Split the header into its entries."""
    header: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            header[words[0]] = words[1:]
    for key in ("FIELDS", "SIZE", "TYPE", "POINTS"):
        if key not in header:
            raise SceneError(f"{name}: {key}", "missing in the header", reason=IngestReason.MISSING_FIELD)
    return header


def _fields(header: dict[str, list[str]], name: str) -> list[tuple[str, str, int]]:
    """Give name, type and number of values of each field."""
    names = header["FIELDS"]
    columns = [header["SIZE"], header["TYPE"], header.get("COUNT", ["1"] * len(names))]
    real = [field for field in names if field != "_"]
    if not 0 < len(names) <= MAX_FIELDS or any(len(c) != len(names) for c in columns) or len(set(real)) < len(real):
        raise SceneError(f"{name}: FIELDS", "SIZE, TYPE and COUNT do not fit", reason=IngestReason.BAD_FORMAT)
    fields: list[tuple[str, str, int]] = []
    for field, size, kind, count in zip(names, *columns, strict=True):
        code = TYPES.get((kind, int(size))) if size in ("1", "2", "4", "8") else None
        if code is None or not re.fullmatch(r"\d{1,4}", count) or not 1 <= int(count) <= MAX_COUNT:
            problem = f"no such type: {shorten(kind)} {shorten(size)} x {shorten(count)}"
            raise SceneError(f"{name}: {shorten(field)}", problem, reason=IngestReason.BAD_FORMAT)
        fields.append((field, code, int(count)))
    return fields


def _count(header: dict[str, list[str]], name: str) -> int:
    """Read the number of points."""
    words = header["POINTS"]
    if len(words) != 1 or not re.fullmatch(r"\d{1,15}", words[0]):
        raise SceneError(f"{name}: POINTS", f"{shorten(words)} is no count", reason=IngestReason.BAD_FORMAT)
    return int(words[0])


def _ascii(body: bytes, n: int, width: int, dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Parse one line of text per point."""
    rows = [line.split() for line in body.split(b"\n", n)[:n]]
    if len(rows) < n or any(len(row) != width for row in rows):
        raise SceneError(f"{name}: DATA", f"expected {width} values per line", reason=IngestReason.BAD_FORMAT)
    try:
        values = np.array(rows, dtype="S32").reshape(-1, width).astype(np.float64)
        table, at = np.empty(n, dtype), 0
        with np.errstate(invalid="raise", over="ignore"):
            for key in dtype.names or ():
                count = dtype[key].shape[0]
                table[key] = values[:, at : at + count]
                at += count
    except (ValueError, FloatingPointError) as error:
        raise SceneError(name, f"not numbers of the header's types ({error})", reason=IngestReason.BAD_FORMAT) from None
    return table
