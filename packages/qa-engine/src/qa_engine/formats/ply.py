"""Read the vertices of hostile PLY files (ASCII, binary of either byte order) with numpy alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.parsing import read_bytes
from qa_engine.scenes.fields import shorten

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
class Element:
    """An element of the header: name, number, and properties as (field, type, type of the length of a list or "")."""

    name: str
    count: int
    properties: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Header:
    """What comes before the vertices: encoding, elements in their order, where they begin."""

    encoding: str
    elements: list[Element]
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
    return vertices_of(data, read_header(data, path.name), path.name)[0]


def vertices_of(data: bytes, header: Header, name: str) -> tuple[NDArray[Any], int]:
    """Read the vertices of a file in memory; return them and where the next element begins."""
    element = header.elements[0]
    order = ENCODINGS[header.encoding]
    dtype = np.dtype([(field, order + code) for field, code, _ in element.properties])
    left = len(data) - header.begin
    # A value takes at least a digit and a space, so the file's size bounds what may be allocated.
    smallest = dtype.itemsize if header.encoding != "ascii" else 2 * len(element.properties)
    if element.count * smallest > left + (header.encoding == "ascii"):
        problem = f"{element.count} vertices need {element.count * smallest} bytes, the file has {left} left"
        raise SceneError(f"{name}: element vertex", problem, reason=IngestReason.BAD_FORMAT)
    if header.encoding == "ascii":
        return _ascii_vertices(data, header, dtype, name)
    vertices = np.frombuffer(data, dtype, element.count, header.begin).astype(dtype.newbyteorder("="))
    return vertices, header.begin + element.count * dtype.itemsize


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
    with np.errstate(invalid="ignore"):  # of a NaN that signals
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


def read_header(data: bytes, name: str) -> Header:
    """Parse the header of a PLY file.

    Raises
    ------
    SceneError
        It is damaged, or its first element is not `vertex` with plain properties.
    """
    end = re.search(rb"end_header[ \t]*\r?\n", data[:MAX_HEADER_BYTES])
    if not data.startswith(b"ply") or end is None:
        raise SceneError(name, "no PLY header", reason=IngestReason.BAD_FORMAT)
    encoding = ""
    elements: list[Element] = []
    for line in data[: end.start()].decode("latin-1").splitlines()[1:]:
        words = line.split()
        fields = [field for field, _, _ in elements[-1].properties] if elements else []
        match words:
            case [] | ["comment" | "obj_info", *_]:
                continue
            case ["format", "ascii" | "binary_little_endian" | "binary_big_endian" as encoding, _]:
                continue
            case ["element", kind, number] if (elements or kind == "vertex") and re.fullmatch(r"\d{1,15}", number):
                elements.append(Element(kind, int(number), []))
            case ["property", kind, field] if elements and kind in TYPES and field not in fields:
                elements[-1].properties.append((field, TYPES[kind], ""))
            case ["property", "list", length, kind, field] if (
                len(elements) > 1 and TYPES.get(length, "f")[0] in "iu" and kind in TYPES and field not in fields
            ):
                elements[-1].properties.append((field, TYPES[kind], TYPES[length]))
            case _:
                raise SceneError(f"{name}: header", f"unexpected {shorten(line)}", reason=IngestReason.BAD_FORMAT)
    if not encoding or not elements or not elements[0].properties:
        raise SceneError(f"{name}: header", "no format or no vertices", reason=IngestReason.BAD_FORMAT)
    return Header(encoding, elements, end.end())


def _ascii_vertices(data: bytes, header: Header, dtype: np.dtype[Any], name: str) -> tuple[NDArray[Any], int]:
    """Parse one line of text per vertex."""
    n, width = header.elements[0].count, len(header.elements[0].properties)
    lines = data[header.begin :].split(b"\n", n)[:n]
    words = [line.split() for line in lines]
    short = next((i for i, row in enumerate(words) if len(row) != width), None)
    if short is not None or len(words) < n:
        row = len(words) if short is None else short
        problem = f"expected {width} values for each of {n} vertices"
        raise SceneError(f"{name}: vertex[{row}]", problem, reason=IngestReason.BAD_FORMAT)
    values = ascii_numbers(words, width, name)
    try:
        with np.errstate(invalid="raise", over="ignore"):
            vertices = np.empty(n, dtype)
            for j, (field, _, _) in enumerate(header.elements[0].properties):
                vertices[field] = values[:, j]
    except FloatingPointError as error:
        raise SceneError(name, f"not numbers of the header's types ({error})", reason=IngestReason.BAD_FORMAT) from None
    return vertices, header.begin + sum(map(len, lines)) + n


def ascii_numbers(words: list[list[bytes]], width: int, name: str) -> NDArray[np.float64]:
    """Convert lines of equally many words to numbers, (lines, width)."""
    try:
        return np.array(words, dtype="S32").reshape(-1, width).astype(np.float64)
    except ValueError as error:
        raise SceneError(name, f"not numbers ({error})", reason=IngestReason.BAD_FORMAT) from None
