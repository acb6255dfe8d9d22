"""boxes.json and boxes.csv: boxes for whoever has none of the other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import (
    MAX_BYTES,
    Annotated,
    Annotation,
    BoxFormat,
    instance_number,
    turned_about,
)
from qa_engine.formats.canonical import rotations
from qa_engine.formats.parsing import expect, member, number, numbers, read_json
from qa_engine.formats.text_tables import column_names, number_columns, read_csv
from qa_engine.geometry import Boxes

NUMBERS = ("cx", "cy", "cz", "sx", "sy", "sz")


def read_boxes_json(found: Annotated) -> Annotation:
    """Read a list of boxes.

    Raises
    ------
    SceneError
        An entry is damaged; the message names its field.
    """
    name = found.path.name
    value, _ = read_json(found.path, max_bytes=MAX_BYTES)
    items = expect(value, list, name)
    labels: list[str] = []
    ids: list[int] = []
    center, size, rotation = np.empty((len(items), 3)), np.empty((len(items), 3)), np.empty((len(items), 3, 3))
    for i, entry in enumerate(items):
        field = f"{name}[{i}]"
        item = expect(entry, dict, field)
        labels.append(member(item, "label", str, field))
        ids.append(instance_number(item.get("id", i), f"{field}.id"))
        center[i] = numbers(member(item, "center", list, field), 3, f"{field}.center")
        size[i] = numbers(member(item, "size", list, field), 3, f"{field}.size")
        rotation[i] = _rotation(item, found, field)
    return Annotation(labels, Boxes(center, size, rotation), ids)


def _rotation(item: dict[str, Any], found: Annotated, field: str) -> NDArray[np.float64]:
    """Read the axes of one box as rows, in whichever of the three forms it has."""
    given = [key for key in ("rotation", "quaternion", "yaw") if item.get(key) is not None]
    if len(given) > 1:
        problem = f"give one of rotation, quaternion and yaw (found {', '.join(given)})"
        raise SceneError(field, problem, reason=IngestReason.BAD_ROTATION)
    if not given:
        return np.eye(3)
    key = given[0]
    if key == "rotation":
        matrix = np.array(numbers(item[key], 9, f"{field}.{key}")).reshape(3, 3)
        return matrix if found.settings["axes"] == "rows" else matrix.T
    if key == "quaternion":
        quaternion = np.array([numbers(item[key], 4, f"{field}.{key}")])
        return rotations(quaternion, f"{field}.{key}", order=found.settings["quaternion"])[0].T
    yaw = found.radians(np.array([number(item[key], f"{field}.{key}")]), f"{field}.{key}")
    return turned_about(found.up, yaw)[0]


def read_boxes_csv(found: Annotated) -> Annotation:
    """Read a table of boxes.

    Raises
    ------
    SceneError
        A column is missing or not known, or a value is damaged.
    """
    path = found.path
    table = read_csv(path, ["label", *NUMBERS], max_bytes=MAX_BYTES)
    values = number_columns(table, NUMBERS, path.name)
    n = len(values)
    yaw, ids = np.zeros(n), list(range(n))
    header = column_names(path, max_bytes=MAX_BYTES)
    if unknown := [name for name in header if name not in ("label", *NUMBERS, "yaw", "id")]:
        problem = f"not understood; known are label, {', '.join(NUMBERS)}, yaw, id"
        raise SceneError(f"{path.name}: column {unknown[0]}", problem, reason=IngestReason.BAD_FORMAT)
    optional = {"yaw", "id"} & set(header)
    if "yaw" in optional:
        yaw = number_columns(read_csv(path, ["yaw"], max_bytes=MAX_BYTES), ["yaw"], path.name)[:, 0]
    if "id" in optional:
        texts = read_csv(path, ["id"], max_bytes=MAX_BYTES)["id"]
        ids = [
            instance_number(int(t) if t.isascii() and t.isdigit() else t, f"{path.name}: id[{i}]")
            for i, t in enumerate(texts)
        ]
    axes = turned_about(found.up, found.radians(yaw, f"{path.name}: yaw"))
    return Annotation(table["label"], Boxes(values[:, :3], values[:, 3:], axes), ids)


def _named(name: str):
    """Find a file of exactly this name."""

    def find(folder: Path) -> Path | None:
        path = folder / name
        return path if path.is_file() else None

    return find


OWN_JSON = BoxFormat(
    name="boxes.json",
    title="own list",
    told_by="`boxes.json`",
    up=None,
    turned_by="yaw, quaternion or 9 numbers by switches",
    find=_named("boxes.json"),
    read=read_boxes_json,
)
OWN_TABLE = BoxFormat(
    name="boxes.csv",
    title="own table",
    told_by="`boxes.csv`",
    up=None,
    turned_by="yaw by switch",
    find=_named("boxes.csv"),
    read=read_boxes_csv,
)
