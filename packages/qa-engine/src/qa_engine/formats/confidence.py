"""Confidence of depth as ARKit gives it: low, medium or high for each pixel, written by phones in several ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.depth import Depth

LEVELS = {"medium": 1, "high": 2, "all": 0}
"""Least level that is kept, by the word of `--set confidence`; Polycam's notes call the lowest unreliable."""


def levels(values: NDArray[np.integer]) -> NDArray[np.int64]:
    """Bring a map to ARKit's levels 0, 1 and 2; some programs write them as 0, 127 and 255.

    Examples
    --------
    >>> levels(np.array([0, 127, 255])).tolist(), levels(np.array([0, 1, 2])).tolist()
    ([0, 1, 2], [0, 1, 2])
    """
    if values.size and values.max() > 2:
        return np.digitize(values, (64, 192)).astype(np.int64)
    return values.astype(np.int64)


def trusted(
    depth: Depth, read_map: Callable[[], NDArray[np.integer]], *, least: str, files: tuple[Path, ...] = ()
) -> Depth:
    """Take out the depth whose confidence is below a level.

    Parameters
    ----------
    depth : Depth
    read_map : callable
        Returns the map, (h, w) of the same size as the depth.
    least : str
        Key of `LEVELS`.
    files : tuple of Path
        What the map is read from.
    """
    if not LEVELS[least]:
        return replace(depth, files=(*depth.files, *files))

    def read() -> NDArray[np.float32]:
        metres, level = depth.read(), levels(read_map())
        if level.shape != metres.shape:
            problem = f"its confidence has {level.shape[::-1]} pixels, it has {metres.shape[::-1]}"
            raise SceneError(depth.name, problem, reason=IngestReason.BAD_FRAME)
        return np.where(level >= LEVELS[least], metres, np.float32(0))

    return replace(depth, read=read, files=(*depth.files, *files))
