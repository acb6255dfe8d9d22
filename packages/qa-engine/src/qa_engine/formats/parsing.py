"""Read hostile JSON: every value is checked, and every error names the field of the source."""

from __future__ import annotations

import hashlib
import json
import math
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.geometry import Boxes
from qa_engine.scenes.fields import check_boxes, shorten

T = TypeVar("T")

BOUNDS_TOLERANCE_M = 1e-6
"""Published bounds of VSI-Bench agree with the box corners to 1e-15 m; 1e-6 leaves room for files with 7 digits and
is far below the effect of a wrong axis convention (up to 1.8 m)."""


def check_inside(path: Path, roots: Sequence[Path]) -> None:
    """Refuse a file that is a link out of `roots` (resolved folders): it could bring any file into the store.

    Raises
    ------
    SceneError
        The file lies elsewhere.
    """
    real = path.resolve()
    if not any(real.is_relative_to(root) for root in roots):
        problem = "a link out of the dataset; give the real folder as ROOT, --annotations or --frames-dir"
        raise SceneError(path.name, problem, reason=IngestReason.UNREADABLE_FILE)


def read_bytes(path: Path, *, max_bytes: int) -> bytes:
    """Read a whole file.

    Raises
    ------
    SceneError
        The file is missing, unreadable, no plain file, or larger than `max_bytes`.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SceneError(path.name, "not a plain file", reason=IngestReason.UNREADABLE_FILE)
        if status.st_size > max_bytes:
            problem = f"{status.st_size / 1e6:.0f} MB is more than the limit of {max_bytes / 1e6:.0f} MB"
            raise SceneError(path.name, problem, reason=IngestReason.TOO_LARGE)
        return path.read_bytes()
    except FileNotFoundError:
        raise SceneError(path.name, "no such file", reason=IngestReason.MISSING_FILE) from None
    except OSError as error:
        raise SceneError(path.name, error.strerror or str(error), reason=IngestReason.UNREADABLE_FILE) from None


def read_text(path: Path, *, max_bytes: int) -> str:
    """Read a whole text file (UTF-8); raise SceneError as `read_bytes` does."""
    try:
        return read_bytes(path, max_bytes=max_bytes).decode()
    except UnicodeDecodeError as error:
        raise SceneError(path.name, f"no text file ({error})", reason=IngestReason.UNREADABLE_FILE) from None


def read_json(path: Path, *, max_bytes: int) -> tuple[Any, str]:
    """Read a JSON file; return its value and the SHA-256 of its bytes.

    Raises
    ------
    SceneError
        The file cannot be read, is cut off, no JSON, or has a key twice in one object.
    """
    data = read_bytes(path, max_bytes=max_bytes)
    return parse_json(data, path.name), hashlib.sha256(data).hexdigest()


def parse_json(data: bytes, name: str) -> Any:
    """Parse JSON that was read from `name`; raise SceneError as `read_json` does.

    Examples
    --------
    >>> parse_json(b'{"a": 1}', "a.json")
    {'a': 1}
    """
    try:
        return json.loads(data, object_pairs_hook=_unique_keys)
    except RecursionError:
        raise SceneError(name, "nested too deeply", reason=IngestReason.BAD_JSON) from None
    except ValueError as error:
        raise SceneError(name, f"not valid JSON ({error})", reason=IngestReason.BAD_JSON) from None


def member(value: dict[str, Any], key: str, kind: type[T], field: str) -> T:
    """Get a key of a JSON object and check the type of its value.

    Examples
    --------
    >>> member({"a": [1]}, "a", list, "scene")
    [1]
    """
    if key not in value:
        raise SceneError(f"{field}.{key}", "the field is missing", reason=IngestReason.MISSING_FIELD)
    return expect(value[key], kind, f"{field}.{key}")


def expect(value: object, kind: type[T], field: str) -> T:
    """Check the type of a JSON value.

    Examples
    --------
    >>> expect("sofa", str, "label")
    'sofa'
    """
    if not isinstance(value, kind):
        names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
        problem = f"expected {names.get(kind, kind.__name__)}, found {shorten(value)}"
        raise SceneError(field, problem, reason=IngestReason.WRONG_TYPE)
    return value


def numbers(value: object, n: int, field: str) -> list[float]:
    """Check a JSON list of n finite numbers; texts and booleans are no numbers.

    Examples
    --------
    >>> numbers([1, 2.5], 2, "size")
    [1.0, 2.5]
    """
    items = expect(value, list, field)
    if len(items) != n:
        raise SceneError(field, f"expected {n} numbers, found {len(items)}", reason=IngestReason.WRONG_TYPE)
    return [number(item, f"{field}[{i}]") for i, item in enumerate(items)]


def number(value: object, field: str) -> float:
    """Check a finite JSON number.

    Examples
    --------
    >>> number(3, "room_size")
    3.0
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SceneError(field, f"expected a number, found {shorten(value)}", reason=IngestReason.WRONG_TYPE)
    if isinstance(value, int) and abs(value) > 10**300:
        raise SceneError(field, "the number is too large", reason=IngestReason.NOT_FINITE)
    if not math.isfinite(value):
        raise SceneError(field, f"{value} is not a finite number", reason=IngestReason.NOT_FINITE)
    return float(value)


