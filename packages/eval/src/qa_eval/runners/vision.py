"""Frames and videos as a processor makes them, kept in memory between the questions of a scene."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_contract.clips import Clip

from qa_eval.runners.base import Item
from qa_eval.runners.images import open_image

if TYPE_CHECKING:
    import torch

CACHE_BYTES = 2 * 1024**3
"""Processed frames kept in memory; questions about one scene follow each other, so that a small cache serves."""

Key = tuple[tuple[Path, ...], Clip | None]
"""The files of one image, or of one video with its times."""

LAYOUTS = (
    {"pixel_values", "image_grid_thw"},
    {"pixel_values_videos", "video_grid_thw"},
    {"pixel_values_videos", "video_grid_thw", "second_per_grid_ts"},
)
"""Outputs of a processor that are put together for a batch by joining them; others are made for the whole batch."""

TEXT_OUTPUTS = {"input_ids", "attention_mask", "mm_token_type_ids", "text_replacement_offsets"}
"""Outputs of a processor that are about the text alone."""


@dataclass(frozen=True)
class Seen:
    """One image or video as a model gets it.

    Attributes
    ----------
    features : dict of str to Tensor
    text : str
        What stands in the prompt in place of its one placeholder.
    pixels : int, optional
        Width times height of one frame; None where the layout is unknown.
    """

    features: dict[str, torch.Tensor]
    text: str
    pixels: int | None

    @property
    def joins(self) -> bool:
        """Whether a batch is made by joining the features of its items."""
        return set(self.features) in LAYOUTS


class VisionCache:
    """Processed images and videos by file, the least recently used dropped first.

    Parameters
    ----------
    processor : ProcessorMixin
    max_bytes : int
    """

    def __init__(self, processor: Any, *, max_bytes: int = CACHE_BYTES) -> None:
        self.processor = processor
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self.entries: OrderedDict[Key, Seen] = OrderedDict()

    def get(self, key: Key) -> Seen:
        """Process the image or video, or return what is remembered.

        Raises
        ------
        OSError, ValueError
            A file is missing or no readable image.
        """
        if key in self.entries:
            self.entries.move_to_end(key)
            return self.entries[key]
        return self._keep(key, process(self.processor, key))

    def load(self, keys: Sequence[Key]) -> None:
        """Process the images that are not remembered all at once, which costs half of one after another.

        Where that is not possible, because a file is no image or the processor's layout is unknown, nothing happens.
        """
        missing = [key for key in dict.fromkeys(keys) if key not in self.entries and key[1] is None]
        if len(missing) < 2:
            return
        try:
            found = process_images(self.processor, missing)
        except (OSError, ValueError, SyntaxError):
            return  # `get` finds out which one it is
        for key, seen in zip(missing, found, strict=False):
            self._keep(key, seen)

    def _keep(self, key: Key, seen: Seen) -> Seen:
        self.entries[key] = seen
        self.n_bytes += _size(seen)
        while self.n_bytes > self.max_bytes and len(self.entries) > 1:
            self.n_bytes -= _size(self.entries.popitem(last=False)[1])
        return seen


def keys_of(item: Item) -> list[Key]:
    """List what an item shows: its images one by one, or all of them as one video."""
    if item.clip is not None:
        return [(item.frames, item.clip)]
    return [((path,), None) for path in item.frames]


def vision_inputs(items: Sequence[Item]) -> dict[str, Any]:
    """Build the arguments that show the frames of all items to a processor."""
    clips = [(item, item.clip) for item in items if item.clip is not None]
    if not clips:
        return {"images": [[open_image(path) for path in item.frames] for item in items]}
    return {
        "videos": [[open_image(path) for path in item.frames] for item, _ in clips],
        "video_metadata": [clip.metadata() for _, clip in clips],
        # The frames of the set are shown, all of them: the processor must not choose among them.
        "do_sample_frames": False,
    }


def process_images(processor: Any, keys: Sequence[Key]) -> list[Seen]:
    """Run the processor over single images together; empty where its layout does not tell them apart."""
    if not _tells_text(processor):
        return []
    images = [[open_image(path) for path in paths] for paths, _ in keys]
    texts = [processor.image_token] * len(keys)
    made = processor(text=texts, images=images, padding=True, return_tensors="pt", return_text_replacement_offsets=True)
    if set(made) - TEXT_OUTPUTS != LAYOUTS[0]:
        return []
    texts = [offsets[0]["replacement"] for offsets in made["text_replacement_offsets"]]
    grids = made["image_grid_thw"]
    # Each a copy of its own: a part of the whole would hold all of it in memory.
    pixels = [part.clone() for part in made["pixel_values"].split(grids.prod(-1).tolist())]
    features = [
        {"pixel_values": part, "image_grid_thw": grid[None]} for part, grid in zip(pixels, grids.clone(), strict=True)
    ]
    return [Seen(one, text, _pixels(processor, one)) for one, text in zip(features, texts, strict=True)]


def _tells_text(processor: Any) -> bool:
    """Whether a processor says what stands in a prompt in place of an image."""
    from transformers import ProcessorMixin

    kind = type(processor)
    return (
        kind.__call__ is ProcessorMixin.__call__ and kind.replace_image_token is not ProcessorMixin.replace_image_token
    )


def process(processor: Any, key: Key) -> Seen:
    """Run the processor over one image or video alone; one of an unknown kind only has its files read."""
    paths, clip = key
    shown = vision_inputs([Item("", "", "", frames=paths, clip=clip)])
    if not _tells_text(processor):
        return Seen({}, "", None)
    token = processor.image_token if clip is None else processor.video_token
    made = dict(processor(text=[token], **shown, return_tensors="pt", return_text_replacement_offsets=True))
    text = made.pop("text_replacement_offsets")[0][0]["replacement"]
    # The text is tokenized with the question around it.
    features = {name: tensor for name, tensor in made.items() if name not in TEXT_OUTPUTS}
    return Seen(features, text, _pixels(processor, features))


def joined(seen: Sequence[Seen]) -> dict[str, torch.Tensor]:
    """Join the features of images, or of videos, for one batch; their layouts must allow it."""
    import torch

    return {name: torch.cat([one.features[name] for one in seen]) for name in seen[0].features}


def limits(part: Any) -> dict[str, Any]:
    """Collect the settings of an image or video processor that decide how many pixels a model sees."""
    found = {name: getattr(part, name, None) for name in ("size", "min_pixels", "max_pixels", "patch_size")}
    return {name: value if isinstance(value, int) else dict(value) for name, value in found.items() if value}


def _pixels(processor: Any, features: dict[str, torch.Tensor]) -> int | None:
    """Width times height of one frame, from the grid of patches."""
    for name, part in (("image_grid_thw", "image_processor"), ("video_grid_thw", "video_processor")):
        size = getattr(getattr(processor, part, None), "patch_size", None)
        if name in features and isinstance(size, int):
            _, rows, columns = (int(n) for n in features[name][0])
            return rows * columns * size**2
    return None


def _size(seen: Seen) -> int:
    return sum(tensor.nbytes for tensor in seen.features.values() if hasattr(tensor, "nbytes"))
