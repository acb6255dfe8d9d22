"""CA-1M: captures of rooms with every object in a box, none of them with a class. World: metres, of the laser scanner.

References
----------
Lazarow et al., Cubify Anything, CVPR 2025; README.md and `cubifyanything/dataset.py` of apple/ml-cubifyanything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qa_engine.datasets.arkitscenes import visits_of
from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.ca1m_frames import level_world, list_stamps, read_frames
from qa_engine.datasets.folders import item_of
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.annotations.base import Annotation, Collected
from qa_engine.formats.canonical import readable, right_angled
from qa_engine.formats.containers import Container
from qa_engine.formats.parsing import check_inside, expect, numbers, parse_json, read_json
from qa_engine.geometry.moves import move_boxes
from qa_engine.scenes.fields import floats
from qa_engine.scenes.scene import Scene

WORLD = "world.gt/instances.json"
LABELS = ".labels.json"
ARCHIVE = re.compile(r"(?:ca1m-(?:train|val)-)?(\d+)\.tar")
MAX_LABELS_BYTES = 10_000_000
STRUCTURE = ("wall", "floor", "ceiling", "door_frame")
"""The only classes that are released."""
NO_CLASS = "object"


@dataclass(frozen=True)
class _Located:
    """An archive or the folder that it was unpacked to, the name of its capture, and the switches."""

    path: Path
    settings: dict[str, str]


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the captures: archives `ca1m-SPLIT-ID.tar`, or folders `ID` that these were unpacked to.

    Raises
    ------
    QAEngineError
        ROOT is missing, or no capture lies in it.
    """
    assert root is not None
    if not root.exists():
        raise QAEngineError(f"{root}: no such file or folder. Expected {CA1M.needs}.")
    settings = CA1M.chosen(options)
    children = [root, *(sorted(root.iterdir()) if root.is_dir() else ())]
    paths = [path for path in children if _is_capture(path)]
    if not paths:
        raise QAEngineError(f"{root}: no capture here. Expected {CA1M.needs}.")
    folder = root if root.is_dir() else root.parent
    roots = (folder.resolve(),)
    return [
        SceneSource(scene_name=_id_of(path), item=item_of(path, root), data=_Located(path, settings), roots=roots)
        for path in paths
    ]


def load(source: SceneSource) -> Scene:
    """Read one capture: its boxes, and one in so many of its frames.

    Raises
    ------
    SceneError
        The archive, its list of boxes or a file of labels is damaged. A damaged box or frame is refused alone.
    """
    located: _Located = source.data
    capture = Container(located.path, source.roots)
    prefix = next((name.removesuffix(WORLD) for name in capture.names() if f"/{name}".endswith(f"/{WORLD}")), None)
    if prefix is None:
        raise SceneError(f"{located.path.name}: {WORLD}", "no such member", reason=IngestReason.MISSING_FILE)
    data = capture.read(f"{prefix}{WORLD}")
    found = _boxes(data, _labels(source), located.settings["unlabelled"])
    stamps = list_stamps(capture, prefix)
    canonical_from_source = level_world(capture, prefix, stamps)
    boxes = move_boxes(found.boxes, canonical_from_source)
    frames = read_frames(capture, prefix, stamps, canonical_from_source, source.roots, located.settings)
    return Scene(
        scene_name=source.scene_name,
        dataset="ca1m",
        scene_group=visits_of(source.roots[0]).get(source.scene_name, source.scene_name),
        instance_id=np.array(found.ids, dtype=np.int64),
        category=np.array([readable(label) for label in found.labels], dtype=object),
        category_raw=np.array(found.labels, dtype=object),
        center=boxes.center,
        size=boxes.size,
        rotation=boxes.rotation,
        canonical_from_source=canonical_from_source,
        source_sha=hashlib.sha256(data).hexdigest(),
        frames=tuple(frames.frames),
        refused=(*found.refused, *frames.refused),
    )


def _is_capture(path: Path) -> bool:
    return (path / WORLD).is_file() if path.is_dir() else ARCHIVE.fullmatch(path.name) is not None


def _id_of(path: Path) -> str:
    """Name a capture: the number in the name of its archive, or its folder."""
    match = ARCHIVE.fullmatch(path.name)
    return path.resolve().name if match is None else match[1]


def _labels(source: SceneSource) -> dict[str, str]:
    """Read what a person calls the boxes: `ID.labels.json` in ROOT, id of a box to its label."""
    path = source.roots[0] / f"{source.scene_name}{LABELS}"
    if not path.is_file():
        return {}
    check_inside(path, source.roots)
    value = expect(read_json(path, max_bytes=MAX_LABELS_BYTES)[0], dict, path.name)
    return {key: expect(label, str, f"{path.name}: {key}") for key, label in value.items()}


def _boxes(data: bytes, labels: dict[str, str], unlabelled: str) -> Annotation:
    """Read the boxes of the world: full lengths, the columns of R are the axes."""
    boxes, n_without = Collected(), 0
    entries = expect(parse_json(data, WORLD), list, WORLD)
    for i, value in enumerate(entries):
        field = f"{WORLD}[{i}]"
        try:
            item = expect(value, dict, field)
            own = item.get("category")
            label = labels.get(str(item.get("id")), own if own in STRUCTURE else NO_CLASS)
            if label == NO_CLASS and unlabelled == "skip":
                n_without += 1
                continue
            center, size = (numbers(item.get(key), 3, f"{field}.{key}") for key in ("position", "scale"))
            turn = floats(item.get("R"), (3, 3), f"{field}.R")
            if min(size) <= 0:
                raise SceneError(f"{field}.scale", f"{size} is not above 0", reason=IngestReason.BAD_SIZE)
            boxes.add(label, i, center, size, right_angled(turn.T, f"{field}.R"))
        except SceneError as error:
            boxes.refused.append(error)
    if n_without:
        problem = f"{n_without} of {len(entries)} boxes have no class: name them in a file ID{LABELS}, or lift them"
        boxes.refused.append(SceneError(WORLD, problem, reason=IngestReason.SKIPPED))
    return boxes.annotation()


CA1M = Dataset(
    name="ca1m",
    description="CA-1M (Cubify Anything): captures of rooms with boxes of everything, without classes.",
    needs=f"the folder of the archives ca1m-SPLIT-ID.tar, or of folders ID with {WORLD}",
    discover=discover,
    load=load,
    settings=(
        Setting("unlabelled", "what happens to boxes without a class, all but those of walls", ("skip", "keep")),
        Setting("depth", "depth of the laser scanner, or of the phone", ("laser", "phone")),
        Setting("every", "keep one frame in this many", ("10", "1", "2", "5", "20", "50", "100")),
    ),
    checklist=(
        Need("captures", ("*ca1m-*.tar", f"*{WORLD}"), "boxes, frames, depth", "data/*.txt of ml-cubifyanything", True),
        Need("labels", (f"*{LABELS}",), "categories of boxes", 'you: {"id of a box": "chair"}'),
        Need("visits", ("*_train_val_splits.csv",), "captures of one place in one split", "ARKitScenes"),
    ),
)
"""CA-1M as its archives are released."""
