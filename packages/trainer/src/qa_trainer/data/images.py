"""Frames on disk: check them before a run, and process each of them once."""

from __future__ import annotations

import copy
import hashlib
import io
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from qa_contract.errors import FileError
from qa_contract.files import path_inside

from qa_trainer.data.pixels import RawPatches
from qa_trainer.models.kept import Kept


@dataclass(frozen=True)
class ImageCheck:
    """What decoding an image showed: its size in pixels, or a reason code of `REASONS` and a detail."""

    width: int | None = None
    height: int | None = None
    reason: str | None = None
    detail: str = ""


def check_images(store: Path, paths: Iterable[str]) -> dict[str, ImageCheck]:
    """Decode every image once; report its size, or why it cannot be used.

    Parameters
    ----------
    store : Path
        Folder that the paths are relative to; a path or link that leads out of it is refused.
    paths : iterable of str
        Image paths.

    Returns
    -------
    dict of str to ImageCheck
        One per different path.
    """
    root = Path(store).resolve()
    unique = list(dict.fromkeys(paths))
    # Pillow decodes without the interpreter's lock.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(unique, pool.map(lambda path: _check(root, path), unique), strict=True))


def _check(root: Path, path: str) -> ImageCheck:
    """Decode one image below `root`."""
    try:
        full = path_inside(root, path)
    except FileError:
        return ImageCheck(reason="frame_outside_store", detail=path)
    if not full.is_file():
        return ImageCheck(reason="missing_frame", detail=f"no file {path}")
    return decode(full, path)


def decode(source: Path | bytes, name: str) -> ImageCheck:
    """Decode an image from a file or from its bytes.

    Examples
    --------
    >>> decode(b"no image", "row 3").reason
    'unreadable_frame'
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            image.load()
            return ImageCheck(*image.size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # The address of a buffer in memory says nothing.
        return ImageCheck(reason="unreadable_frame", detail=f"{name}: {str(error).split(' <_io')[0]}")


def open_image(source: str | bytes) -> Image.Image:
    """Open an image by its path or from its bytes; `filename` tells different images apart.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    if isinstance(source, str):
        return Image.open(source)
    image = Image.open(io.BytesIO(source))
    image.filename = hashlib.sha256(source).hexdigest()
    return image


def read_image(source: str | bytes) -> Image.Image:
    """Read an image as RGB; the colour of a transparent pixel is the one in the file, as the evaluator sees it.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    with open_image(source) as image:
        return image.convert("RGB")


def seen_pixels(processor: Any, width: int, height: int) -> int:
    """Width times height of an image after an image processor has resized it.

    Qwen-VL's processors cut into patches, from whose number the size follows; others resize or crop to a fixed size.
    The image's own size is given for a processor that does neither.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> seen_pixels(SimpleNamespace(size={"height": 224, "width": 224}), 640, 480)
    50176
    """
    count = getattr(processor, "get_number_of_image_patches", None)
    patch_size = getattr(processor, "patch_size", None)
    if count is not None and isinstance(patch_size, int) and getattr(processor, "merge_size", None):
        return int(count(height, width, {})) * patch_size**2
    for fixed in (getattr(processor, "crop_size", None), getattr(processor, "size", None)):
        if fixed and "height" in fixed and "width" in fixed:
            return int(fixed["height"]) * int(fixed["width"])
    return width * height


class CachedImageProcessor:
    """An image processor that keeps its result per file, for processors that turn images into flat patches.

    Stands in for a Qwen-VL image processor inside a collator: the same values, computed once per frame. An image is
    decoded when it is not kept, and taken as `read_image` gives it.

    Parameters
    ----------
    processor : image processor
        Gives `pixel_values` (patches of all images, values) and `image_grid_thw` (images, 3).
    limit_bytes : int
        Memory for results; the least recently used ones go first.
    later : bool
        Give the bytes of patches, from which `raw` makes the values later, where the processor is one of which that is
        known.

    Attributes
    ----------
    raw : RawPatches or None
    """

    def __init__(self, processor: Any, *, limit_bytes: int, later: bool = False) -> None:
        self._processor = processor
        self._kept_raw = RawPatches.of(processor)
        self.raw = self._kept_raw if later else None
        self._kept = Kept(limit_bytes=limit_bytes)

    @staticmethod
    def fits(processor: Any) -> bool:
        """Tell whether results of this processor can be taken apart per image."""
        return set(processor.model_input_names) == {"pixel_values", "image_grid_thw"}

    def __getattr__(self, name: str) -> Any:
        if name == "_processor":  # a copy that is being made has no members yet
            raise AttributeError(name)
        return getattr(self._processor, name)

    def __call__(self, images: Any, **options: Any) -> Mapping[str, Any]:
        """Process `images` (a nested list of images opened from files) like the wrapped processor."""
        import torch
        from transformers.image_processing_base import BatchFeature
        from transformers.image_utils import make_flat_list_of_images

        flat: list[Any] = list(make_flat_list_of_images(images))  # pyright: ignore[reportArgumentType]
        parts: dict[str, tuple[Any, ...]] = {}
        fresh: dict[str, Any] = {}
        for image in flat:
            if (kept := self._kept.get(image.filename)) is None:
                fresh.setdefault(image.filename, image)
            else:
                parts[image.filename] = kept
        if fresh:
            output = self._processor(
                [image.convert("RGB") for image in fresh.values()],
                **{**options, **(self._kept_raw.options if self._kept_raw else {}), "return_tensors": "pt"},
            )
            grids = output["image_grid_thw"]
            patches = torch.split(output["pixel_values"], grids.prod(dim=1).tolist())
            for name, values, grid in zip(fresh, patches, grids, strict=True):
                # A copy, so that a kept part does not keep the whole batch alive.
                parts[name] = (values.clone(), grid.clone())
                self._kept.put(name, parts[name])
        names = [image.filename for image in flat]
        pixels = torch.cat([parts[name][0] for name in names])
        if self._kept_raw is not None and self.raw is None:
            pixels = self._kept_raw.restore(pixels)
        values = {
            "pixel_values": pixels,
            "image_grid_thw": torch.stack([parts[name][1] for name in names]),
        }
        return BatchFeature(values)


def with_cache(processor: Any, *, limit_bytes: int, later: bool = False) -> Any:
    """Copy a processor so that it keeps processed frames, where its layout allows it; see `CachedImageProcessor`."""
    if not CachedImageProcessor.fits(processor.image_processor):
        return processor
    cached = copy.copy(processor)
    cached.image_processor = CachedImageProcessor(processor.image_processor, limit_bytes=limit_bytes, later=later)
    return cached
