"""MultiScan: one folder per scan with boxes of objects. World: metres, +Z up, centred.

Labels are `category.number`; `remove` marks what the annotators threw away. `<scan>.semseg.json` tells which triangles
of `<scan>.ply` each object has. The videos are not read.

References
----------
Mao et al., MultiScan, NeurIPS 2022; the documentation of its repository for the annotation file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.folders import folder_sources, scene_folders
from qa_engine.datasets.instances import integers
from qa_engine.datasets.scan_mesh import of_faces, scan_mesh
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import readable
from qa_engine.formats.parsing import check_inside, expect, member, read_boxes, read_json
from qa_engine.formats.ply_faces import PlyMesh
from qa_engine.scenes.fields import shorten
from qa_engine.scenes.scene import Scene

MAX_BYTES = 256_000_000
"""Annotations are some 100 kB, with all parts of a large scan a few MB."""

ANNOTATION = ".annotations.json"
SEGMENTS = ".semseg.json"
MAX_SEGMENT_BYTES = 1_000_000_000
"""An index per triangle of a scan."""

DISCARDED = "remove"
"""Label of what is no object."""


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scans of `<scan>/<scan>.annotations.json`.

    Raises
    ------
    QAEngineError
        The folder is missing, or no scan lies in it.
    """
    needs = MULTISCAN.needs
    folders = scene_folders(root, lambda path: (path / f"{path.resolve().name}{ANNOTATION}").is_file(), needs=needs)
    axes = MULTISCAN.chosen(options)["axes"]
    return folder_sources(root, folders, lambda folder: (folder, axes))


def load(source: SceneSource) -> Scene:
    """Read the boxes of one scan.

    Raises
    ------
    SceneError
        The annotation is damaged, or a box is not valid.
    """
    folder, axes = source.data
    path = folder / f"{source.scene_name}{ANNOTATION}"
    check_inside(path, source.roots)
    value, sha = read_json(path, max_bytes=MAX_BYTES)
    labels: list[str] = []
    ids: list[int] = []
    boxes: list[tuple[str, object]] = []
    refused: list[SceneError] = []
    for i, entry in enumerate(member(expect(value, dict, "annotation"), "objects", list, "annotation")):
        item = expect(entry, dict, f"objects[{i}]")
        label = member(item, "label", str, f"objects[{i}]")
        if label.partition(".")[0] == DISCARDED:
            refused.append(SceneError(f"objects[{i}].label", f"'{DISCARDED}': no object", reason=IngestReason.SKIPPED))
            continue
        ids.append(i)
        labels.append(label)
        boxes.append((f"objects[{i}].obb", member(item, "obb", dict, f"objects[{i}]")))
    found = read_boxes(boxes, axes=axes)
    numbers = np.array(ids, dtype=np.int64)
    number = dict(zip(labels, ids, strict=True))
    surface = scan_mesh(
        folder / f"{source.scene_name}.ply",
        of_faces(lambda mesh: _objects_of_faces(folder / f"{source.scene_name}{SEGMENTS}", number, mesh, source.roots)),
        numbers,
        roots=source.roots,
    )
    place = re.fullmatch(r"(scene_\d+)_\d+", source.scene_name)
    return Scene(
        scene_name=source.scene_name,
        dataset="multiscan",
        scene_group=place[1] if place else source.scene_name,
        instance_id=numbers,
        category=np.array([readable(label.partition(".")[0]) for label in labels], dtype=object),
        category_raw=np.array(labels, dtype=object),
        center=found.center,
        size=found.size,
        rotation=found.rotation,
        source_sha=sha,
        cloud=surface.cloud,
        mesh=surface.mesh,
        refused=(*refused, *surface.refused),
    )


def _objects_of_faces(path: Path, number: dict[str, int], mesh: PlyMesh, roots: Sequence[Path]) -> NDArray[np.int64]:
    """Read which triangles each part has: `{"triIndices": {"refrigerator.1:door.1": [4, 5]}}`."""
    check_inside(path, roots)
    value, _ = read_json(path, max_bytes=MAX_SEGMENT_BYTES)
    parts = member(expect(value, dict, path.name), "triIndices", dict, path.name)
    of_face = np.full(int(mesh.face.max(initial=-1)) + 1, -1, dtype=np.int64)
    for label, faces in parts.items():
        field = f"{path.name}: triIndices.{shorten(label)}"
        index = integers(faces, field)
        if len(index) and not (index.min() >= 0 and index.max() < len(of_face)):
            problem = f"names a triangle beyond the {len(of_face)} of the mesh"
            raise SceneError(field, problem, reason=IngestReason.BAD_FORMAT)
        of_face[index] = number.get(label.partition(":")[0], -1)
    return of_face[mesh.face]


MULTISCAN = Dataset(
    name="multiscan",
    description="MultiScan: boxes of the objects of scanned rooms, several states per room; no frames.",
    needs="the folder above <scan>/<scan>.annotations.json",
    discover=discover,
    load=load,
    settings=(Setting("axes", "where normalizedAxes holds the box axes", ("rows", "columns")),),
    checklist=(
        Need("annotations", ("*.annotations.json",), "boxes", "the download script of MultiScan", True),
        Need("mesh", ("*scene_*.ply",), "cloud, room size", "the download script of MultiScan"),
        Need("triangles of objects", ("*.semseg.json",), "objects of the mesh", "the download script of MultiScan"),
    ),
)
"""MultiScan in its official layout."""
