"""Read hostile MATLAB files of version 5 to 7: structs become dicts, arrays of structs lists."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.parsing import read_bytes

MAX_BYTES = 500_000_000
"""SUN RGB-D's largest table has 25 MB."""

MAX_UNPACKED = 4_000_000_000
STEP_BYTES = 16_000_000
HEADER_BYTES, TAG_BYTES = 128, 8
PACKED = 15
"""Type of an element that zlib has packed (miCOMPRESSED)."""

_DAMAGE = (ValueError, TypeError, KeyError, IndexError, OSError, EOFError, OverflowError, MemoryError, RecursionError)


def read_matlab(path: Path, variable: str) -> Any:
    """Read one variable of a file.

    Parameters
    ----------
    path : Path
    variable : str

    Returns
    -------
    dict, list, str, float or ndarray
        A struct, a vector of structs or cells (also of one), a text, a number, an array of numbers.

    Raises
    ------
    SceneError
        The file is damaged, unpacks to far too much, is of version 7.3 (HDF5), or lacks the variable.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    data = read_bytes(path, max_bytes=MAX_BYTES)
    _check_size(data, path.name)
    try:
        found = loadmat(io.BytesIO(data), variable_names=[variable], simplify_cells=False)
    except NotImplementedError:
        problem = "version 7.3 (HDF5): save it by MATLAB's save(..., '-v7')"
        raise SceneError(path.name, problem, reason=IngestReason.BAD_FORMAT) from None
    except (*_DAMAGE, zlib.error, struct.error, MatReadError) as error:
        problem = f"no whole MATLAB file ({str(error)[:200]})"
        raise SceneError(path.name, problem, reason=IngestReason.BAD_FORMAT) from None
    if variable not in found:
        raise SceneError(f"{path.name}: {variable}", "no such variable", reason=IngestReason.MISSING_FIELD)
    return plain(found[variable])


def plain(value: Any) -> Any:
    """Turn what scipy reads into dicts, lists, texts and numbers.

    Examples
    --------
    >>> record = np.array([[(np.array(["bed"]), np.array([[1.0, 2.0]]))]], dtype=[("name", "O"), ("size", "O")])
    >>> plain(record)
    [{'name': 'bed', 'size': array([1., 2.])}]
    """
    if isinstance(value, np.void) and value.dtype.names:
        return {name: plain(value[name]) for name in value.dtype.names}
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names or value.dtype == object:
        return [plain(item) for item in value.ravel(order="F")]
    if value.dtype.kind in "US":
        return str(value.ravel()[0]) if value.size else ""
    return value.item() if value.size == 1 else value.squeeze()


def _check_size(data: bytes, name: str) -> None:
    """Refuse a file whose packed elements hold far more than any table."""
    at, total = HEADER_BYTES, 0
    order = ">" if data[126:128] == b"MI" else "<"
    while at + TAG_BYTES <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, at)
        if kind == PACKED:
            unpacker, packed = zlib.decompressobj(), data[at + TAG_BYTES : at + TAG_BYTES + length]
            try:
                while packed and not unpacker.eof:
                    total += len(unpacker.decompress(packed, STEP_BYTES))
                    packed = unpacker.unconsumed_tail
                    if total > MAX_UNPACKED:
                        problem = f"unpacks to more than {MAX_UNPACKED / 1e9:.0f} GB"
                        raise SceneError(name, problem, reason=IngestReason.TOO_LARGE)
            except zlib.error:  # said where the file is read
                return
        at += TAG_BYTES + length
