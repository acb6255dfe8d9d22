"""Boxes of a SUN RGB-D image: those of the corrected table of all images, or those that its folder came with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import Annotation, Collected
from qa_engine.formats.canonical import right_angled
from qa_engine.formats.matlab import read_matlab
from qa_engine.formats.parsing import expect, member, number, numbers, read_json
from qa_engine.scenes.fields import floats

TABLE = "SUNRGBDMeta"
"""Variable of SUNRGBDMeta3DBB_v2.mat: one struct per image."""

MAX_BYTES = 10_000_000
FOREIGN_ROOT = "SUNRGBD/"
"""Paths of the table begin on the machine of its authors and go on below this folder."""

WORLD_FROM_LEVEL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""World with Z up from camera axes (x right, y down, z forward) that are held level."""

SQUARE = 0.05
"""Cosine of the angle between sides of a rectangle: people click its corners."""

Record = dict[str, Any]


def read_table(path: Path) -> dict[str, Record]:
    """Read the table: folder of each image, below that of the data set, to its struct.

    Raises
    ------
    SceneError
        The table is damaged.
    """
    records: dict[str, Record] = {}
    for i, value in enumerate(expect(read_matlab(path, TABLE), list, path.name)):
        record = expect(value, dict, f"{path.name}: {TABLE}({i + 1})")
        name = record.get("sequenceName")
        if isinstance(name, str) and FOREIGN_ROOT in name:
            records[name.partition(FOREIGN_ROOT)[2].strip("/")] = record
    if not records:
        problem = f"no struct has a sequenceName below {FOREIGN_ROOT}"
        raise SceneError(f"{path.name}: {TABLE}", problem, reason=IngestReason.MISSING_FIELD)
    return records


def boxes_of_record(record: Record) -> Annotation:
    """Read the boxes of an image in the table; one that is damaged is refused alone.

    Notes
    -----
    `coeffs` are half lengths, the rows of `basis` are the axes, and everything lies in the world with Z up that `Rtilt`
    leads to.
    """
    boxes = Collected()
    found = record.get("groundtruth3DBB")
    for i, value in enumerate(found if isinstance(found, list) else []):
        field = f"groundtruth3DBB({i + 1})"
        try:
            box = expect(value, dict, field)
            label = expect(box.get("classname"), str, f"{field}.classname")
            center = floats(box.get("centroid"), (3,), f"{field}.centroid")
            size = 2 * np.abs(floats(box.get("coeffs"), (3,), f"{field}.coeffs"))
            axes = right_angled(floats(box.get("basis"), (3, 3), f"{field}.basis"), f"{field}.basis")
            boxes.add(label, i, center, size, axes)
        except SceneError as error:
            boxes.refused.append(error)
    return boxes.annotation()


def boxes_of_folder(path: Path) -> Annotation:
    """Read `annotation3Dfinal/index.json`; a box that is damaged is refused alone.

    Raises
    ------
    SceneError
        The file is missing or damaged.

    Notes
    -----
    Each object is a rectangle seen from above (X and Z of its corners) between two heights (Y points down), in axes of
    the camera held level. Labels may end with `:occluded` or `:truncated`.
    """
    boxes = Collected()
    value = expect(read_json(path, max_bytes=MAX_BYTES)[0], dict, path.name)
    for i, item in enumerate(member(value, "objects", list, path.name)):
        field = f"{path.name}: objects[{i}]"
        if not isinstance(item, dict) or not item.get("polygon"):  # holes that the tool leaves
            continue
        try:
            label = re.sub(r"[\s_]*:.*", "", member(item, "name", str, field), flags=re.DOTALL)
            polygon = expect(expect(item["polygon"], list, f"{field}.polygon")[0], dict, f"{field}.polygon[0]")
            boxes.add(label, i, *_box(polygon, f"{field}.polygon[0]"))
        except SceneError as error:
            boxes.refused.append(error)
    return boxes.annotation()


def _box(polygon: Record, field: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Read middle, full lengths and axes of a box."""
    corners = np.array([numbers(polygon.get(key), 4, f"{field}.{key}") for key in ("X", "Z")]).T
    top, bottom = sorted(number(polygon.get(key), f"{field}.{key}") for key in ("Ymin", "Ymax"))
    with np.errstate(over="ignore", invalid="ignore"):
        sides = corners[1] - corners[0], corners[2] - corners[1]
        lengths = np.linalg.norm(sides, axis=1)
        square = abs(sides[0] @ sides[1]) <= SQUARE * lengths.prod()
    if not square or lengths.min() == 0:
        problem = f"the corners {corners.tolist()} are no rectangle"
        raise SceneError(field, problem, reason=IngestReason.BAD_SIZE)
    along = sides[0] / lengths[0]
    axes = np.array([[along[0], along[1], 0], [-along[1], along[0], 0], [0, 0, 1]])
    middle = np.append((corners[0] + corners[2]) / 2, -(top + bottom) / 2)
    return middle, np.append(lengths, bottom - top), axes
