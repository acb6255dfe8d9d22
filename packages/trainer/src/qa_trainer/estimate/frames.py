"""What frames become: tokens, patches and bytes, as the processor of a model makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qa_contract.clips import clip_of

from qa_trainer.data.inputs import blank_image, prompt_inputs
from qa_trainer.data.videos import Source, Video

_TRIED = 3
"""Frames that are processed; a model may treat one frame otherwise than several, but then every further one adds the
same."""


@dataclass(frozen=True)
class Shown:
    """What the frames of one question become.

    Attributes
    ----------
    tokens : int
        In the text, separators included.
    patches : int
        In the vision tower.
    pixel_bytes : int
        Of the tensors.
    """

    tokens: int
    patches: int
    pixel_bytes: int


def show_frames(processor: Any, vision: Any, *, frames: int, size: tuple[int, int], as_video: bool = False) -> Shown:
    """Process blank frames and count.

    Parameters
    ----------
    processor : ProcessorMixin
    vision : configuration of the vision tower
    frames : int
    size : (width, height)
        Pixels of a frame on disk.
    as_video : bool
        As one video; its frames are sized by their number, so that all have to be processed.
    """
    if as_video and frames > 1:
        clip = clip_of([float(second) for second in range(frames)])
        assert clip is not None
        content, shown = [{"type": "video"}], [Video((blank_image(size),) * frames, clip)]
        given, none = _made(processor, vision, content, shown), _made(processor, vision, [], [])
        return Shown(*(a - b for a, b in zip(given, none, strict=True)))
    tried = min(frames, _TRIED)
    none = _shown(processor, vision, 0, size)
    found = _shown(processor, vision, tried, size)
    total = [a - b for a, b in zip(found, none, strict=True)]
    if frames > tried:
        fewer = _shown(processor, vision, tried - 1, size)
        total = [have + (frames - tried) * (a - b) for have, a, b in zip(total, found, fewer, strict=True)]
    return Shown(*total)


def _shown(processor: Any, vision: Any, frames: int, size: tuple[int, int]) -> tuple[int, int, int]:
    """Count tokens, patches and bytes of a short question with so many frames."""
    return _made(processor, vision, [{"type": "image"}] * frames, [blank_image(size)] * frames)


def _made(processor: Any, vision: Any, places: list[Any], sources: Sequence[Source]) -> tuple[int, int, int]:
    """Count tokens, patches and bytes of a short question that shows something."""
    content = [*places, {"type": "text", "text": "?"}]
    inputs = prompt_inputs(processor, [[{"role": "user", "content": content}]], [sources])
    shape = inputs["input_ids"].shape
    pixels = [value for value in inputs.values() if hasattr(value, "nbytes") and value.shape != shape]
    return shape[1], _patches(inputs, vision), sum(value.nbytes for value in pixels)


def _patches(inputs: Any, vision: Any) -> int:
    """Count patches: by the grid where there is one, else by the numbers that a patch has."""
    grid = inputs.get("image_grid_thw", inputs.get("video_grid_thw"))
    pixels = inputs.get("pixel_values", inputs.get("pixel_values_videos"))
    if grid is not None:
        return int(grid.prod(dim=-1).sum())
    if pixels is None:
        return 0
    side = vision.patch_size if isinstance(vision.patch_size, int) else vision.patch_size[0]
    return int(pixels.numel()) // (3 * side**2)
