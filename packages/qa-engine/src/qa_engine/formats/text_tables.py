"""Read hostile tables of text: CSV with a header, and lines of numbers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.parsing import read_text
from qa_engine.scenes.fields import shorten


def read_csv(path: Path, columns: Sequence[str], *, max_bytes: int) -> dict[str, list[str]]:
    """Read some columns of a CSV file with a header.

    Raises
    ------
    SceneError
        The file cannot be read, lacks a column, or a line ends early.
    """
    rows = csv.reader(read_text(path, max_bytes=max_bytes).removeprefix("\ufeff").splitlines(), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        for name in columns:
            if name not in header:
                problem = f"the column is missing; found {', '.join(map(shorten, header[:12])) or 'an empty file'}"
                raise SceneError(f"{path.name}: {name}", problem, reason=IngestReason.MISSING_FIELD)
        places = {name: header.index(name) for name in columns}
        table: dict[str, list[str]] = {name: [] for name in columns}
        for row in rows:
            if not row:
                continue
            if len(row) < len(header):
                problem = f"{len(row)} values, the header has {len(header)} columns"
                raise SceneError(f"{path.name}: line {rows.line_num}", problem, reason=IngestReason.BAD_FORMAT)
            for name, place in places.items():
                table[name].append(row[place].strip())
    except csv.Error as error:
        raise SceneError(path.name, f"no CSV ({error})", reason=IngestReason.BAD_FORMAT) from None
    return table


def column_names(path: Path, *, max_bytes: int) -> list[str]:
    """Read the names of the columns of a CSV file."""
    rows = csv.reader(read_text(path, max_bytes=max_bytes).removeprefix("\ufeff").splitlines())
    try:
        return [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise SceneError(path.name, f"no CSV ({error})", reason=IngestReason.BAD_FORMAT) from None


def number_columns(
    table: dict[str, list[str]], columns: Sequence[str], name: str, *, finite: bool = True
) -> NDArray[np.float64]:
    """Convert columns of text to numbers, (rows, columns).

    Raises
    ------
    SceneError
        A value is no number, or not finite; the message names its row and column.

    Examples
    --------
    >>> number_columns({"x": ["1", "2"], "y": ["3", "4"]}, ["x", "y"], "boxes.csv").tolist()
    [[1.0, 3.0], [2.0, 4.0]]
    """
    values = np.empty((len(table[columns[0]]), len(columns)))
    for j, column in enumerate(columns):
        for i, text in enumerate(table[column]):
            try:
                values[i, j] = float(text)
            except ValueError:
                field, problem = f"{name}: {column}[{i}]", f"expected a number, found {shorten(text)}"
                raise SceneError(field, problem, reason=IngestReason.WRONG_TYPE) from None
    bad = np.argwhere(~np.isfinite(values))
    if finite and len(bad):
        i, j = bad[0]
        problem = f"{values[i, j]} is not a finite number"
        raise SceneError(f"{name}: {columns[j]}[{i}]", problem, reason=IngestReason.NOT_FINITE)
    return values


def read_matrix(path: Path, shape: tuple[int, int], *, finite: bool = True) -> NDArray[np.float64]:
    """Read a file that holds one matrix of numbers separated by spaces or lines.

    Raises
    ------
    SceneError
        The file cannot be read or does not hold that many numbers.
    """
    words = read_text(path, max_bytes=1_000_000).split()
    if len(words) != shape[0] * shape[1]:
        problem = f"expected {shape[0]} x {shape[1]} numbers, found {len(words)}"
        raise SceneError(path.name, problem, reason=IngestReason.BAD_CAMERA)
    try:
        values = np.array([float(word) for word in words]).reshape(shape)
    except ValueError as error:
        raise SceneError(path.name, f"not a matrix of numbers ({error})", reason=IngestReason.BAD_CAMERA) from None
    if finite and not np.isfinite(values).all():
        raise SceneError(path.name, "a value is NaN or infinite", reason=IngestReason.BAD_CAMERA)
    return values
