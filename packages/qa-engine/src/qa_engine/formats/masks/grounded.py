"""What Grounded-SAM-2 writes: arrays of ids with a JSON per frame of a video, or a JSON with runs per image."""

from __future__ import annotations

import functools
import io
from pathlib import Path, PureWindowsPath

import numpy as np

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.masks.base import MAX_BYTES, Mask, MaskLayout, Read, check_size, split_ids
from qa_engine.formats.masks.rle import decode
from qa_engine.formats.parsing import expect, member, read_bytes, read_json


def find_video(folder: Path) -> dict[str, Read]:
    """Find `mask_data/mask_<frame>.npy` with `json_data/mask_<frame>.json`."""
    paths = sorted((folder / "mask_data").glob("mask_*.npy"))
    return {path.stem.removeprefix("mask_"): functools.partial(_read_video, path) for path in paths}


def _read_video(path: Path) -> list[Mask]:
    image = _array(path)
    note = path.parent.parent / "json_data" / f"{path.stem}.json"
    value, _ = read_json(note, max_bytes=MAX_BYTES)
    labels: dict[int, str] = {}
    for key, item in member(expect(value, dict, note.name), "labels", dict, note.name).items():
        record = expect(item, dict, f"{note.name}.labels.{key}")
        labels[member(record, "instance_id", int, f"{note.name}.labels.{key}")] = str(record.get("class_name") or "")
    return split_ids(image, labels)


def _array(path: Path) -> np.ndarray:
    """Read the ids of a frame, (h, w)."""
    try:
        image = np.load(io.BytesIO(read_bytes(path, max_bytes=MAX_BYTES)), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise SceneError(path.name, f"no whole array ({error})", reason=IngestReason.BAD_FORMAT) from None
    if not isinstance(image, np.ndarray) or image.ndim != 2 or image.dtype.kind not in "iu":
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else "several arrays"
        raise SceneError(path.name, f"{found}, expected whole numbers (h, w)", reason=IngestReason.BAD_FORMAT)
    check_size(image.shape[0], image.shape[1], path.name)
    return image.astype(np.int64)


def find_images(folder: Path) -> dict[str, Read]:
    """Find JSON files that name their image and have runs with class names."""
    found: dict[str, Read] = {}
    for path in sorted(folder.glob("*.json")):
        value, _ = read_json(path, max_bytes=MAX_BYTES)
        if isinstance(value, dict) and {"image_path", "annotations"} <= set(value):
            name = PureWindowsPath(member(value, "image_path", str, path.name)).stem
            found[name] = functools.partial(_read_image, value["annotations"], path.name)
    return found


def _read_image(annotations: object, place: str) -> list[Mask]:
    masks: list[Mask] = []
    for k, item in enumerate(expect(annotations, list, f"{place}.annotations")):
        field = f"{place}.annotations[{k}]"
        record = expect(item, dict, field)
        score = record.get("score", 1.0)
        score = score[0] if isinstance(score, list) and len(score) == 1 else score  # one mask per box is a list of one
        if not isinstance(score, (int, float)):
            raise SceneError(f"{field}.score", "no number", reason=IngestReason.WRONG_TYPE)
        pixels = decode(record.get("segmentation"), f"{field}.segmentation")
        masks.append(Mask(pixels, str(record.get("class_name") or ""), float(min(max(score, 0), 1))))
    return masks


GROUNDED_VIDEO = MaskLayout(
    "grounded-sam2-video", "Grounded-SAM-2 on a video: mask_data/mask_<frame>.npy and json_data", find_video
)
GROUNDED_IMAGES = MaskLayout("grounded-sam2", "Grounded-SAM-2 on images: a JSON with runs per image", find_images)
