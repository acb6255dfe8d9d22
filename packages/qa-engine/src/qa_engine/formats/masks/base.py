"""Instance masks of frames, and how a frame of a store is found among the files of a segmenter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError

MAX_BYTES = 512_000_000
"""Masks of a long video as one JSON file."""

MAX_PIXELS = 30_000_000


@dataclass(frozen=True, eq=False)
class Mask:
    """What a segmenter says is one object of one frame.

    Attributes
    ----------
    pixels : (h, w) bool
        In the pixels of the frame, or of a smaller copy of it.
    label : str
        What it is called; empty where the segmenter does not say.
    score : float
        How sure it is, 0 to 1; 1 where it does not say.
    track : int or None
        The same number in other frames means the same object, as far as the segmenter knows.
    """

    pixels: NDArray[np.bool_]
    label: str
    score: float = 1.0
    track: int | None = None


Read = Callable[[], list[Mask]]
"""Reads the masks of one frame; raises SceneError for a damaged file."""


@dataclass(frozen=True)
class MaskLayout:
    """A way in which segmenters write masks.

    Attributes
    ----------
    name, about : str
        Name on the command line, and what writes it.
    find : callable
        `find(folder)` gives frame name to reader for one scene, cheaply; empty where the folder has another layout.
    """

    name: str
    about: str
    find: Callable[[Path], Mapping[str, Read]]


def match_frames(frame_ids: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """Match the frames of a store with those of a segmenter.

    Parameters
    ----------
    frame_ids, names : iterable of str

    Returns
    -------
    dict of str to str
        Frame id to name: equal names first, else equal numbers at their ends (video segmenters count from 00000), as
        far as both are unique.

    Examples
    --------
    >>> match_frames(["0007", "0010"], ["7", "12"])
    {'0007': '7'}
    """
    known = set(names)
    found = {frame: frame for frame in frame_ids if frame in known}
    left = [frame for frame in frame_ids if frame not in found]
    by_number = _by_number(known - set(found))
    numbers = _by_number(left)
    found |= {frame: by_number[number] for number, frame in numbers.items() if number in by_number}
    return found


def _by_number(names: Iterable[str]) -> dict[int, str]:
    """Look names up by the number at their end; a number that several share names none."""
    found: dict[int, list[str]] = {}
    for name in names:
        if number := re.search(r"(\d{1,12})$", name):
            found.setdefault(int(number[1]), []).append(name)
    return {number: same[0] for number, same in found.items() if len(same) == 1}


def check_size(height: object, width: object, place: str) -> tuple[int, int]:
    """Check the size of a mask, (height, width)."""
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise SceneError(place, f"{height} x {width} is no size of an image", reason=IngestReason.BAD_FRAME)
    if height * width > MAX_PIXELS:
        problem = f"{width} x {height} pixels are too many (limit {MAX_PIXELS})"
        raise SceneError(place, problem, reason=IngestReason.TOO_LARGE)
    return height, width


def split_ids(image: NDArray[np.integer], labels: Mapping[int, str]) -> list[Mask]:
    """Cut an image of ids (h, w), 0 = none, into masks; an id without a label has an empty one."""
    ids = np.unique(image)
    return [Mask(image == i, labels.get(int(i), ""), track=int(i)) for i in ids if i > 0]
