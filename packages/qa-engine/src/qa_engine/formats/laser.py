"""Clouds of laser scanners: LAS and LAZ, as surveyors give them, and E57, whose scans are brought to one world.

References
----------
ASPRS's LAS by laspy (extra dimensions may hold the object of each point), ASTM's E57 by pye57 (each scan has a pose).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.extras import require

MAX_POINTS = 500_000_000
"""Points above which the file is no room, 12 GB in double precision."""


def read_las(path: Path) -> NDArray[Any]:
    """Read the points of a LAS or LAZ file.

    Returns
    -------
    (n,) structured array
        x, y, z in double precision, and the extra dimensions of the file with their names.

    Raises
    ------
    QAEngineError
        laspy is not installed.
    SceneError
        The file is damaged, or has far too many points.
    """
    laspy = require("laspy", extra="laser", purpose=f"The laser scan {path.name}")
    try:
        with laspy.open(path) as reader:
            _check_count(reader.header.point_count, path)
            found = reader.read()
        names = list(found.point_format.extra_dimension_names)
        columns = {axis: np.asarray(getattr(found, axis), dtype=np.float64) for axis in "xyz"}
        columns |= {name: np.asarray(found[name]) for name in names}
    except (OSError, ValueError, RuntimeError, laspy.errors.LaspyException) as error:
        problem = f"no whole LAS or LAZ ({str(error)[:200]})"
        raise SceneError(path.name, problem, reason=IngestReason.BAD_FORMAT) from None
    return _joined({name: values for name, values in columns.items() if values.ndim == 1})


def read_e57(path: Path) -> NDArray[Any]:
    """Read the points of all scans of an E57 file, each at its pose.

    Returns
    -------
    (n,) structured array
        x, y, z in double precision.

    Raises
    ------
    QAEngineError
        pye57 is not installed.
    SceneError
        The file is damaged, or has far too many points.
    """
    pye57 = require("pye57", extra="laser", purpose=f"The laser scan {path.name}")
    axes = {"x": "cartesianX", "y": "cartesianY", "z": "cartesianZ"}
    parts: dict[str, list[NDArray[np.float64]]] = {axis: [] for axis in axes}
    try:
        file = pye57.E57(str(path))
        _check_count(sum(file.get_header(i).point_count for i in range(file.scan_count)), path)
        for i in range(file.scan_count):
            scan = file.read_scan(i, ignore_missing_fields=True)
            for axis, name in axes.items():
                parts[axis].append(np.asarray(scan[name], dtype=np.float64))
        file.close()
    except (OSError, ValueError, RuntimeError, KeyError, pye57.libe57.E57Exception) as error:
        problem = f"no whole E57 ({str(error)[:200]})"
        raise SceneError(path.name, problem, reason=IngestReason.BAD_FORMAT) from None
    return _joined({axis: np.concatenate(values) if values else np.zeros(0) for axis, values in parts.items()})


def _check_count(n: int, path: Path) -> None:
    if n > MAX_POINTS:
        problem = f"{n} points are too many (limit {MAX_POINTS}); thin the cloud to a few per centimetre"
        raise SceneError(path.name, problem, reason=IngestReason.TOO_LARGE)


def _joined(columns: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Put columns into one structured array."""
    n = len(next(iter(columns.values())))
    table = np.empty(n, dtype=[(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        table[name] = values
    return table