def read_boxes(items: Sequence[tuple[str, object]], *, axes: str = "rows") -> Boxes:
    """Read oriented boxes in the form shared by ARKitScenes, ScanNet++ and VSI-Bench.

    Parameters
    ----------
    items : sequence of (str, object)
        Field name for messages, and a JSON object with `centroid` (3 numbers, metres), `axesLengths` (full lengths),
        `normalizedAxes` (9 numbers, rows = box axes in world) and optionally `min`, `max`, the bounds of the corners.
    axes : str
        `rows`, or `columns` where the columns of `normalizedAxes` are the axes.

    Raises
    ------
    SceneError
        A field is missing or wrong, or `min` and `max` contradict the other three.

    Examples
    --------
    >>> box = {"centroid": [0, 0, 1], "axesLengths": [1, 2, 2], "normalizedAxes": [1, 0, 0, 0, 1, 0, 0, 0, 1]}
    >>> read_boxes([("box", box)]).size.tolist()
    [[1.0, 2.0, 2.0]]
    """
    center, size, rotation = (np.empty((len(items), k)) for k in (3, 3, 9))
    bounds = np.full((len(items), 2, 3), np.nan)
    for i, (field, item) in enumerate(items):
        box = expect(item, dict, field)
        for row, key in ((center, "centroid"), (size, "axesLengths"), (rotation, "normalizedAxes")):
            row[i] = numbers(member(box, key, list, field), row.shape[1], f"{field}.{key}")
        for k, key in enumerate(("min", "max")):
            if box.get(key) is not None:
                bounds[i, k] = numbers(box[key], 3, f"{field}.{key}")
    matrices = rotation.reshape(-1, 3, 3)
    boxes = Boxes(center, size, matrices if axes == "rows" else matrices.transpose(0, 2, 1).copy())
    check_boxes(
        boxes.size,
        boxes.rotation,
        size_name=lambda i: f"{items[i][0]}.axesLengths",
        rotation_name=lambda i: f"{items[i][0]}.normalizedAxes",
    )
    _check_bounds(boxes, bounds, [field for field, _ in items])
    return boxes


def _check_bounds(boxes: Boxes, bounds: NDArray[np.float64], names: list[str]) -> None:
    """Compare stored bounds (n, 2, 3) with those of the corners; NaN bounds are not stored."""
    with np.errstate(over="ignore", invalid="ignore"):
        off = _bounds_error(boxes, bounds)
        bad = np.flatnonzero(off > BOUNDS_TOLERANCE_M)
        if not len(bad):
            return
        i = int(bad[0])
        columns = _bounds_error(replace(boxes, rotation=boxes.rotation.transpose(0, 2, 1)), bounds)[i]
    found = f"min/max differ from the corners by {off[i]:.3g} m when the rows of normalizedAxes are the box axes"
    advice = "; they fit when its columns are: transpose it" if columns <= BOUNDS_TOLERANCE_M else ""
    raise SceneError(f"{names[i]}.min", found + advice, reason=IngestReason.BOX_MISMATCH)


def _bounds_error(boxes: Boxes, bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest difference per box; the half extent along world axis j is sum_i |R_ij| size_i / 2."""
    half = np.einsum("nij,ni->nj", np.abs(boxes.rotation), boxes.size) / 2
    own = np.stack([boxes.center - half, boxes.center + half], axis=1)
    return np.nan_to_num(np.abs(own - bounds), nan=0.0).max(axis=(1, 2), initial=0.0)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object; a key that occurs twice would lose data silently."""
    value = dict(pairs)
    if len(value) < len(pairs):
        _fail_on_repeated_key(pairs)
    return value


def _fail_on_repeated_key(pairs: list[tuple[str, Any]]) -> NoReturn:
    seen: set[str] = set()
    double = next(key for key, _ in pairs if key in seen or seen.add(key))
    raise ValueError(f"the key {shorten(double)} occurs twice in one object")
