"""Frames on disk: check them before a run, and process each of them once."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image


def check_images(store: Path, paths: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Decode every image once and report those that cannot be used.

    Parameters
    ----------
    store : Path
        Folder that the paths are relative to; a path or link that leads out of it is refused.
    paths : iterable of str
        Image paths.

    Returns
    -------
    dict of str to (str, str)
        Path to reason code and detail, for the bad ones only.
    """
    root = Path(store).resolve()
    unique = list(dict.fromkeys(paths))
    # Pillow decodes without the interpreter's lock.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        found = pool.map(lambda path: _problem(root, path), unique)
        return {path: problem for path, problem in zip(unique, found, strict=True) if problem is not None}


def _problem(root: Path, path: str) -> tuple[str, str] | None:
    """Say what is wrong with one image."""
    full = (root / path).resolve()
    if not full.is_relative_to(root):
        return "frame_outside_store", path
    if not full.is_file():
        return "missing_frame", f"no file {path}"
    try:
        with Image.open(full) as image:
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return "unreadable_frame", f"{path}: {error}"
    return None


class CachedImageProcessor:
    """An image processor that keeps its result per file, for processors that turn images into flat patches.

    Stands in for a Qwen-VL image processor inside a collator: the same values, computed once per frame.

    Parameters
    ----------
    processor : image processor
        Gives `pixel_values` (patches of all images, values) and `image_grid_thw` (images, 3).
    limit_bytes : int
        Memory for results; the least recently used ones go first.
    """

    def __init__(self, processor: Any, *, limit_bytes: int) -> None:
        self._processor = processor
        self._limit = limit_bytes
        self._used = 0
        self._results: OrderedDict[str, tuple[Any, Any]] = OrderedDict()

    @staticmethod
    def fits(processor: Any) -> bool:
        """Tell whether results of this processor can be taken apart per image."""
        return set(processor.model_input_names) == {"pixel_values", "image_grid_thw"}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def __call__(self, images: Any, **options: Any) -> Mapping[str, Any]:
        """Process `images` (a nested list of images opened from files) like the wrapped processor."""
        import torch
        from transformers.image_processing_base import BatchFeature
        from transformers.image_utils import make_flat_list_of_images

        flat: list[Any] = list(make_flat_list_of_images(images))  # pyright: ignore[reportArgumentType]
        parts: dict[str, tuple[Any, Any]] = {}
        fresh: dict[str, Any] = {}
        for image in flat:
            if image.filename in self._results:
                self._results.move_to_end(image.filename)
                parts[image.filename] = self._results[image.filename]
            else:
                fresh.setdefault(image.filename, image)
        if fresh:
            output = self._processor(list(fresh.values()), **{**options, "return_tensors": "pt"})
            grids = output["image_grid_thw"]
            patches = torch.split(output["pixel_values"], grids.prod(dim=1).tolist())
            for name, values, grid in zip(fresh, patches, grids, strict=True):
                # A copy, so that a kept part does not keep the whole batch alive.
                parts[name] = (values.clone(), grid.clone())
                self._keep(name, parts[name])
        names = [image.filename for image in flat]
        values = {
            "pixel_values": torch.cat([parts[name][0] for name in names]),
            "image_grid_thw": torch.stack([parts[name][1] for name in names]),
        }
        return BatchFeature(values)

    def _keep(self, name: str, result: tuple[Any, Any]) -> None:
        """Store a result and drop old ones above the limit."""
        self._results[name] = result
        self._used += result[0].nbytes
        while self._used > self._limit:
            _, (values, _) = self._results.popitem(last=False)
            self._used -= values.nbytes
