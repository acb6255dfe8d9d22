"""Frames and videos as a processor makes them, kept in memory between the questions of a scene."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_eval.errors import QAEvalError
from qa_eval.runners.base import Clip, Item
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
        seen = process(self.processor, key)
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
        "video_metadata": [video_metadata(clip) for _, clip in clips],
        # The frames of the set are shown, all of them: the processor must not choose among them.
        "do_sample_frames": False,
    }


def video_metadata(clip: Clip) -> dict[str, Any]:
    """Describe a clip in the terms of transformers' video processors."""
    return {"total_num_frames": clip.total, "fps": clip.fps, "frames_indices": list(clip.numbers)}


def process(processor: Any, key: Key) -> Seen:
    """Run the processor over one image or video alone; one of an unknown kind only has its files read."""
    from transformers import ProcessorMixin

    paths, clip = key
    shown = vision_inputs([Item("", "", "", frames=paths, clip=clip)])
    kind = type(processor)
    if kind.__call__ is not ProcessorMixin.__call__ or kind.replace_image_token is ProcessorMixin.replace_image_token:
        return Seen({}, "", None)
    token = processor.image_token if clip is None else processor.video_token
    made = dict(processor(text=[token], **shown, return_tensors="pt", return_text_replacement_offsets=True))
    text = made.pop("text_replacement_offsets")[0][0]["replacement"]
    # The text is tokenized with the question around it.
    features = {k: v for k, v in made.items() if k not in ("input_ids", "attention_mask", "mm_token_type_ids")}
    return Seen(features, text, _pixels(processor, features))


def joined(seen: Sequence[Seen]) -> dict[str, torch.Tensor]:
    """Join the features of images, or of videos, for one batch; their layouts must allow it."""
    import torch

    return {name: torch.cat([one.features[name] for one in seen]) for name in seen[0].features}


def set_limits(part: Any, least: int | None, most: int | None) -> None:
    """Set the fewest and the most pixels to which an image or video processor brings what it is shown.

    Raises
    ------
    QAEvalError
        The processor has no such limits, or the least is more than the most.
    """
    given = {"shortest_edge": least, "longest_edge": most}
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return
    size = dict(getattr(part, "size", None) or {})
    if not {"shortest_edge", "longest_edge"} <= size.keys() or not hasattr(part, "merge_size"):
        raise QAEvalError(
            f"--min-pixels, --max-pixels: {type(part).__name__} does not size images by their pixels; it holds "
            f"{size or 'no size'}. Change its preprocessor_config.json."
        )
    size |= given
    if size["shortest_edge"] > size["longest_edge"]:
        raise QAEvalError(f"At least {size['shortest_edge']} pixels are more than at most {size['longest_edge']}.")
    part.size = type(part.size)(**size) if not isinstance(part.size, dict) else size


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
