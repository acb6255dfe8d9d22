"""3RScan: scans of rooms that change, several per room, with oriented boxes. World: metres, +Z up.

References
----------
Wald et al., RIO, ICCV 2019; the README and FAQ of the 3RScan repository.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.folders import folder_sources, scene_folders
from qa_engine.datasets.instances import MAX_BYTES, box_columns, read_groups
from qa_engine.datasets.posed_frames import for_size
from qa_engine.datasets.scan_mesh import scan_mesh, vertex_field
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.depth import depth_reader, image_size, png_depth
from qa_engine.formats.parsing import check_inside, expect, member, read_json, read_text
from qa_engine.formats.text_tables import read_matrix
from qa_engine.scenes.scene import Frame, Scene

SEMANTICS = "semseg.v2.json"
MESH = "labels.instances.annotated.v2.ply"
SCANS = "3RScan.json"
IMAGE = re.compile(r"frame-(\d{6})\.color\.jpg")
DEPTH_PER_METRE = 1000
FRAMES_PER_S = 10.0
"""Rate of the published sequences; only the order of the frames is exact."""


@dataclass(frozen=True)
class _Located:
    """A scan, the folder of its frames and the scan that stands for its room."""

    folder: Path
    sequence: Path
    scene_group: str
    settings: dict[str, str]


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scans `<scanId>/semseg.v2.json`; `3RScan.json` in or beside ROOT tells which show one room.

    Raises
    ------
    QAEngineError
        The folder is missing, no scan lies in it, or `3RScan.json` is damaged.
    """
    settings = RSCAN.chosen(options)
    folders = scene_folders(root, lambda path: (path / SEMANTICS).is_file(), needs=RSCAN.needs)
    assert root is not None
    rooms = _rooms([root / SCANS, root.resolve().parent / SCANS])

    def locate(folder: Path) -> _Located:
        name = folder.resolve().name
        base = folder if options.frames_dir is None else options.frames_dir / name
        return _Located(folder, base / "sequence", rooms.get(name, name), settings)

    sources = folder_sources(root, folders, locate)
    if options.frames_dir is None:
        return sources
    roots = (root.resolve(), options.frames_dir.resolve())
    return [SceneSource(scene_name=s.scene_name, item=s.item, data=s.data, roots=roots) for s in sources]


def load(source: SceneSource) -> Scene:
    """Read one scan: boxes of its objects, frames with depth and poses from the unpacked sequence.

    Raises
    ------
    SceneError
        A file is damaged, or a box or a camera is not valid.
    """
    located: _Located = source.data
    path = located.folder / SEMANTICS
    check_inside(path, source.roots)
    groups, sha = read_groups(path)
    objects = box_columns(groups, axes=located.settings["axes"])
    surface = scan_mesh(
        located.folder / MESH, vertex_field("objectId", MESH), objects["instance_id"], roots=source.roots
    )
    frames, lost = _frames(located.sequence, source.roots)
    return Scene(
        scene_name=source.scene_name,
        dataset="3rscan",
        scene_group=located.scene_group,
        **objects,
        source_sha=sha,
        frames=frames,
        cloud=surface.cloud,
        mesh=surface.mesh,
        refused=(*surface.refused, *lost),
    )


def _frames(folder: Path, roots: tuple[Path, ...]) -> tuple[tuple[Frame, ...], list[SceneError]]:
    """Find the images of an unpacked sequence, and what is refused of them."""
    if not folder.is_dir():
        return (), []
    info = folder / "_info.txt"
    recorded_cameras, recorded = {}, None
    if info.is_file():
        check_inside(info, roots)
        recorded_cameras, recorded = _cameras(info)
    frames: list[Frame] = []
    refused: list[SceneError] = []
    for path in sorted(folder.iterdir()):
        match = IMAGE.fullmatch(path.name)
        if match is None:
            continue
        stem = folder / f"frame-{match[1]}"
        pose_path, depth_path = stem.with_suffix(".pose.txt"), stem.with_suffix(".depth.pgm")
        pose = None
        if pose_path.is_file():
            check_inside(pose_path, roots)
            pose = read_matrix(pose_path, (4, 4), finite=False)
            pose = pose if np.isfinite(pose).all() else None
        cameras = dict(recorded_cameras)
        if "Color" in cameras:
            try:
                cameras["Color"] = for_size(cameras["Color"], recorded, image_size(path), path.name)
            except SceneError as error:
                refused.append(error)
                continue
        frames.append(
            Frame(
                frame_id=match[1],
                image_path=path,
                read_depth=_depth(depth_path, path, cameras, roots) if depth_path.is_file() else None,
                time_s=int(match[1]) / FRAMES_PER_S,
                intrinsics=cameras.get("Color"),
                world_from_camera=pose,
            )
        )
    return tuple(frames), refused


