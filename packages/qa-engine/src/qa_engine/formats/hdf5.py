"""Read hostile HDF5 files that hold one array."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.parsing import read_bytes

MAX_BYTES = 256_000_000
MAX_VALUES = 50_000_000
"""The largest arrays of Hypersim (a position per pixel) have 2.4 million values; compressed ones can claim any size."""


def require_h5py() -> Any:
    """Import h5py.

    Raises
    ------
    QAEngineError
        It is not installed; the message names the extra.
    """
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise QAEngineError("HDF5 files need h5py: install it with 'pip install qa-engine[hdf5]'.") from None
    return h5py


def read_array(path: Path, shape: tuple[int | None, ...], *, name: str = "dataset") -> NDArray[Any]:
    """Read the array of an HDF5 file.

    Parameters
    ----------
    path : Path
    shape : tuple of int or None
        Expected shape; None = any length.
    name : str
        Name of the array in the file.

    Raises
    ------
    SceneError
        The file cannot be read, keeps the array elsewhere, or the array has another shape or no numbers.
    """
    h5py = require_h5py()
    data = read_bytes(path, max_bytes=MAX_BYTES)
    field = f"{path.name}: {name}"
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
                raise SceneError(field, "the array is missing", reason=IngestReason.MISSING_FIELD)
            array = file[name]
            if array.external or array.is_virtual:
                raise SceneError(field, "the values lie in other files", reason=IngestReason.UNREADABLE_FILE)
            if array.dtype.kind not in "fiu" or not _fits(array.shape, shape):
                found = f"expected numbers of shape {shape}, found {array.dtype} {array.shape}"
                raise SceneError(field, found.replace("None", "n"), reason=IngestReason.BAD_FORMAT)
            if array.size > MAX_VALUES:
                raise SceneError(field, f"{array.size} values are too many", reason=IngestReason.TOO_LARGE)
            return np.asarray(array[()])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise SceneError(path.name, f"no whole HDF5 file ({error})", reason=IngestReason.BAD_FORMAT) from None


def _fits(found: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(found) == len(expected) and all(n in (m, None) for m, n in zip(found, expected, strict=True))
