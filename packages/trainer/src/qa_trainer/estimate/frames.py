"""What frames become: tokens, patches and bytes, as the processor of a model makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


def show_frames(processor: Any, vision: Any, *, frames: int, size: tuple[int, int]) -> Shown:
    """Process blank frames and count.

    Parameters
    ----------
    processor : ProcessorMixin
    vision : configuration of the vision tower
    frames : int
    size : (width, height)
        Pixels of a frame on disk.
    """
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
    from qa_trainer.data.inputs import blank_image, prompt_inputs

    content = [{"type": "image"}] * frames + [{"type": "text", "text": "?"}]
    inputs = prompt_inputs(processor, [[{"role": "user", "content": content}]], [[blank_image(size)] * frames])
    shape = inputs["input_ids"].shape
    pixels = [value for value in inputs.values() if hasattr(value, "nbytes") and value.shape != shape]
    return shape[1], _patches(inputs, vision), sum(value.nbytes for value in pixels)


def _patches(inputs: Any, vision: Any) -> int:
    """Count patches: by the grid where there is one, else by the numbers that a patch has."""
    grid, pixels = inputs.get("image_grid_thw"), inputs.get("pixel_values")
    if grid is not None:
        return int(grid.prod(dim=-1).sum())
    if pixels is None:
        return 0
    side = vision.patch_size if isinstance(vision.patch_size, int) else vision.patch_size[0]
    return int(pixels.numel()) // (3 * side**2)
