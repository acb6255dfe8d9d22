"""MultiScan: one folder per scan with boxes of objects. World: metres, +Z up, centred.

Labels are `category.number`; `remove` marks what the annotators threw away. The videos are not read.

References
----------
Mao et al., MultiScan, NeurIPS 2022; the documentation of its repository for the annotation file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qa_engine.datasets.base import Dataset, IngestOptions, SceneSource, Setting
from qa_engine.datasets.canonical import readable
from qa_engine.datasets.folders import folder_sources, scene_folders
from qa_engine.datasets.parsing import check_inside, expect, member, read_boxes, read_json
from qa_engine.errors import IngestReason, SceneError
from qa_engine.scene import Scene

MAX_BYTES = 256_000_000
"""Annotations are some 100 kB, with all parts of a large scan a few MB."""

ANNOTATION = ".annotations.json"
DISCARDED = "remove"
"""Label of what is no object."""


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scans of `<scan>/<scan>.annotations.json`.

    Raises
    ------
    QAEngineError
        The folder is missing, or no scan lies in it.
    """
    needs = MULTISCAN.needs
    folders = scene_folders(root, lambda path: (path / f"{path.resolve().name}{ANNOTATION}").is_file(), needs=needs)
    axes = MULTISCAN.chosen(options)["axes"]
    return folder_sources(root, folders, lambda folder: (folder, axes))


def load(source: SceneSource) -> Scene:
    """Read the boxes of one scan.

    Raises
    ------
    SceneError
        The annotation is damaged, or a box is not valid.
    """
    folder, axes = source.data
    path = folder / f"{source.scene_name}{ANNOTATION}"
    check_inside(path, source.roots)
    value, sha = read_json(path, max_bytes=MAX_BYTES)
    labels: list[str] = []
    ids: list[int] = []
    boxes: list[tuple[str, object]] = []
    refused: list[SceneError] = []
    for i, entry in enumerate(member(expect(value, dict, "annotation"), "objects", list, "annotation")):
        item = expect(entry, dict, f"objects[{i}]")
        label = member(item, "label", str, f"objects[{i}]")
        if label.partition(".")[0] == DISCARDED:
            refused.append(SceneError(f"objects[{i}].label", f"'{DISCARDED}': no object", reason=IngestReason.SKIPPED))
            continue
        ids.append(i)
        labels.append(label)
        boxes.append((f"objects[{i}].obb", member(item, "obb", dict, f"objects[{i}]")))
    found = read_boxes(boxes, axes=axes)
    place = re.fullmatch(r"(scene_\d+)_\d+", source.scene_name)
    return Scene(
        scene_name=source.scene_name,
        dataset="multiscan",
        scene_group=place[1] if place else source.scene_name,
        instance_id=np.array(ids, dtype=np.int64),
        category=np.array([readable(label.partition(".")[0]) for label in labels], dtype=object),
        category_raw=np.array(labels, dtype=object),
        center=found.center,
        size=found.size,
        rotation=found.rotation,
        source_sha=sha,
        refused=tuple(refused),
    )


MULTISCAN = Dataset(
    name="multiscan",
    description="MultiScan: boxes of the objects of scanned rooms, several states per room; no frames.",
    needs="the folder above <scan>/<scan>.annotations.json",
    discover=discover,
    load=load,
    settings=(Setting("axes", "where normalizedAxes holds the box axes", ("rows", "columns")),),
)
"""MultiScan in its official layout."""
