"""From a Qwen-VL processor's output to the frames of the geometry encoder.

Both encoders see the same pixels: the frames are taken back out of the patches that the base's own processor made, so
that the model works with that processor, its collators and its caches as they are, and the two grids of patches agree
by construction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional


def frames_from_patches(
    patches: torch.Tensor, grid: Sequence[int], *, patch_size: int, spatial: int = 2, temporal: int = 2
) -> torch.Tensor:
    """Put the patches of one image or video together again.

    Parameters
    ----------
    patches : (t * h * w, 3 * temporal * patch_size^2)
        As a Qwen-VL processor gives them.
    grid : (t, h, w)

    Returns
    -------
    (t * temporal, 3, h * patch_size, w * patch_size)
        Normalised pixels. A still image appears `temporal` times, a missing last frame as its predecessor.

    Examples
    --------
    >>> frames_from_patches(torch.zeros(24, 1176), (1, 4, 6), patch_size=14).shape
    torch.Size([2, 3, 56, 84])
    """
    t, rows, columns = (int(side) for side in grid)
    blocks = patches.reshape(
        t, rows // spatial, columns // spatial, spatial, spatial, 3, temporal, patch_size, patch_size
    )
    frames = blocks.permute(0, 6, 5, 1, 3, 7, 2, 4, 8)
    return frames.reshape(t * temporal, 3, rows * patch_size, columns * patch_size)


def fit_to_patches(frames: torch.Tensor, *, patch_size: int, target: int) -> torch.Tensor:
    """Scale frames (s, 3, H, W) so that their grid of `target`-pixel patches is that of their `patch_size` ones."""
    if patch_size == target:
        return frames
    size = [side // patch_size * target for side in frames.shape[-2:]]
    return functional.interpolate(frames, size=size, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


@dataclass(frozen=True)
class Clip:
    """Images or one video that the geometry encoder sees together.

    Attributes
    ----------
    items : tuple of int
        Rows of the grid table, all of one height and width.
    still : bool
        The rows are single images.
    """

    items: tuple[int, ...]
    still: bool


def clips_of_images(
    grids: Sequence[Sequence[int]], tokens_per_sample: Sequence[int] | None, *, spatial: int = 2
) -> Iterator[Clip]:
    """Group the images of a batch: those of one sample that have one size form a clip.

    Parameters
    ----------
    grids : (n, 3)
        Grid of every image.
    tokens_per_sample : sequence of int, optional
        Image tokens in each sample's text. None: every image stands alone.

    Examples
    --------
    >>> [clip.items for clip in clips_of_images([(1, 4, 4), (1, 4, 4), (1, 2, 4), (1, 4, 4)], [8, 2, 4])]
    [(0, 1), (2,), (3,)]
    """
    if tokens_per_sample is None:
        yield from (Clip((index,), still=True) for index in range(len(grids)))
        return
    ends = torch.tensor(tokens_per_sample).cumsum(0)
    tokens = torch.tensor([t * h * w // spatial**2 for t, h, w in grids]).cumsum(0)
    samples = torch.searchsorted(ends, tokens).tolist()
    groups: dict[tuple[int, int, int], list[int]] = {}
    for index, (sample, (_, rows, columns)) in enumerate(zip(samples, grids, strict=True)):
        groups.setdefault((sample, int(rows), int(columns)), []).append(index)
    yield from (Clip(tuple(items), still=True) for items in groups.values())


def clips_of_videos(grids: Sequence[Sequence[int]]) -> Iterator[Clip]:
    """Make a clip of every video."""
    yield from (Clip((index,), still=False) for index in range(len(grids)))
