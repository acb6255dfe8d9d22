"""COCO's JSON: images, annotations with runs or polygons, categories; one file per scene."""

from __future__ import annotations

import functools
from collections import defaultdict
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.masks.base import MAX_BYTES, Mask, MaskLayout, Read, check_size
from qa_engine.formats.masks.rle import decode
from qa_engine.formats.parsing import expect, member, read_json
from qa_engine.scenes.fields import shorten


def find(folder: Path) -> dict[str, Read]:
    """Find the frames of every `*.json` of the folder that has `images` and `annotations`."""
    found: dict[str, Read] = {}
    for path in sorted(folder.glob("*.json")):
        found |= _frames(path)
    return found


def _frames(path: Path) -> dict[str, Read]:
    value, _ = read_json(path, max_bytes=MAX_BYTES)
    if not isinstance(value, dict) or not {"images", "annotations"} <= set(value):
        return {}
    categories = {
        item.get("id"): str(item.get("name", ""))
        for item in expect(value.get("categories", []), list, f"{path.name}.categories")
        if isinstance(item, dict)
    }
    of_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for i, item in enumerate(expect(value["annotations"], list, f"{path.name}.annotations")):
        record = expect(item, dict, f"{path.name}.annotations[{i}]")
        of_image[record.get("image_id")].append(record)
    found: dict[str, Read] = {}
    for i, item in enumerate(expect(value["images"], list, f"{path.name}.images")):
        place = f"{path.name}.images[{i}]"
        record = expect(item, dict, place)
        name = PureWindowsPath(member(record, "file_name", str, place)).stem
        size = (record.get("height"), record.get("width"))
        found[name] = functools.partial(_read, of_image[record.get("id")], categories, size, f"{path.name}: {name}")
    return found


def _read(
    records: list[dict[str, Any]], categories: dict[Any, str], size: tuple[object, object], place: str
) -> list[Mask]:
    masks: list[Mask] = []
    for k, record in enumerate(records):
        field = f"{place}.annotations[{k}]"
        shape = record.get("segmentation")
        pixels = decode(shape, field) if isinstance(shape, dict) else _polygons(shape, size, field)
        score, track = record.get("score", 1.0), record.get("track_id", record.get("instance_id"))
        if not isinstance(score, (int, float)) or not 0 <= score <= 1:
            problem = f"{shorten(score)} is no score from 0 to 1"
            raise SceneError(f"{field}.score", problem, reason=IngestReason.WRONG_TYPE)
        label = categories.get(record.get("category_id"), "")
        masks.append(Mask(pixels, label, float(score), track if type(track) is int else None))
    return masks


def _polygons(shape: object, size: tuple[object, object], place: str) -> NDArray[np.bool_]:
    """Fill polygons, lists of x1, y1, x2, y2, ..."""
    height, width = check_size(*size, place)
    image = Image.new("1", (width, height))
    draw = ImageDraw.Draw(image)
    for k, polygon in enumerate(expect(shape, list, f"{place}.segmentation")):
        numbers = expect(polygon, list, f"{place}.segmentation[{k}]")
        good = all(isinstance(x, (int, float)) and np.isfinite(x) for x in numbers)
        if not good or len(numbers) < 6 or len(numbers) % 2:
            problem = "no polygon: x, y of three corners or more"
            raise SceneError(f"{place}.segmentation[{k}]", problem, reason=IngestReason.WRONG_TYPE)
        draw.polygon([(x, y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)], fill=1)
    return np.asarray(image, dtype=bool)


COCO = MaskLayout("coco", "COCO JSON per scene: runs or polygons, categories, optional score and track_id", find)
