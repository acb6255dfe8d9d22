"""Frames shown to a model as one video: when they were taken, and how many pixels a processor leaves of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qa_contract.errors import UserError

CLOCK_HZ = 1000.0
"""Rate at which the times of a store's frames are told to a video processor."""


@dataclass(frozen=True)
class Clip:
    """When the frames of a video were taken, as a video processor is told.

    Attributes
    ----------
    fps : float
        Frames per second of the whole video, which the numbers count.
    numbers : tuple of int
        Number of each shown frame, from 0.
    total : int
        Frames of the whole video.

    Examples
    --------
    >>> Clip(30.0, (0, 30, 60), 90).rate
    1.0
    """

    fps: float
    numbers: tuple[int, ...]
    total: int

    @property
    def rate(self) -> float:
        """Shown frames per second."""
        return len(self.numbers) / self.total * self.fps

    def metadata(self) -> dict[str, Any]:
        """Describe the clip in the terms of transformers' video processors."""
        return {"total_num_frames": self.total, "fps": self.fps, "frames_indices": list(self.numbers)}


def clip_of(times_s: Sequence[float | None]) -> Clip | None:
    """Make a clip of frames with times; None unless they are at least two, later and later.

    Examples
    --------
    >>> clip_of([10.0, 10.5, 11.0])
    Clip(fps=1000.0, numbers=(0, 500, 1000), total=1500)
    >>> clip_of([1.0, None]) is None
    True
    """
    known = [time for time in times_s if time is not None]
    if len(known) < max(2, len(times_s)) or any(a >= b for a, b in itertools.pairwise(known)):
        return None
    numbers = tuple(round((time - known[0]) * CLOCK_HZ) for time in known)
    total = max(1, round(numbers[-1] * len(known) / (len(known) - 1)))
    return Clip(CLOCK_HZ, numbers, total)


def set_pixel_limits(part: Any, least: int | None, most: int | None) -> None:
    """Set the fewest and the most pixels to which an image or video processor brings what it is shown.

    Parameters
    ----------
    part : image or video processor
    least, most : int, optional
        Of an image, or of a whole video; None leaves the processor's own.

    Raises
    ------
    UserError
        The processor has no such limits, or the least is more than the most.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> part = SimpleNamespace(size={"shortest_edge": 1024, "longest_edge": 65536}, merge_size=2)
    >>> set_pixel_limits(part, None, 16384)
    >>> part.size
    {'shortest_edge': 1024, 'longest_edge': 16384}
    """
    given = {"shortest_edge": least, "longest_edge": most}
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return
    size = dict(getattr(part, "size", None) or {})
    if not {"shortest_edge", "longest_edge"} <= size.keys() or not hasattr(part, "merge_size"):
        raise UserError(
            f"--min-pixels, --max-pixels: {type(part).__name__} does not size images by their pixels; it holds "
            f"{size or 'no size'}. Change its preprocessor_config.json."
        )
    size |= given
    if size["shortest_edge"] > size["longest_edge"]:
        raise UserError(f"At least {size['shortest_edge']} pixels are more than at most {size['longest_edge']}.")
    part.size = type(part.size)(**size) if not isinstance(part.size, dict) else size
