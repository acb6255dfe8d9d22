"""KITTI's labels of one frame: fifteen words per object, in the camera's axes or, with some tools, in the cloud's.

References
----------
KITTI's object development kit, `readme.txt`: type, truncated, occluded, alpha, 2D box, height, width, length, location
of the middle of the bottom in camera axes (y down), rotation_y. labelCloud's `kitti_untransformed` has the same words
with the middle of the box and a turn about z in the axes of the cloud.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import MAX_BYTES, Annotated, Annotation, BoxFormat, Collected, turned_about
from qa_engine.formats.annotations.layouts import finite
from qa_engine.formats.parsing import read_text
from qa_engine.scenes.fields import shorten

WORDS = (15, 16)
"""Detections have a score at the end."""

PLACES = ("label_2/*.txt", "labels/*.txt", "*.txt")
HEAD_BYTES = 20_000
NO_OBJECT = "DontCare"


def find_kitti(folder: Path) -> Path | None:
    """Find the only file of labels of a folder."""
    for pattern in PLACES:
        found = [path for path in sorted(folder.glob(pattern))[:50] if path.is_file() and _fits(path)]
        if found:
            return found[0]
    return None


def _fits(path: Path) -> bool:
    """Tell labels from other text: the first line has a word and 14 or 15 numbers."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES).decode("utf-8", "replace").strip()
    words = head.splitlines()[0].split() if head else []
    try:
        return len(words) in WORDS and not words[0][0].isdigit() and len([float(word) for word in words[1:]]) > 13
    except ValueError:
        return False


def read_kitti(found: Annotated) -> Annotation:
    """Read labels; a line that is damaged is refused alone."""
    of_camera = found.settings["kitti"] == "camera"
    up = np.array([0.0, 1, 0]) if of_camera else np.array([0.0, 0, 1])
    boxes = Collected()
    for i, line in enumerate(read_text(found.path, max_bytes=MAX_BYTES).splitlines()):
        words, place = line.split(), f"{found.path.name}: line {i + 1}"
        if not words or words[0] == NO_OBJECT:
            continue
        try:
            if len(words) not in WORDS:
                problem = f"expected 15 words, found {shorten(line)}"
                raise SceneError(place, problem, reason=IngestReason.BAD_FORMAT)
            height, width, length, x, y, z, turn = finite(words[8:15], 7, place)
            center = np.array([x, y - height / 2, z] if of_camera else [x, y, z])
            size = (length, height, width) if of_camera else (length, width, height)
            angle = found.radians(np.array([turn]), place)
            boxes.add(words[0], i, center, size, turned_about(up, angle)[0])
        except SceneError as error:
            boxes.refused.append(error)
    return boxes.annotation()


KITTI = BoxFormat(
    name="kitti",
    title="KITTI",
    told_by="`label_2/*.txt`, `*.txt` of 15 words",
    up="-y",
    turned_by="rotation_y in radians",
    find=find_kitti,
    read=read_kitti,
    aside=("calib/*", "velodyne/*"),
    note="one frame; `--set kitti=cloud up=z` for labels in the axes of the cloud",
)
