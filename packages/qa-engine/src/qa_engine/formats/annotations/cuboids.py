"""Cuboids of labelling services: Segments.ai, Supervisely, and Datumaro's JSON, which CVAT writes.

References
----------
Segments.ai's "Label types" (`annotations[] {category_id, position, dimensions, yaw}`, optional `rotation` with qx to
qw), supervisely/supervisely `PointcloudFigure` (`figures[].geometry {position, rotation, dimensions}`), Datumaro's
`cuboid_3d` (`position`, `rotation`, `scale`). Lengths are full along x, y, z; angles are radians, applied as three.js
does (XYZ).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import (
    MAX_BYTES,
    Annotated,
    Annotation,
    BoxFormat,
    Collected,
    files_with,
    turned_about,
    turned_by_euler,
)
from qa_engine.formats.canonical import rotations
from qa_engine.formats.parsing import check_inside, expect, member, number, numbers, read_json

XYZ = ("x", "y", "z")
EULER = "XYZ"


def _three(value: object, field: str) -> NDArray[np.float64]:
    """Read `{"x", "y", "z"}`."""
    entry = expect(value, dict, field)
    return np.array([number(entry.get(key), f"{field}.{key}") for key in XYZ])


def read_segments(found: Annotated) -> Annotation:
    """Read a label or a release of one sample; a cuboid that is damaged is refused alone.

    Raises
    ------
    SceneError
        The file has no annotations, or nothing says what the categories are called.
    """
    name = found.path.name
    value = expect(read_json(found.path, max_bytes=MAX_BYTES)[0], dict, name)
    names, boxes = _segments_names(value, found), Collected()
    for i, item in enumerate(_segments_annotations(value, name)):
        field = f"{name}: annotations[{i}]"
        try:
            entry = expect(item, dict, field)
            if entry.get("type", "cuboid") != "cuboid":
                continue
            category = member(entry, "category_id", int, field)
            if category not in names:
                problem = f"category {category} has no name; write it to labels.json"
                raise SceneError(field, problem, reason=IngestReason.MISSING_FIELD)
            boxes.add(
                names[category],
                i,
                _three(entry.get("position"), f"{field}.position"),
                _three(entry.get("dimensions"), f"{field}.dimensions"),
                _segments_axes(entry, found, field),
            )
        except SceneError as error:
            boxes.refused.append(error)
    labels = found.folder / "labels.json"
    return boxes.annotation(files=(labels,) if labels.is_file() else ())


def _segments_annotations(value: dict[str, Any], name: str) -> list[Any]:
    """Find the annotations of a label, of a frame of a sequence, or of a release with one sample."""
    if "dataset" in value:
        samples = member(expect(value["dataset"], dict, "dataset"), "samples", list, "dataset")
        if len(samples) != 1:
            problem = f"{len(samples)} samples; put each into the folder of its scan"
            raise SceneError(f"{name}: samples", problem, reason=IngestReason.WRONG_TYPE)
        labels = member(expect(samples[0], dict, "samples[0]"), "labels", dict, "samples[0]")
        value = expect(next(iter(labels.values()), {}), dict, "labels")
    value = expect(value.get("attributes", value), dict, name)
    return member(value, "annotations", list, name)


def _segments_names(value: dict[str, Any], found: Annotated) -> dict[int, str]:
    """Read what categories are called: from a release, else from labels.json."""
    path = found.folder / "labels.json"
    if "dataset" in value:
        attributes = expect(value["dataset"], dict, "dataset").get("task_attributes") or {}
        items = [expect(item, dict, "categories") for item in expect(attributes.get("categories", []), list, "c")]
        return {int(item["id"]): str(item["name"]) for item in items if "id" in item and "name" in item}
    if not path.is_file():
        problem = 'says what no category is called; write {"1": "chair"} to labels.json'
        raise SceneError(found.path.name, problem, reason=IngestReason.MISSING_FILE)
    check_inside(path, found.roots)
    names = expect(read_json(path, max_bytes=MAX_BYTES)[0], dict, path.name)
    return {int(key): expect(label, str, path.name) for key, label in names.items() if key.isdecimal()}


def _segments_axes(entry: dict[str, Any], found: Annotated, field: str) -> NDArray[np.float64]:
    """Read the turn of a cuboid: a quaternion where it has one, else yaw."""
    if isinstance(entry.get("rotation"), dict):
        turn = entry["rotation"]
        values = np.array([[number(turn.get(key), f"{field}.rotation.{key}") for key in ("qx", "qy", "qz", "qw")]])
        return rotations(values, f"{field}.rotation", order="xyzw")[0].T
    yaw = found.radians(np.array([number(entry.get("yaw", 0.0), f"{field}.yaw")]), f"{field}.yaw")
    return turned_about(np.array([0.0, 0, 1]), yaw)[0]


def read_supervisely(found: Annotated) -> Annotation:
    """Read an annotation of a cloud; a figure that is damaged is refused alone."""
    name = found.path.name
    value = expect(read_json(found.path, max_bytes=MAX_BYTES)[0], dict, name)
    titles = {
        expect(item, dict, "objects").get("key"): item.get("classTitle")
        for item in member(value, "objects", list, name)
    }
    boxes = Collected()
    for i, item in enumerate(member(value, "figures", list, name)):
        field = f"{name}: figures[{i}]"
        try:
            figure = expect(item, dict, field)
            if figure.get("geometryType", "cuboid_3d") != "cuboid_3d":
                continue
            shape = member(figure, "geometry", dict, field)
            label = expect(titles.get(figure.get("objectKey")), str, f"{field}.objectKey")
            angles = found.radians(_three(shape.get("rotation"), f"{field}.rotation"), f"{field}.rotation")
            center, size = (_three(shape.get(key), f"{field}.{key}") for key in ("position", "dimensions"))
            boxes.add(label, i, center, size, turned_by_euler(EULER, angles)[0])
        except SceneError as error:
            boxes.refused.append(error)
    return boxes.annotation()


def read_datumaro(found: Annotated) -> Annotation:
    """Read the cuboids of an item; one that is damaged is refused alone.

    Raises
    ------
    SceneError
        The file has no items, or more than one.
    """
    name = found.path.name
    value = expect(read_json(found.path, max_bytes=MAX_BYTES)[0], dict, name)
    categories = expect(expect(value.get("categories", {}), dict, name).get("label", {}), dict, name)
    names = [str(expect(item, dict, "labels").get("name")) for item in categories.get("labels", [])]
    items = [item for item in member(value, "items", list, name) if expect(item, dict, name).get("annotations")]
    if len(items) > 1:
        problem = f"{len(items)} clouds have cuboids; put each into the folder of its scan"
        raise SceneError(f"{name}: items", problem, reason=IngestReason.WRONG_TYPE)
    boxes = Collected()
    for i, item in enumerate(items[0]["annotations"] if items else []):
        field = f"{name}: annotations[{i}]"
        try:
            entry = expect(item, dict, field)
            if entry.get("type") != "cuboid_3d":
                continue
            at = member(entry, "label_id", int, field)
            if not 0 <= at < len(names):
                raise SceneError(f"{field}.label_id", f"{at} has no name", reason=IngestReason.MISSING_FIELD)
            place, turn, size = (
                np.array(numbers(entry.get(key), 3, field)) for key in ("position", "rotation", "scale")
            )
            boxes.add(names[at], i, place, size, turned_by_euler(EULER, found.radians(turn, f"{field}.rotation"))[0])
        except SceneError as error:
            boxes.refused.append(error)
    return boxes.annotation()


SEGMENTS = BoxFormat(
    name="segments",
    title="Segments.ai",
    told_by="`*.json` with `annotations`, `category_id`, `dimensions`",
    up=None,
    turned_by="yaw in radians, or quaternion xyzw",
    find=files_with(b'"annotations"', b'"category_id"', b'"dimensions"', b'"position"'),
    read=read_segments,
    note="a label without its release needs `labels.json` with names of categories",
)
SUPERVISELY = BoxFormat(
    name="supervisely",
    title="Supervisely",
    told_by="`*.json` with `figures`, `cuboid_3d`",
    up=None,
    turned_by="Euler XYZ in radians",
    find=files_with(b'"figures"', b'"cuboid_3d"', b'"objectKey"'),
    read=read_supervisely,
)
DATUMARO = BoxFormat(
    name="cvat",
    title="CVAT (Datumaro 3D)",
    told_by="`*.json` with `items`, `cuboid_3d`",
    up=None,
    turned_by="Euler XYZ in radians",
    find=files_with(b'"items"', b'"cuboid_3d"', names=("*.json", "annotations/*.json")),
    read=read_datumaro,
)