def _depth(depth: Path, image: Path, cameras: dict[str, NDArray[np.float64]], roots: tuple[Path, ...]):
    """Make the reader of a depth image; it is registered to colour but has fewer pixels."""
    matrix = cameras["Depth"] @ np.linalg.inv(cameras["Color"]) if len(cameras) == 2 else None
    stored = png_depth(depth, roots, per_metre=DEPTH_PER_METRE)
    return depth_reader(stored, size=image_size(image), depth_from_image=matrix)


def _cameras(path: Path) -> tuple[dict[str, NDArray[np.float64]], tuple[int, int] | None]:
    """Read `_info.txt`: matrices, `m_calibrationColorIntrinsic = 16 numbers`, and the pictures' width and height."""
    cameras: dict[str, NDArray[np.float64]] = {}
    sides = {}
    for line in read_text(path, max_bytes=1_000_000).splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if key in ("m_colorWidth", "m_colorHeight") and value.isdecimal() and int(value):
            sides[key] = int(value)
        match = re.fullmatch(r"m_calibration(Color|Depth)Intrinsic", key)
        if match is None:
            continue
        try:
            matrix = np.array([float(word) for word in value.split()]).reshape(4, 4)[:3, :3]
        except ValueError as error:
            raise SceneError(f"{path.name}: {key}", str(error), reason=IngestReason.BAD_CAMERA) from None
        if not np.isfinite(matrix).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise SceneError(f"{path.name}: {key}", f"{matrix.tolist()} is no camera", reason=IngestReason.BAD_CAMERA)
        cameras[match[1]] = matrix
    return cameras, (sides["m_colorWidth"], sides["m_colorHeight"]) if len(sides) == 2 else None


def _rooms(places: Sequence[Path]) -> dict[str, str]:
    """Read which scans show one room."""
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return {}
    try:
        value, _ = read_json(path, max_bytes=MAX_BYTES)
        rooms: dict[str, str] = {}
        for i, entry in enumerate(expect(value, list, path.name)):
            item = expect(entry, dict, f"[{i}]")
            reference = member(item, "reference", str, f"[{i}]")
            rooms[reference] = reference
            for j, scan in enumerate(expect(item.get("scans", []), list, f"[{i}].scans")):
                field = f"[{i}].scans[{j}]"
                rooms[member(expect(scan, dict, field), "reference", str, field)] = reference
    except SceneError as error:
        raise QAEngineError(f"{path}: {error}. {error.reason.fix}") from None
    return rooms


_SOURCE = "the download script of 3RScan, sent after its terms are signed"
"""Where its parts come from."""

RSCAN = Dataset(
    name="3rscan",
    description="3RScan: rooms scanned several times, with boxes, frames, depth and poses.",
    needs=f"the folder above <scanId>/{SEMANTICS}, sequences unpacked to <scanId>/sequence, {SCANS} beside them",
    discover=discover,
    load=load,
    options=frozenset({"frames_dir"}),
    settings=(Setting("axes", "where normalizedAxes holds the box axes", ("rows", "columns")),),
    checklist=(
        Need("semantics", ("*semseg.v2.json",), "boxes", _SOURCE, True),
        Need(
            "sequences", ("*sequence/*.color.jpg",), "frames, depth, poses", f"{_SOURCE}; unpack sequence.zip in place"
        ),
        Need("mesh", ("*labels.instances.annotated.v2.ply",), "cloud, room size, occlusion", _SOURCE),
        Need("scan list", ("*3RScan.json",), "rescans of one room in one split", "the 3RScan website"),
    ),
)
"""3RScan in its official layout."""
