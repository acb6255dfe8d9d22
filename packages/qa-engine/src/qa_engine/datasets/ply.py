"""Read the vertices of hostile PLY files (ASCII, binary of either byte order) with numpy alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.parsing import read_bytes
from qa_engine.errors import IngestReason, SceneError
from qa_engine.scene_checks import shorten

MAX_BYTES = 4_000_000_000
MAX_HEADER_BYTES = 100_000
ENCODINGS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
TYPES = {
    name: code
    for names, code in (
        (("char", "int8"), "i1"),
        (("uchar", "uint8"), "u1"),
        (("short", "int16"), "i2"),
        (("ushort", "uint16"), "u2"),
        (("int", "int32"), "i4"),
        (("uint", "uint32"), "u4"),
        (("float", "float32"), "f4"),
        (("double", "float64"), "f8"),
    )
    for name in names
}


@dataclass(frozen=True)
class _Header:
    """What comes before the vertices: encoding, their number and fields, where they begin."""

    encoding: str
    n_vertices: int
    fields: list[tuple[str, str]]
    begin: int


def read_vertices(path: Path) -> NDArray[Any]:
    """Read the vertices of a PLY file.

    Returns
    -------
    (n,) structured array
        One field per property of the file, with its type.

    Raises
    ------
    SceneError
        The file is no PLY, cut off, or its first element is not `vertex` with plain properties.
    """
    data = read_bytes(path, max_bytes=MAX_BYTES)
    header = _header(data, path.name)
    order = ENCODINGS[header.encoding]
    dtype = np.dtype([(name, order + code) for name, code in header.fields])
    left = len(data) - header.begin
    # A value takes at least a digit and a space, so the file's size bounds what may be allocated.
    smallest = dtype.itemsize if header.encoding != "ascii" else 2 * len(header.fields)
    if header.n_vertices * smallest > left + (header.encoding == "ascii"):
        problem = f"{header.n_vertices} vertices need {header.n_vertices * smallest} bytes, the file has {left} left"
        raise SceneError(f"{path.name}: element vertex", problem, reason=IngestReason.BAD_FORMAT)
    if header.encoding != "ascii":
        return np.frombuffer(data, dtype, header.n_vertices, header.begin).astype(dtype.newbyteorder("="))
    return _ascii_vertices(data, header, dtype, path.name)


def positions(vertices: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Get the coordinates of vertices, (n, 3).

    Raises
    ------
    SceneError
        There are no fields x, y, z, or one is not finite.

    Examples
    --------
    >>> positions(np.array([(1, 2, 3)], [("x", "f4"), ("y", "f4"), ("z", "f4")]), "a.ply").tolist()
    [[1.0, 2.0, 3.0]]
    """
    points = np.stack([column(vertices, axis, name) for axis in "xyz"], axis=1).astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(points).all(1))
    if len(bad):
        problem = f"{points[bad[0]].tolist()} has a value that is NaN or infinite"
        raise SceneError(f"{name}: vertex[{bad[0]}]", problem, reason=IngestReason.NOT_FINITE)
    return points


def column(vertices: NDArray[Any], field: str, name: str) -> NDArray[Any]:
    """Get one field of vertices; raise SceneError where it is missing.

    Examples
    --------
    >>> column(np.array([(1,)], [("x", "f4")]), "x", "a.ply").tolist()
    [1.0]
    """
    if field not in (vertices.dtype.names or ()):
        found = ", ".join(vertices.dtype.names or ()) or "nothing"
        raise SceneError(f"{name}: {field}", f"missing; found {found}", reason=IngestReason.MISSING_FIELD)
    return vertices[field]


def _header(data: bytes, name: str) -> _Header:
    """Parse the header of a PLY file."""
    end = re.search(rb"end_header[ \t]*\r?\n", data[:MAX_HEADER_BYTES])
    if not data.startswith(b"ply") or end is None:
        raise SceneError(name, "no PLY header", reason=IngestReason.BAD_FORMAT)
    encoding, count = "", -1
    fields: list[tuple[str, str]] = []
    element = 0
    for line in data[: end.start()].decode("latin-1").splitlines()[1:]:
        words = line.split()
        match words:
            case [] | ["comment" | "obj_info", *_]:
                continue
            case ["format", "ascii" | "binary_little_endian" | "binary_big_endian" as encoding, _]:
                continue
            case ["element", "vertex", number] if element == 0 and re.fullmatch(r"\d{1,15}", number):
                element, count = 1, int(number)
            case ["element", _, _] if element > 0:
                element += 1
            case ["property", kind, field] if element == 1 and kind in TYPES and field not in dict(fields):
                fields.append((field, TYPES[kind]))
            case ["property", *_] if element > 1:
                continue
            case _:
                raise SceneError(f"{name}: header", f"unexpected {shorten(line)}", reason=IngestReason.BAD_FORMAT)
    if not encoding or count < 0 or not fields:
        raise SceneError(f"{name}: header", "no format or no vertices", reason=IngestReason.BAD_FORMAT)
    return _Header(encoding, count, fields, end.end())


def _ascii_vertices(data: bytes, header: _Header, dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Parse one line of text per vertex."""
    lines = data[header.begin :].split(b"\n", header.n_vertices)[: header.n_vertices]
    width = len(header.fields)
    words = [line.split() for line in lines]
    short = next((i for i, row in enumerate(words) if len(row) != width), None)
    if short is not None or len(words) < header.n_vertices:
        row = len(words) if short is None else short
        problem = f"expected {width} values for each of {header.n_vertices} vertices"
        raise SceneError(f"{name}: vertex[{row}]", problem, reason=IngestReason.BAD_FORMAT)
    try:
        values = np.array(words, dtype="S32").reshape(-1, width).astype(np.float64)
        with np.errstate(invalid="raise", over="ignore"):
            vertices = np.empty(len(values), dtype)
            for j, (field, _) in enumerate(header.fields):
                vertices[field] = values[:, j]
    except (ValueError, FloatingPointError) as error:
        raise SceneError(name, f"not numbers of the header's types ({error})", reason=IngestReason.BAD_FORMAT) from None
    return vertices
