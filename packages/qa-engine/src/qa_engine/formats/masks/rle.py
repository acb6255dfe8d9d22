"""Run lengths of COCO: pixels column by column, zeros first; as numbers, or packed into a text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.masks.base import check_size
from qa_engine.formats.parsing import expect


def decode(value: object, place: str) -> NDArray[np.bool_]:
    """Decode a mask.

    Parameters
    ----------
    value : object
        `{"size": [height, width], "counts": ...}` with a list of numbers or the packed text of pycocotools.

    Returns
    -------
    (h, w) bool

    Raises
    ------
    SceneError
        The runs do not fill the image, or are damaged.

    Examples
    --------
    >>> decode({"size": [2, 3], "counts": [1, 2, 3]}, "mask").astype(int).tolist()
    [[0, 1, 0], [1, 0, 0]]
    >>> decode({"size": [2, 3], "counts": "123"}, "mask").astype(int).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    record = expect(value, dict, place)
    size = expect(record.get("size"), list, f"{place}.size")
    height, width = check_size(size[0] if size else None, size[-1] if len(size) == 2 else None, f"{place}.size")
    counts = record.get("counts")
    runs = unpack(counts) if isinstance(counts, str) else expect(counts, list, f"{place}.counts")
    if not all(type(run) is int and run >= 0 for run in runs) or sum(runs) != height * width:
        problem = f"the runs do not fill {width} x {height} pixels"
        raise SceneError(f"{place}.counts", problem, reason=IngestReason.BAD_FORMAT)
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def unpack(text: str) -> list[int]:
    """Unpack the runs of a text.

    Notes
    -----
    Each number is written in groups of five bits, the lowest first, as characters from "0" up; 32 says that a group
    follows, and 16 in the last group that the number is negative. From the fourth run on, the difference from the run
    two places before is written (COCO's mask API).
    """
    values: list[int] = []
    number = shift = 0
    for character in text:
        code = ord(character) - 48
        number |= (code & 31) << shift
        shift += 5
        if not code & 32:
            values.append(number - (1 << shift) if code & 16 else number)
            number = shift = 0
    for i in range(3, len(values)):
        values[i] += values[i - 2]
    return values
