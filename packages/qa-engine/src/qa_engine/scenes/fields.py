"""Checks of the parts of a scene: names, labels, arrays, boxes and images; every error names its field."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError

ROTATION_TOLERANCE = 1e-4
"""Largest entry of |R Rᵀ - I|: sources store axes with 5 to 17 digits, and 1e-4 moves the corner of a 5 m box by
less than a millimetre."""

MAX_AREA_M2 = 1e9
"""Floor area above which the source has another unit: a thousand square kilometres."""

MAX_PIXELS = 100_000_000
"""A frame above this is a bomb or a mistake: the largest real ones (ScanNet++ DSLR) have 20 million pixels."""

_Name = Callable[[int], str]


def check_name(name: object, field: str) -> str:
    """Check a name that becomes a folder or file of the store: no path, no control characters.

    Raises
    ------
    SceneError
        The name is empty, has a slash, starts with a dot, or is longer than a file name may be.

    Examples
    --------
    >>> check_name("scene0000_00", "scene_name")
    'scene0000_00'
    """
    problem = ""
    if not isinstance(name, str) or not name:
        problem = "expected a name"
    elif "/" in name or "\\" in name or name.startswith("."):
        problem = "a name has no slashes and does not start with a dot"
    elif not name.isprintable() or len(name.encode()) > 200:
        problem = "a name has printable characters and at most 200 bytes"
    if problem:
        raise SceneError(field, f"{shorten(name)}: {problem}", reason=IngestReason.BAD_NAME)
    return str(name)


def texts(values: Any, field: str) -> NDArray[np.str_]:
    """Convert to a read-only array of labels that are not empty and printable."""
    labels = list(values)
    for i, label in enumerate(labels):
        if not isinstance(label, str) or not label.strip() or not label.isprintable() or len(label) > 200:
            problem = f"{shorten(label)} is no label (printable text, at most 200 characters)"
            raise SceneError(f"{field}[{i}]", problem, reason=IngestReason.BAD_NAME)
    return frozen(np.array(labels, dtype=np.str_))


def floats(values: Any, shape: tuple[int, ...], field: str, *, suffix: str = "") -> NDArray[np.float64]:
    """Convert to a read-only float64 array of `shape` without NaN and infinity."""
    name = f"{field}.{suffix}" if suffix else field
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        problem = f"expected numbers of shape {shape}, found {shorten(values)}"
        raise SceneError(name, problem, reason=IngestReason.WRONG_TYPE) from None
    if array.size == 0 and 0 in shape:
        array = array.reshape(shape)
    if array.shape != shape:
        raise SceneError(name, f"expected shape {shape}, found {array.shape}", reason=IngestReason.WRONG_TYPE)
    finite = np.isfinite(array)
    if not finite.all():
        i = int(np.argwhere(~finite)[0, 0]) if array.ndim else 0
        name = f"{field}[{i}].{suffix}" if suffix else field
        problem = f"{array[i].tolist() if suffix else array.tolist()} has a value that is NaN or infinite"
        raise SceneError(name, problem, reason=IngestReason.NOT_FINITE)
    return frozen(array)


def check_boxes(
    size: NDArray[np.float64], rotation: NDArray[np.float64], *, size_name: _Name, rotation_name: _Name
) -> None:
    """Check (n, 3) box sizes and (n, 3, 3) axes.

    Parameters
    ----------
    size_name, rotation_name : callable
        Gives the name of a field for the error, from the index of the box.

    Raises
    ------
    SceneError
        A side is not above 0 m, or axes are not orthonormal within ROTATION_TOLERANCE or not right-handed.
    """
    flat = np.argwhere(size <= 0)
    if len(flat):
        i = int(flat[0, 0])
        problem = f"{size[i].tolist()} has a side that is not above 0 m"
        raise SceneError(size_name(i), problem, reason=IngestReason.BAD_SIZE)
    check_rotations(rotation, rotation_name, reason=IngestReason.BAD_ROTATION)


def check_rotations(rotation: NDArray[np.float64], name: _Name, *, reason: IngestReason) -> None:
    """Check (n, 3, 3) matrices: orthonormal within ROTATION_TOLERANCE and right-handed."""
    if len(rotation) == 0:
        return
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
        handed = np.linalg.det(rotation)
    bad = np.flatnonzero(~(error <= ROTATION_TOLERANCE) | ~(handed > 0))
    if len(bad):
        i = int(bad[0])
        if error[i] <= ROTATION_TOLERANCE:
            problem = "the axes are left-handed (determinant -1)"
        else:
            problem = f"the axes are not orthonormal (off by {error[i]:.3g}, allowed {ROTATION_TOLERANCE:g})"
        raise SceneError(name(i), problem, reason=reason)


def check_pixels(pixels: NDArray[Any] | None, dtype: Any, shape: tuple[int, ...], field: str) -> None:
    """Check the type and shape of an image in memory."""
    if pixels is not None and (pixels.dtype != dtype or pixels.shape != shape or pixels.size == 0):
        expected = f"{np.dtype(dtype)} {shape}"
        problem = f"expected {expected}, found {pixels.dtype} {pixels.shape}"
        raise SceneError(field, problem, reason=IngestReason.BAD_FRAME)


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Forbid writing to `array`."""
    array.setflags(write=False)
    return array


def shorten(value: object) -> str:
    """Show a value in an error message without flooding it, however large or deep it is.

    Examples
    --------
    >>> shorten([0] * 1000)
    '[0, 0, 0, 0, 0, 0, ...]'
    """
    try:
        return reprlib.repr(value)
    except (ValueError, RecursionError):  # an integer with more digits than Python prints, a deep nesting
        return f"a {type(value).__name__}"
