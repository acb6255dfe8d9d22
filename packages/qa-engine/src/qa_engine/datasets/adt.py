"""Aria Digital Twin: one folder per recording of a furnished place. World: metres, +Y up, turned to +Z up.

The images are VRS streams, which are not read: a scene has boxes and no frames.

References
----------
Pan et al., Aria Digital Twin, ICCV 2023; the data format page of projectaria_tools.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.folders import folder_sources, scene_folders
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import Z_UP_FROM_Y_UP, rotations
from qa_engine.formats.parsing import check_inside, expect, member, read_bytes, read_json
from qa_engine.formats.text_tables import number_columns, read_csv
from qa_engine.geometry import Boxes
from qa_engine.geometry.moves import move_boxes
from qa_engine.scenes.fields import shorten
from qa_engine.scenes.scene import Scene

MAX_BYTES = 1_000_000_000
"""A recording of two minutes with moving objects has object poses of about 100 MB."""

BOXES, POSES, INSTANCES = "3d_bounding_box.csv", "scene_objects.csv", "instances.json"
LIMITS = tuple(f"p_local_obj_{axis}{end}[m]" for end in ("min", "max") for axis in "xyz")
POSITION = tuple(f"t_wo_{axis}[m]" for axis in "xyz")
QUATERNION = tuple(f"q_wo_{part}" for part in "wxyz")
UID, TIME = "object_uid", "timestamp[ns]"


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the recordings: folders with the three files of the ground truth.

    Raises
    ------
    QAEngineError
        The folder is missing, or no recording lies in it.
    """
    folders = scene_folders(root, lambda path: (path / BOXES).is_file(), needs=ADT.needs)
    moment = ADT.chosen(options)["moment"]
    return folder_sources(root, folders, lambda folder: (folder, moment))


def load(source: SceneSource) -> Scene:
    """Read the boxes of one recording at one moment.

    Raises
    ------
    SceneError
        A file is missing or damaged.
    """
    folder, moment = source.data
    for name in (BOXES, POSES, INSTANCES):
        check_inside(folder / name, source.roots)
    instances, _ = read_json(folder / INSTANCES, max_bytes=MAX_BYTES)
    instances = expect(instances, dict, INSTANCES)
    box_table = read_csv(folder / BOXES, [UID, TIME, *LIMITS], max_bytes=MAX_BYTES)
    pose_table = read_csv(folder / POSES, [UID, TIME, *POSITION, *QUATERNION], max_bytes=MAX_BYTES)
    limits = number_columns(box_table, LIMITS, BOXES)
    places = number_columns(pose_table, (*POSITION, *QUATERNION), POSES)
    box_row = _rows(box_table, BOXES, moment)
    pose_row = _rows(pose_table, POSES, moment)
    ids = _ids(list(box_row))
    refused: list[SceneError] = []
    kept: list[str] = []
    for uid, row in box_row.items():
        if uid not in pose_row:
            problem = f"the object {uid} has no pose"
            refused.append(SceneError(f"{POSES}: {UID}", problem, reason=IngestReason.MISSING_FIELD))
        elif not (limits[row, 3:] > limits[row, :3]).all():
            problem = f"the object {uid} has no extent: {limits[row].tolist()}"
            refused.append(SceneError(f"{BOXES}: {LIMITS[0]}", problem, reason=IngestReason.BAD_SIZE))
        else:
            kept.append(uid)
    low, high = np.split(limits[[box_row[uid] for uid in kept]], 2, axis=1)
    place = places[[pose_row[uid] for uid in kept]]
    world_from_object = rotations(place[:, 3:], f"{POSES}: q_wo", order="wxyz")
    center = np.einsum("nij,nj->ni", world_from_object, (low + high) / 2) + place[:, :3]
    boxes = move_boxes(Boxes(center, high - low, world_from_object.transpose(0, 2, 1)), Z_UP_FROM_Y_UP)
    categories = [
        member(expect(instances.get(uid, {}), dict, f"{INSTANCES}: {uid}"), "category", str, f"{INSTANCES}: {uid}")
        for uid in kept
    ]
    return Scene(
        scene_name=source.scene_name,
        dataset="adt",
        scene_group=_place(folder, source),
        instance_id=np.array([ids[uid] for uid in kept], dtype=np.int64),
        category=np.array(categories, dtype=object),
        center=boxes.center,
        size=boxes.size,
        rotation=boxes.rotation,
        canonical_from_source=Z_UP_FROM_Y_UP,
        source_sha=_sha(folder),
        refused=tuple(refused),
    )


def _rows(table: dict[str, list[str]], name: str, moment: str) -> dict[str, int]:
    """Find the row of each object at the chosen moment; static objects have one row."""
    times = number_columns(table, [TIME], name)[:, 0]
    rows: dict[str, int] = {}
    for i in np.argsort(times, kind="stable").tolist():
        if moment == "last" or table[UID][i] not in rows:
            rows[table[UID][i]] = i
    return rows


def _ids(uids: Sequence[str]) -> dict[str, int]:
    """Give objects numbers in the order of their own, which have 16 digits: too many for programs and images."""
    for uid in uids:
        if not uid.isascii() or not uid.isdigit() or len(uid) > 18:
            problem = f"{shorten(uid)} is no number of an object"
            raise SceneError(f"{BOXES}: {UID}", problem, reason=IngestReason.WRONG_TYPE)
    return {uid: i for i, uid in enumerate(sorted(uids, key=int))}


def _place(folder: Path, source: SceneSource) -> str:
    """Name the place: all recordings of one apartment share it."""
    path = folder / "metadata.json"
    if not path.is_file():
        return source.scene_name
    check_inside(path, source.roots)
    value, _ = read_json(path, max_bytes=1_000_000)
    return f"adt_{member(expect(value, dict, path.name), 'scene', str, path.name)}"


def _sha(folder: Path) -> str:
    """Hash the three files."""
    digest = hashlib.sha256()
    for name in (BOXES, POSES, INSTANCES):
        digest.update(read_bytes(folder / name, max_bytes=MAX_BYTES))
    return digest.hexdigest()


ADT = Dataset(
    name="adt",
    description="Aria Digital Twin: boxes of every object of a furnished apartment; no frames.",
    needs=f"a recording with {BOXES}, {POSES}, {INSTANCES}, or the folder above such recordings",
    discover=discover,
    load=load,
    settings=(Setting("moment", "which pose of a moving object counts", ("first", "last")),),
    checklist=(
        Need("boxes", ("*3d_bounding_box.csv",), "boxes", "the Aria Digital Twin downloader: ground truth", True),
        Need(
            "poses of objects", ("*scene_objects.csv",), "boxes", "the Aria Digital Twin downloader: ground truth", True
        ),
        Need("names", ("*instances.json",), "categories", "the Aria Digital Twin downloader: ground truth", True),
    ),
)
"""Aria Digital Twin ground truth."""
