"""What a probe reads of a store: frames, and what they show of the boxes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from qa_contract.tableio import read_table
from qa_contract.tables import FRAMES, OBJECTS, OBSERVATIONS, SCENES

from qa_trainer.errors import QATrainerError

OBSERVED = ["scene_name", "frame_id", "instance_id", "visible_px", "visible_fraction", "box_2d"]
"""Columns that are read of the table `observations`."""
MIN_VISIBLE_PX = 8
MIN_IMAGE_SHARE = 0.0005
MIN_VISIBLE_FRACTION = 0.2


def recognised(visible_px: int, visible_fraction: float | None, frame_px: int) -> bool:
    """Tell whether a frame shows enough of an object to know it there, by the rule that the engine counts with.

    Examples
    --------
    >>> recognised(90, 0.5, 10_000), recognised(3, 1.0, 10_000), recognised(90, 0.1, 10_000)
    (True, False, False)
    """
    enough = visible_px >= max(MIN_VISIBLE_PX, MIN_IMAGE_SHARE * frame_px)
    return enough and (visible_fraction is None or visible_fraction >= MIN_VISIBLE_FRACTION)


@dataclass(frozen=True, eq=False)
class ProbedScene:
    """One scene as some of its frames show it.

    Attributes
    ----------
    name : str
    images : tuple of Path, length f
    area_m2 : float
        NaN where the store has none.
    category : (n,) int64
        Of every object, into the vocabulary.
    seen : (f, n) bool
    box : (f, n, 4) float32
        Visible pixels' bounding box, x and y from and to, as shares of the frame; NaN where nothing is visible.
    place : (f, n, 2) float64
        Centre on the floor plan, metres right of each camera and ahead of it.
    yaw : (f, n) float64
        Of the box against each camera's right hand, radians.
    """

    name: str
    images: tuple[Path, ...]
    area_m2: float
    category: np.ndarray
    seen: np.ndarray
    box: np.ndarray
    place: np.ndarray
    yaw: np.ndarray


def probed_scenes(store: Path, *, frames: int, limit: int | None) -> tuple[list[ProbedScene], tuple[str, ...]]:
    """Read the scenes of a store that have `frames` frames with poses, and all categories.

    Frames are spread evenly from the first to the last.

    Raises
    ------
    QATrainerError
        Too few such scenes.
    """
    scenes = read_table(store, "scenes", SCENES, columns=["scene_name", "room_size_m2"]).sort("scene_name")
    columns = ["scene_name", "instance_id", "category", "center", "rotation"]
    objects = read_table(store, "objects", OBJECTS, columns=columns)
    columns = ["scene_name", "frame_id", "image_path", "width", "height", "world_from_camera"]
    shots = read_table(store, "frames", FRAMES, columns=columns).drop_nulls().sort("scene_name", "frame_id")
    observed = read_table(store, "observations", OBSERVATIONS, columns=OBSERVED)
    vocabulary = tuple(sorted(set(objects["category"].to_list())))
    boxes, views, shown = (
        {key[0]: part for key, part in table.group_by("scene_name", maintain_order=True)}
        for table in (objects, observed, shots)
    )
    found = []
    for name, area in scenes.iter_rows():
        if name not in boxes or name not in views or name not in shown or shown[name].height < frames:
            continue
        chosen = shown[name][np.linspace(0, shown[name].height - 1, frames).round().astype(int).tolist()]
        found.append(_scene(store, name, area, boxes[name], views[name], chosen, vocabulary))
        if limit and len(found) == limit:
            break
    if len(found) < 10:
        raise QATrainerError(
            f"{store}: {len(found)} scenes have {frames} frames with poses and observed objects; a probe needs at "
            "least 10. Ask for fewer --frames, or take another store."
        )
    return found, vocabulary


def _scene(
    store: Path,
    name: str,
    area: float | None,
    boxes: pl.DataFrame,
    view: pl.DataFrame,
    shown: pl.DataFrame,
    vocabulary: tuple[str, ...],
) -> ProbedScene:
    """Join the tables of one scene."""
    rows = {value: row for row, value in enumerate(boxes["instance_id"])}
    frames = {value: row for row, value in enumerate(shown["frame_id"])}
    size = shown.select("width", "height").to_numpy()
    seen = np.zeros((len(frames), len(rows)), bool)
    box = np.full((len(frames), len(rows), 4), np.nan, np.float32)
    for frame_id, instance_id, pixels, fraction, corners in view.select(OBSERVED[1:]).iter_rows():
        if frame_id in frames and instance_id in rows:
            at = frames[frame_id], rows[instance_id]
            width, height = size[at[0]]
            seen[at] = recognised(pixels, fraction, width * height)
            box[at] = np.array(corners) / [width, height, width, height]
    pose = np.array(shown["world_from_camera"].to_list()).reshape(-1, 4, 4)
    center = np.array(boxes["center"].to_list())
    rotation = np.array(boxes["rotation"].to_list()).reshape(-1, 3, 3)
    ahead = pose[:, :2, 2] / np.linalg.norm(pose[:, :2, 2], axis=1, keepdims=True)
    right = np.stack([ahead[:, 1], -ahead[:, 0]], 1)
    offset = center[None, :, :2] - pose[:, None, :2, 3]
    yaw = np.arctan2(rotation[:, 0, 1], rotation[:, 0, 0])
    return ProbedScene(
        name=name,
        images=tuple(store / path for path in shown["image_path"]),
        area_m2=float("nan") if area is None else area,
        category=np.array([vocabulary.index(value) for value in boxes["category"]]),
        seen=seen,
        box=box,
        place=np.stack([(offset * right[:, None]).sum(-1), (offset * ahead[:, None]).sum(-1)], -1),
        yaw=yaw[None] - np.arctan2(right[:, 1], right[:, 0])[:, None],
    )
