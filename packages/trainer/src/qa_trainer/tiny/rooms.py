"""Frames and facts of the rooms in a store, in memory, for pre-training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from qa_contract.tableio import read_table
from qa_contract.tables import FRAMES, OBJECTS, SCENES

from qa_trainer.errors import QATrainerError
from qa_trainer.tiny.reports import RoomFacts


@dataclass(frozen=True)
class Rooms:
    """Rooms whose frames all have one size.

    Attributes
    ----------
    frames : (n, f, H, W, 3) uint8
    facts : tuple of RoomFacts, length n
    vocabulary : tuple of str
        All categories of the store, sorted.
    """

    frames: np.ndarray
    facts: tuple[RoomFacts, ...]
    vocabulary: tuple[str, ...]


def load_rooms(store: Path) -> Rooms:
    """Read every room of a store with its frames in order.

    Raises
    ------
    QATrainerError
        A scene lacks its size, its poses or an image, or the scenes differ in number or size of frames.
    """
    from PIL import Image

    scenes = read_table(store, "scenes", SCENES, columns=["scene_name", "room_size_m2"]).sort("scene_name")
    objects = read_table(store, "objects", OBJECTS, columns=["scene_name", "category", "center", "size"])
    columns = ["scene_name", "frame_id", "image_path", "world_from_camera"]
    frames = read_table(store, "frames", FRAMES, columns=columns)
    by_scene = {key[0]: part for key, part in objects.group_by("scene_name", maintain_order=True)}
    shots = {key[0]: part for key, part in frames.group_by("scene_name", maintain_order=True)}

    pictures, facts = [], []
    for name, area in scenes.iter_rows():
        if area is None or name not in shots or name not in by_scene or shots[name]["world_from_camera"].has_nulls():
            raise QATrainerError(f"{store}: scene '{name}' lacks its room size, objects, frames or poses.")
        rows = [np.asarray(Image.open(store / path).convert("RGB")) for path in shots[name]["image_path"]]
        pictures.append(np.stack(rows) if len({row.shape for row in rows}) == 1 else rows[0][None])
        if pictures[-1].shape != pictures[0].shape:
            raise QATrainerError(f"{store}: the frames of '{name}' differ in number or size from the first scene's.")
        pose = np.reshape(shots[name]["world_from_camera"][0].to_numpy(), (4, 4))
        facts.append(
            room_facts(
                area,
                by_scene[name]["category"].to_list(),
                _matrix(by_scene[name], "center"),
                _matrix(by_scene[name], "size"),
                pose,
            )
        )
    vocabulary = tuple(sorted(set(objects["category"].to_list())))
    return Rooms(np.stack(pictures), tuple(facts), vocabulary)


def room_facts(
    area_m2: float, categories: list[str], center: np.ndarray, size: np.ndarray, world_from_camera: np.ndarray
) -> RoomFacts:
    """Reduce boxes to what a report says.

    Parameters
    ----------
    area_m2 : float
    categories : list of str, length n
    center, size : (n, 3) float64
        Metres, world frame (Z up).
    world_from_camera : (4, 4) float64
        First frame, OpenCV camera.

    Examples
    --------
    >>> facts = room_facts(9.0, ["sofa"], np.array([[1.0, 2.0, 0.4]]), np.array([[2.1, 0.9, 0.8]]), np.array(
    ...     [[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.6], [0, 0, 0, 1]]))
    >>> facts.longest_cm.tolist(), facts.position_m.tolist()
    ([210], [[1.0, 2.0]])
    """
    ahead = world_from_camera[:2, 2] / np.linalg.norm(world_from_camera[:2, 2])
    right = np.array([ahead[1], -ahead[0]])
    offset = center[:, :2] - world_from_camera[:2, 3]
    return RoomFacts(
        area_m2=area_m2,
        categories=tuple(categories),
        longest_cm=np.rint(size.max(1) * 100).astype(np.int64),
        position_m=np.stack([offset @ right, offset @ ahead], axis=1),
    )


def _matrix(table, column: str) -> np.ndarray:
    """List column to (n, 3)."""
    return np.array(table[column].to_list(), dtype=float)
