"""Frames and facts of the rooms in a store, in memory, for pre-training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from qa_contract.tableio import read_table
from qa_contract.tables import FRAMES, OBJECTS, OBSERVATIONS, SCENES

from qa_trainer.errors import QATrainerError
from qa_trainer.probe.store import OBSERVED, recognised

SAMPLES = 32
"""Instance maps are kept at so many samples a side: finer than a patch, and a sixteenth of the pixels."""


@dataclass(frozen=True)
class RoomFacts:
    """Boxes of one room and what its frames show of them.

    Attributes
    ----------
    area_m2 : float
    category : (n,) int64
        Into the vocabulary of the rooms.
    center, size : (n, 3) float64
        Metres, world frame (Z up).
    yaw : (n,) float64
        Direction of the box's first axis on the floor plan, radians.
    pose : (f, 4, 4) float64
        World from camera, OpenCV.
    seen : (f, n) bool
        The frame shows the object well enough to be recognised.
    middle : (f, n, 2) float32
        Middle of its visible pixels' bounding box, (x, y) as a share of the frame; NaN where nothing is visible.
    """

    area_m2: float
    category: np.ndarray
    center: np.ndarray
    size: np.ndarray
    yaw: np.ndarray
    pose: np.ndarray
    seen: np.ndarray
    middle: np.ndarray


@dataclass(frozen=True)
class Rooms:
    """Rooms whose frames all have one size.

    Attributes
    ----------
    frames : (n, f, H, W, 3) uint8
    instance : (n, f, SAMPLES, SAMPLES) int8
        Object that a sample of the frame shows, -1 for none.
    facts : tuple of RoomFacts, length n
    vocabulary : tuple of str
        All categories of the store, sorted.
    """

    frames: np.ndarray
    instance: np.ndarray
    facts: tuple[RoomFacts, ...]
    vocabulary: tuple[str, ...]


def load_rooms(store: Path, *, cache: Path | None = None, limit: int | None = None) -> Rooms:
    """Read the rooms of a store with their frames in order.

    Parameters
    ----------
    store : Path
        With instance images, poses and the table `observations`.
    cache : Path, optional
        File for the decoded frames, made when it is missing; memory then holds only what is in use.
    limit : int, optional
        Take so many rooms only, the first by name.

    Raises
    ------
    QATrainerError
        A scene lacks its size, its poses or an image, or the scenes differ in number or size of frames.
    """
    from PIL import Image

    scenes = read_table(store, "scenes", SCENES, columns=["scene_name", "room_size_m2"]).sort("scene_name")
    scenes = scenes.head(limit) if limit else scenes
    objects = read_table(
        store, "objects", OBJECTS, columns=["scene_name", "instance_id", "category", "center", "size", "rotation"]
    )
    columns = ["scene_name", "frame_id", "image_path", "instance_path", "world_from_camera"]
    frames = read_table(store, "frames", FRAMES, columns=columns).sort("scene_name", "frame_id")
    observed = read_table(store, "observations", OBSERVATIONS, columns=OBSERVED)
    vocabulary = tuple(sorted(set(objects["category"].to_list())))
    boxes, shots, views = (
        {key[0]: part for key, part in table.group_by("scene_name", maintain_order=True)}
        for table in (objects, frames, observed)
    )
    count = None
    pictures: np.ndarray | None = None
    instance: np.ndarray | None = None
    facts: list[RoomFacts] = []
    done = cache is not None and cache.exists()
    for row, (name, area) in enumerate(scenes.iter_rows()):
        if area is None or name not in shots or name not in boxes or shots[name]["world_from_camera"].has_nulls():
            raise QATrainerError(f"{store}: scene '{name}' lacks its room size, objects, frames or poses.")
        shown = shots[name]
        if pictures is None or instance is None:
            size = np.asarray(Image.open(store / shown["image_path"][0]).convert("RGB")).shape
            count = shown.height
            if cache is not None:
                cache.parent.mkdir(parents=True, exist_ok=True)
            shape = (scenes.height, count, *size)
            pictures = (
                np.zeros(shape, np.uint8)
                if cache is None
                else np.lib.format.open_memmap(
                    cache if done else cache.with_suffix(".partial"), "r" if done else "w+", np.uint8, shape
                )
            )
            instance = np.zeros((scenes.height, count, SAMPLES, SAMPLES), np.int8)
        if shown.height != count:
            raise QATrainerError(f"{store}: the frames of '{name}' differ in number from the first scene's.")
        ids = boxes[name]["instance_id"].to_numpy()
        for index, (image, masks) in enumerate(shown.select("image_path", "instance_path").iter_rows()):
            if not done:
                pixels = np.asarray(Image.open(store / image).convert("RGB"))
                if pixels.shape != pictures.shape[2:]:
                    raise QATrainerError(f"{store}: the frames of '{name}' differ in size from the first scene's.")
                pictures[row, index] = pixels
            instance[row, index] = _samples(np.asarray(Image.open(store / masks)), ids)
        assert pictures is not None
        view = views.get(name, observed.head(0))
        facts.append(_facts(area, boxes[name], shown, view, vocabulary, pictures.shape[2:4]))
    if pictures is None or instance is None:
        raise QATrainerError(f"{store}: has no scene.")
    if cache is not None and not done:
        pictures.flush()  # type: ignore[attr-defined]
        cache.with_suffix(".partial").replace(cache)
    return Rooms(pictures, instance, tuple(facts), vocabulary)


def _samples(masks: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Image of instance_id + 1 to rows of the room's objects at the middles of a grid of cells."""
    step = np.array(masks.shape) / SAMPLES
    rows, columns = (np.floor((np.arange(SAMPLES) + 0.5) * s).astype(int) for s in step)
    table = np.full(max(int(masks.max()), int(ids.max()) + 1) + 1, -1, np.int8)
    table[ids + 1] = np.arange(len(ids))
    return table[masks[np.ix_(rows, columns)]]


def _facts(
    area: float, boxes: pl.DataFrame, shown: pl.DataFrame, view: pl.DataFrame, vocabulary: tuple[str, ...], size: tuple
) -> RoomFacts:
    """Reduce the tables of one scene."""
    ids = {value: row for row, value in enumerate(boxes["instance_id"])}
    frames = {value: row for row, value in enumerate(shown["frame_id"])}
    rotation = np.array(boxes["rotation"].to_list()).reshape(-1, 3, 3)
    seen = np.zeros((len(frames), len(ids)), bool)
    middle = np.full((len(frames), len(ids), 2), np.nan, np.float32)
    for frame_id, instance_id, pixels, fraction, box in view.select(OBSERVED[1:]).iter_rows():
        at = frames[frame_id], ids[instance_id]
        seen[at] = recognised(pixels, fraction, size[0] * size[1])
        middle[at] = (box[0] + box[2]) / 2 / size[1], (box[1] + box[3]) / 2 / size[0]
    return RoomFacts(
        area_m2=area,
        category=np.array([vocabulary.index(name) for name in boxes["category"]]),
        center=np.array(boxes["center"].to_list()),
        size=np.array(boxes["size"].to_list()),
        yaw=np.arctan2(rotation[:, 0, 1], rotation[:, 0, 0]),
        pose=np.array(shown["world_from_camera"].to_list()).reshape(-1, 4, 4),
        seen=seen,
        middle=middle,
    )
