"""Replica in Habitat's export: boxes of every object of a scanned room. World: metres, up is against gravity_dir.

References
----------
Straub et al., The Replica Dataset, arXiv 1906.05797; habitat-sim's reader of info_semantic.json for the boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.folders import folder_sources, scene_folders
from qa_engine.datasets.scan_mesh import face_field, scan_mesh
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import readable, rotations, turn_onto
from qa_engine.formats.parsing import check_inside, expect, member, numbers, read_json
from qa_engine.geometry import Boxes
from qa_engine.geometry.moves import move_boxes
from qa_engine.scenes.scene import Scene

MAX_BYTES = 64_000_000
"""A scene of 300 objects has 300 kB."""

SEMANTICS = "habitat/info_semantic.json"
MESH = "habitat/mesh_semantic.ply"
DOWN = np.array([0.0, 0.0, -1.0])


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scenes of `<scene>/habitat/info_semantic.json`.

    Raises
    ------
    QAEngineError
        The folder is missing, or no scene lies in it.
    """
    folders = scene_folders(root, lambda path: (path / SEMANTICS).is_file(), needs=REPLICA.needs)
    settings = REPLICA.chosen(options)
    return folder_sources(root, folders, lambda folder: (folder, settings))


def load(source: SceneSource) -> Scene:
    """Read the boxes of one scene, and its mesh where it is there.

    Raises
    ------
    SceneError
        The file is damaged, or a box is not valid.
    """
    folder, settings = source.data
    check_inside(folder / SEMANTICS, source.roots)
    value, sha = read_json(folder / SEMANTICS, max_bytes=MAX_BYTES)
    value = expect(value, dict, "info_semantic")
    labels: list[str] = []
    ids: list[int] = []
    rows: list[list[float]] = []
    refused: list[SceneError] = []
    for i, entry in enumerate(member(value, "objects", list, "info_semantic")):
        field = f"objects[{i}]"
        item = expect(entry, dict, field)
        label = member(item, "class_name", str, field)
        if member(item, "class_id", int, field) < 0 and settings["unlabelled"] == "skip":
            refused.append(SceneError(f"{field}.class_id", f"'{label}' has no class", reason=IngestReason.SKIPPED))
            continue
        number = member(item, "id", int, field)
        if not 0 <= number < 2**31:
            raise SceneError(f"{field}.id", f"{number} is no id", reason=IngestReason.WRONG_TYPE)
        rows.append(_box(member(item, "oriented_bbox", dict, field), f"{field}.oriented_bbox"))
        labels.append(label)
        ids.append(number)
    table = np.array(rows, dtype=np.float64).reshape(-1, 13)
    # The columns of the matrix are the box axes, and abb.center is given along them.
    world_from_box = rotations(table[:, 6:10], "objects.oriented_bbox.orientation.rotation", order="xyzw")
    center = np.einsum("nij,nj->ni", world_from_box, table[:, :3]) + table[:, 10:]
    canonical_from_source = np.eye(4)
    if settings["gravity"] == "level":
        canonical_from_source = _upright(numbers(value.get("gravity_dir", [0, 0, -1]), 3, "gravity_dir"))
    boxes = move_boxes(Boxes(center, table[:, 3:6], world_from_box.transpose(0, 2, 1)), canonical_from_source)
    instance_id = np.array(ids, dtype=np.int64)
    surface = scan_mesh(
        folder / MESH,
        face_field("object_id", Path(MESH).name),
        instance_id,
        roots=source.roots,
        canonical_from_source=canonical_from_source,
    )
    return Scene(
        scene_name=source.scene_name,
        dataset="replica",
        instance_id=instance_id,
        category=np.array([readable(label) for label in labels], dtype=object),
        category_raw=np.array(labels, dtype=object),
        center=boxes.center,
        size=boxes.size,
        rotation=boxes.rotation,
        canonical_from_source=canonical_from_source,
        source_sha=sha,
        cloud=surface.cloud,
        mesh=surface.mesh,
        refused=(*refused, *surface.refused),
    )


def _box(box: dict[str, object], field: str) -> list[float]:
    """Read centre, sizes, quaternion and translation of one box: 13 numbers."""
    limits = member(box, "abb", dict, field)
    turn = member(box, "orientation", dict, field)
    return [
        *numbers(member(limits, "center", list, f"{field}.abb"), 3, f"{field}.abb.center"),
        *numbers(member(limits, "sizes", list, f"{field}.abb"), 3, f"{field}.abb.sizes"),
        *numbers(member(turn, "rotation", list, f"{field}.orientation"), 4, f"{field}.orientation.rotation"),
        *numbers(member(turn, "translation", list, f"{field}.orientation"), 3, f"{field}.orientation.translation"),
    ]


def _upright(gravity: list[float]) -> NDArray[np.float64]:
    """Turn the direction of gravity to -Z."""
    try:
        return turn_onto(np.array(gravity), DOWN)
    except ValueError as error:
        raise SceneError("gravity_dir", f"{gravity}: {error}", reason=IngestReason.BAD_ROTATION) from None


REPLICA = Dataset(
    name="replica",
    description="Replica (Habitat's export): boxes of every object of a scanned room; no frames.",
    needs=f"the folder above <scene>/{SEMANTICS}",
    discover=discover,
    load=load,
    settings=(
        Setting("gravity", "whether the tilt in gravity_dir is taken out", ("level", "raw")),
        Setting("unlabelled", "what happens to objects without a class", ("skip", "keep")),
    ),
    checklist=(
        Need(
            "semantics",
            ("*habitat/info_semantic.json",),
            "boxes",
            "download.sh of the Replica-Dataset repository",
            True,
        ),
        Need(
            "mesh",
            ("*habitat/mesh_semantic.ply",),
            "cloud, room size",
            "download.sh of the Replica-Dataset repository",
        ),
    ),
)
"""Replica in Habitat's export."""
