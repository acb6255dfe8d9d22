"""Read the triangles of hostile PLY files: polygons are cut into triangles, properties of faces are kept."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.parsing import read_bytes
from qa_engine.formats.ply import ENCODINGS, MAX_BYTES, Element, Header, ascii_numbers, read_header, vertices_of
from qa_engine.formats.surfaces import fan, fans

INDICES = ("vertex_indices", "vertex_index")
MAX_CORNERS = 255

Cut = tuple[NDArray[np.int64], NDArray[np.intp]]
"""Triangles (m, 3), and the face of the file that each is a part of (m,)."""

Records = tuple[Cut, dict[str, NDArray[Any]], int]
"""Triangles and plain properties of an element, and where the next element begins."""

NONE: Cut = (np.zeros((0, 3), np.int64), np.zeros(0, np.intp))


@dataclass(frozen=True, eq=False)
class PlyMesh:
    """A mesh as it stands in a PLY file.

    Attributes
    ----------
    vertices : (n,) structured array
        One field per property.
    triangles : (m, 3) int64
        Indices of vertices.
    face : (m,) intp
        The face of the file that each triangle is a part of.
    fields : dict of str to (n_faces,) array
        Plain properties of the faces.
    """

    vertices: NDArray[Any]
    triangles: NDArray[np.int64]
    face: NDArray[np.intp]
    fields: dict[str, NDArray[Any]]


def read_ply(path: Path) -> PlyMesh:
    """Read vertices and faces of a PLY file.

    Returns
    -------
    PlyMesh
        Without triangles where the file has no faces; polygons are cut into fans.

    Raises
    ------
    SceneError
        The file is no PLY or cut off, or a face names a vertex that does not exist.
    """
    data = read_bytes(path, max_bytes=MAX_BYTES)
    header = read_header(data, path.name)
    vertices, begin = vertices_of(data, header, path.name)
    for element in header.elements[1:]:
        cut, fields, begin = _records(data, begin, element, header, path.name)
        if element.name == "face":
            return _checked(vertices, cut, fields, path.name)
    return PlyMesh(vertices, *NONE, {})


def face_numbers(mesh: PlyMesh, field: str, name: str) -> NDArray[np.int64]:
    """Get a whole number per triangle from a property of the faces.

    Raises
    ------
    SceneError
        The property is missing, or a value is no whole number.
    """
    if field not in mesh.fields:
        found = ", ".join(mesh.fields) or "nothing"
        raise SceneError(f"{name}: face {field}", f"missing; found {found}", reason=IngestReason.MISSING_FIELD)
    values = mesh.fields[field]
    if values.dtype.kind == "f" and not (np.abs(values) < 2**53).all():
        raise SceneError(f"{name}: face {field}", "a value is no whole number", reason=IngestReason.WRONG_TYPE)
    return values.astype(np.int64)[mesh.face]


def _checked(
    vertices: NDArray[Any],
    cut: Cut,
    fields: dict[str, NDArray[Any]],
    name: str,
) -> PlyMesh:
    """Check that the corners of triangles exist."""
    triangles, face = cut
    bad = np.flatnonzero(((triangles < 0) | (triangles >= len(vertices))).any(axis=1))
    if len(bad):
        problem = f"{triangles[bad[0]].tolist()} names a vertex beyond the {len(vertices)} that there are"
        raise SceneError(f"{name}: face[{face[bad[0]]}]", problem, reason=IngestReason.BAD_FORMAT)
    return PlyMesh(vertices, triangles, face, fields)


def _records(data: bytes, begin: int, element: Element, header: Header, name: str) -> Records:
    """Read all records of an element."""
    smallest = sum(np.dtype(length or code).itemsize for _, code, length in element.properties)
    if header.encoding == "ascii":
        smallest = 2 * len(element.properties)
    left = len(data) - begin
    if element.count * smallest > left + (header.encoding == "ascii"):
        problem = f"{element.count} need {element.count * smallest} bytes or more, the file has {left} left"
        raise SceneError(f"{name}: element {element.name}", problem, reason=IngestReason.BAD_FORMAT)
    if element.count == 0 or not element.properties:
        return NONE, {}, begin
    try:
        if header.encoding == "ascii":
            return _ascii(data, begin, element, name)
        order = ENCODINGS[header.encoding]
        return _alike(data, begin, element, order) or _mixed(data, begin, element, order)
    except (struct.error, IndexError):
        raise SceneError(f"{name}: element {element.name}", "cut off", reason=IngestReason.BAD_FORMAT) from None
    except (ValueError, OverflowError) as error:
        raise SceneError(f"{name}: element {element.name}", str(error), reason=IngestReason.BAD_FORMAT) from None


def _alike(data: bytes, begin: int, element: Element, order: str) -> Records | None:
    """Read records whose lists are as long as those of the first one; None where some are not."""
    at, kinds = begin, []
    for i, (_, code, length) in enumerate(element.properties):
        n = 1
        if length:
            (n,) = np.frombuffer(data, order + length, 1, at).tolist() if at < len(data) else [0]
            kinds.append((f"{i} length", order + length))
            at += np.dtype(length).itemsize
        kinds.append((f"{i}", order + code, (max(n, 0),)))
        at += max(n, 0) * np.dtype(code).itemsize
    dtype = np.dtype(kinds)
    if begin + element.count * dtype.itemsize > len(data):
        return None
    table = np.frombuffer(data, dtype, element.count, begin)
    cut, fields = NONE, {}
    for i, (field, _, length) in enumerate(element.properties):
        values = table[f"{i}"]
        if length and (table[f"{i} length"] != values.shape[1]).any():
            return None
        if length and field in INDICES:
            cut = _alike_fans(values.astype(np.int64))
        elif not length:
            fields[field] = values[:, 0].astype(values.dtype.newbyteorder("="))
    return cut, fields, begin + element.count * dtype.itemsize


def _mixed(data: bytes, begin: int, element: Element, order: str) -> Records:
    """Read records one by one."""
    codes = [
        (field, np.dtype(code).char, struct.Struct(order + np.dtype(length or code).char), bool(length))
        for field, code, length in element.properties
    ]
    sizes = {char: struct.calcsize(order + char) for _, char, _, _ in codes}
    scalars: dict[str, list[Any]] = {field: [] for field, _, _, listed in codes if not listed}
    polygons: list[tuple[int, ...]] = []
    at = begin
    for _ in range(element.count):
        for field, char, first, listed in codes:
            (value,) = first.unpack_from(data, at)
            at += first.size
            if not listed:
                scalars[field].append(value)
                continue
            if not 0 <= value <= MAX_CORNERS:
                raise ValueError(f"a list of {value} values")
            if field in INDICES:
                polygons.append(struct.unpack_from(f"{order}{value}{char}", data, at))
            at += value * sizes[char]
            if at > len(data):
                raise IndexError
    return fans(polygons), {field: np.array(values) for field, values in scalars.items()}, at


def _ascii(data: bytes, begin: int, element: Element, name: str) -> Records:
    """Read a line per record."""
    lines = data[begin:].split(b"\n", element.count)[: element.count]
    end = begin + sum(map(len, lines)) + element.count
    rows = [line.split() for line in lines]
    if len(rows) < element.count or not all(rows):
        raise IndexError
    alike = _alike_rows(rows, element, name) if len(set(map(len, rows))) == 1 else None
    if alike is not None:
        return *alike, end
    scalars: dict[str, list[float]] = {field: [] for field, _, length in element.properties if not length}
    polygons: list[tuple[int, ...]] = []
    for row in rows:
        at = 0
        for field, _, length in element.properties:
            n = int(row[at]) if length else 1
            at += bool(length)
            if not 0 <= n <= MAX_CORNERS or at + n > len(row):
                raise IndexError
            if not length:
                scalars[field].append(float(row[at]))
            elif field in INDICES:
                polygons.append(tuple(map(int, row[at : at + n])))
            at += n
    return fans(polygons), {field: np.array(values) for field, values in scalars.items()}, end


def _alike_rows(rows: list[list[bytes]], element: Element, name: str) -> tuple[Cut, dict[str, NDArray[Any]]] | None:
    """Read lines whose lists are as long as those of the first one; None where some are not."""
    numbers = ascii_numbers(rows, len(rows[0]), name)
    cut, fields, at = NONE, {}, 0
    for field, _, length in element.properties:
        n = int(numbers[0, at]) if length else 1
        if length and (numbers[:, at] != n).any():
            return None
        at += bool(length)
        values = numbers[:, at : at + n]
        if values.shape[1] < n:
            raise IndexError
        if not length:
            fields[field] = values[:, 0]
        elif field in INDICES:
            if not (np.abs(values) < 2**53).all():
                raise ValueError("a vertex is no number")
            cut = _alike_fans(values.astype(np.int64))
        at += n
    return cut, fields


def _alike_fans(corners: NDArray[np.int64]) -> Cut:
    """Cut polygons of equally many corners (m, k)."""
    n, k = corners.shape
    return (fan(corners).reshape(-1, 3), np.repeat(np.arange(n), k - 2)) if k >= 3 else NONE
