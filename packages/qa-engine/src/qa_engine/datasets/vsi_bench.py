"""VSI-Bench: one metadata file holds the boxes, counts and room sizes of all scenes; it has no images.

References
----------
Yang et al., Thinking in Space, arXiv 2412.14171; the per-scene metadata of its authors' repository.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.parsing import expect, member, number, numbers, read_boxes, read_json
from qa_engine.scenes.fields import shorten
from qa_engine.scenes.scene import Scene

MAX_BYTES = 1_000_000_000
"""The authors' three files together are 4 MB."""

SCANNET_SCAN = re.compile(r"(scene\d{4})_\d{2}")
"""ScanNet names a scan after its place; scans of one place differ in the last two digits."""


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scenes of a metadata file, or of all `*meta_info*.json` in a folder, in their order.

    Raises
    ------
    QAEngineError
        A file is missing, no JSON, or no object of scenes.
    """
    assert root is not None
    if not root.exists():
        raise QAEngineError(f"{root}: no such file. Give the VSI-Bench metadata file (meta_info.json).")
    files = sorted(root.glob("*meta_info*.json")) if root.is_dir() else [root]
    if not files:
        raise QAEngineError(f"{root}: no *meta_info*.json in this folder. Give the VSI-Bench metadata file.")
    return [source for path in files for source in _sources(path)]


def load(source: SceneSource) -> Scene:
    """Build the scene from its entry of the metadata file.

    Raises
    ------
    SceneError
        A field is missing or wrong.
    """
    default_dataset, value = source.data
    entry = expect(value, dict, "scene")
    dataset = expect(entry.get("dataset", default_dataset), str, "dataset")
    counts = _parsed(entry, "object_counts")
    boxes = _parsed(entry, "object_bbox")
    categories: list[str] = []
    items: list[tuple[str, object]] = []
    for name, group in boxes.items():
        category = expect(name, str, "object_bbox, name of a category")
        field = f"object_bbox.{shorten(category)}"
        for i, box in enumerate(expect(group, list, field)):
            categories.append(category)
            items.append((f"{field}[{i}]", box))
    found = read_boxes(items)
    center = entry.get("room_center")
    area = entry.get("room_size")
    match = SCANNET_SCAN.fullmatch(source.scene_name)
    return Scene(
        scene_name=source.scene_name,
        dataset=dataset,
        scene_group=match[1] if match else source.scene_name,
        room_size_m2=None if area is None else number(area, "room_size"),
        room_center=None if center is None else np.array(numbers(center, 3, "room_center")),
        category_counts=counts,
        category=np.array(categories, dtype=object),
        center=found.center,
        size=found.size,
        rotation=found.rotation,
        source_sha=_entry_sha(entry),
    )


def _sources(path: Path) -> list[SceneSource]:
    """List the scenes of one file."""
    try:
        value, _ = read_json(path, max_bytes=MAX_BYTES)
    except SceneError as error:
        raise QAEngineError(f"{path}: {error.problem}. {error.reason.fix}") from None
    if not isinstance(value, dict) or not value:
        raise QAEngineError(f"{path}: expected an object with one entry per scene, found {shorten(value)}.")
    prefix = path.name.partition("_meta_info")[0]
    default_dataset = prefix if prefix != path.name else None
    return [
        SceneSource(scene_name=name, item=f"{path.name}#{name}", data=(default_dataset, entry))
        for name, entry in value.items()
    ]


def _entry_sha(entry: dict[str, Any]) -> str:
    """Hash one entry, so that the other scenes of the file do not matter."""
    try:
        return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
    except RecursionError:
        raise SceneError("scene", "nested too deeply", reason=IngestReason.BAD_JSON) from None


def _parsed(entry: dict[str, Any], key: str) -> dict[str, Any]:
    """Get an object; the authors' files hold some of them as the text of a Python literal."""
    value = member(entry, key, object, "scene")
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
            problem = f"not a Python literal ({shorten(str(error))})"
            raise SceneError(key, problem, reason=IngestReason.WRONG_TYPE) from None
    return expect(value, dict, key)


VSI_BENCH = Dataset(
    name="vsi-bench",
    description="Boxes, counts and room sizes of the VSI-Bench scenes (ARKitScenes, ScanNet, ScanNet++); no images.",
    needs="meta_info.json, or the folder with the *_meta_info_val.json files",
    discover=discover,
    load=load,
    checklist=(Need("metadata", ("*meta_info*.json",), "boxes, counts, room sizes", "the VSI-Bench repository", True),),
)
"""VSI-Bench metadata."""
