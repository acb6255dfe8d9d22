"""PNG images of ids: one per frame, as DAVIS, SAM2's video segmentation and most labelling tools write."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.masks.base import MAX_BYTES, Mask, MaskLayout, Read, check_size, split_ids
from qa_engine.formats.parsing import expect, read_bytes, read_json
from qa_engine.scenes.fields import shorten

LABELS = "labels.json"

Labels = Callable[[], dict[str, dict[int, str] | str]]
"""Reads labels.json once: id to label, or frame to ids."""


def find(folder: Path) -> dict[str, Read]:
    """Find `<frame>.png`, or a folder per object with one black and white image per frame, as SAM2 also writes.

    Names of objects stand in `labels.json`: `{"1": "chair"}`, or `{"<frame>": {"1": "chair"}}` where ids start anew in
    every frame.
    """
    images = sorted(folder.glob("*.png"))
    if images:
        labels = functools.cache(lambda: _labels(folder))
        return {path.stem: functools.partial(_read, path, labels) for path in images}
    objects = sorted(path for path in folder.glob("*") if path.is_dir() and re.fullmatch(r"\d{1,9}", path.name))
    frames: dict[str, list[Path]] = {}
    for path in (image for place in objects for image in sorted(place.glob("*.png"))):
        frames.setdefault(path.stem, []).append(path)
    labels = functools.cache(lambda: _labels(folder))
    return {stem: functools.partial(_read_objects, paths, labels) for stem, paths in frames.items()}


def _read(path: Path, labels: Labels) -> list[Mask]:
    image = _image(path)
    known = labels()
    own = known.get(path.stem)
    ids = own if isinstance(own, dict) else {int(k): v for k, v in known.items() if isinstance(v, str) and k.isdigit()}
    per_frame = isinstance(own, dict)
    masks = split_ids(image, ids)
    return [Mask(mask.pixels, mask.label) for mask in masks] if per_frame else masks


def _read_objects(paths: list[Path], labels: Labels) -> list[Mask]:
    known = labels()
    found: list[Mask] = []
    for path in paths:
        number = int(path.parent.name)
        label = known.get(str(number), known.get(path.parent.name, ""))
        pixels = _image(path) > 0
        if pixels.any():
            found.append(Mask(pixels, label if isinstance(label, str) else "", track=number))
    return found


def _labels(folder: Path) -> dict[str, dict[int, str] | str]:
    """Read labels.json; empty where there is none."""
    path = folder / LABELS
    if not path.is_file():
        return {}
    value, _ = read_json(path, max_bytes=MAX_BYTES)
    found: dict[str, dict[int, str] | str] = {}
    for key, label in expect(value, dict, LABELS).items():
        place = f"{LABELS}: {shorten(key)}"
        if isinstance(label, dict):
            found[key] = {_number(k, place): expect(name, str, place) for k, name in label.items()}
        else:
            found[str(_number(key, place))] = expect(label, str, place)
    return found


def _number(text: str, place: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise SceneError(place, f"{shorten(text)} is no number of an object", reason=IngestReason.WRONG_TYPE)
    return int(text)


def _image(path: Path) -> NDArray[np.int64]:
    """Read ids: a palette's numbers, 8 or 16 bits of grey, or colours packed as red + 256 green + 65536 blue."""
    data = read_bytes(path, max_bytes=MAX_BYTES)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            check_size(image.height, image.width, path.name)
            if image.mode in ("RGB", "RGBA"):
                colour = np.asarray(image.convert("RGB")).astype(np.int64)
                return colour @ np.array([1, 256, 65_536])
            return np.asarray(image).astype(np.int64)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SceneError(path.name, f"no whole PNG image ({error})", reason=IngestReason.BAD_FRAME) from None


PNG_IDS = MaskLayout("png", "PNG images of ids per frame (DAVIS, SAM2 video), labels.json beside them", find)
