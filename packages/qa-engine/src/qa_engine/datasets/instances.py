"""Boxes of instances from labelled vertices, and segments as ScanNet's annotation tool writes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.parsing import expect, member, read_boxes, read_json
from qa_engine.geometry import Boxes

MAX_BYTES = 1_000_000_000
"""A scan has some 200,000 vertices, one number each; high-resolution scans a few millions."""


@dataclass(frozen=True)
class Group:
    """One object of an aggregation file: `objectId`, `label`, its segments and the object as it stands there."""

    object_id: int
    label: str
    segments: NDArray[np.int64]
    entry: dict[str, Any]


def read_groups(path: Path) -> tuple[list[Group], str]:
    """Read `segGroups` of an aggregation; return them and the SHA-256 of the file.

    Raises
    ------
    SceneError
        The file is damaged, or two objects have one id.
    """
    value, sha = read_json(path, max_bytes=MAX_BYTES)
    groups: list[Group] = []
    for i, entry in enumerate(member(expect(value, dict, path.name), "segGroups", list, path.name)):
        field = f"{path.name}: segGroups[{i}]"
        item = expect(entry, dict, field)
        number = member(item, "objectId", int, field)
        if isinstance(number, bool) or not 0 <= number < 2**31:
            raise SceneError(f"{field}.objectId", f"{number} is no id", reason=IngestReason.WRONG_TYPE)
        segments = integers(item.get("segments", []), f"{field}.segments")
        groups.append(Group(number, member(item, "label", str, field), segments, item))
    return groups, sha


def box_columns(groups: list[Group], *, axes: str) -> dict[str, Any]:
    """Read the boxes that stand in the groups themselves, as arguments of `Scene`.

    Parameters
    ----------
    groups : list of Group
        Each with an `obb` in its entry.
    axes : str
        `rows` or `columns`, as in `read_boxes`.

    Returns
    -------
    dict
        `instance_id`, `category`, `category_raw`, `center`, `size`, `rotation`, in the order of the groups.

    Raises
    ------
    SceneError
        A box is missing or wrong.
    """
    names = [f"segGroups[{i}]" for i in range(len(groups))]
    items = [(f"{name}.obb", member(group.entry, "obb", dict, name)) for name, group in zip(names, groups, strict=True)]
    boxes = read_boxes(items, axes=axes)
    return {
        "instance_id": np.array([group.object_id for group in groups], dtype=np.int64),
        "category": np.array([group.label.strip() for group in groups], dtype=object),
        "category_raw": np.array([group.label for group in groups], dtype=object),
        "center": boxes.center,
        "size": boxes.size,
        "rotation": boxes.rotation,
    }


def read_segments(path: Path) -> NDArray[np.int64]:
    """Read `segIndices`: the segment of each vertex, (n,); numbers are names, not 0 to n - 1.

    Raises
    ------
    SceneError
        The file is damaged.
    """
    value, _ = read_json(path, max_bytes=MAX_BYTES)
    return integers(member(expect(value, dict, path.name), "segIndices", list, path.name), f"{path.name}: segIndices")


def instance_of_vertices(groups: list[Group], segments: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each vertex the place of its group in `groups`, -1 for none; the last group of a segment counts.

    Examples
    --------
    >>> chair = Group(0, "chair", np.array([7, 9]), {})
    >>> instance_of_vertices([chair], np.array([7, 8, 9, 9])).tolist()
    [0, -1, 0, 0]
    """
    names, place = np.unique(segments, return_inverse=True)
    of_segment = np.full(len(names), -1, dtype=np.int64)
    for i, group in enumerate(groups):
        of_segment[np.isin(names, group.segments)] = i
    return of_segment[place]


def bounding_boxes(points: NDArray[np.float64], instance: NDArray[np.int64], n: int) -> tuple[Boxes, NDArray[np.int64]]:
    """Fit boxes along the axes to the points of each instance.

    Parameters
    ----------
    points : (m, 3) float64, metres
    instance : (m,) int64
        0 to n - 1, or -1 for none.
    n : int
        Number of instances.

    Returns
    -------
    boxes : Boxes
        (n, ...); the size is 0 where the points have no extent, and NaN where there are none.
    n_points : (n,) int64

    Examples
    --------
    >>> boxes, n_points = bounding_boxes(np.array([[0.0, 0, 0], [2, 4, 6]]), np.array([0, 0]), 1)
    >>> boxes.center.tolist(), boxes.size.tolist(), n_points.tolist()
    ([[1.0, 2.0, 3.0]], [[2.0, 4.0, 6.0]], [2])
    """
    known = instance >= 0
    low, high = np.full((n, 3), np.inf), np.full((n, 3), -np.inf)
    np.minimum.at(low, instance[known], points[known])
    np.maximum.at(high, instance[known], points[known])
    n_points = np.bincount(instance[known], minlength=n)
    with np.errstate(invalid="ignore"):
        boxes = Boxes((low + high) / 2, high - low, np.broadcast_to(np.eye(3), (n, 3, 3)).copy())
    return Boxes(boxes.center, np.where(n_points[:, None] > 0, boxes.size, np.nan), boxes.rotation), n_points


def split_flat(boxes: Boxes, names: list[str]) -> tuple[NDArray[np.intp], list[SceneError]]:
    """Separate instances with a box from those whose points have no extent; return the places of the former.

    Parameters
    ----------
    names : list of str
        Field of each instance for messages.
    """
    with np.errstate(invalid="ignore"):
        solid = (boxes.size > 0).all(1)
    refused = [
        SceneError(names[i], "its points have no extent, so it has no box", reason=IngestReason.BAD_SIZE)
        for i in np.flatnonzero(~solid)
    ]
    return np.flatnonzero(solid), refused


def integers(values: object, field: str) -> NDArray[np.int64]:
    """Check a JSON list of whole numbers.

    Examples
    --------
    >>> integers([3, 1], "segments").tolist()
    [3, 1]
    """
    items = expect(values, list, field)
    bad = next((i for i, item in enumerate(items) if type(item) is not int or not -(2**31) <= item < 2**32), None)
    if bad is not None:
        raise SceneError(f"{field}[{bad}]", "expected a whole number", reason=IngestReason.WRONG_TYPE)
    return np.array(items, dtype=np.int64)
