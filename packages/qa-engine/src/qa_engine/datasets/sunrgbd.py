"""SUN RGB-D: single images with depth and oriented boxes of furniture, each a scene. World: metres, Z up, camera at 0.

References
----------
Song et al., SUN RGB-D, CVPR 2015; its toolbox for the conventions: `readframeSUNRGBD.m`, `read3dPoints.m`,
`get_corners_of_bb3d.m`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.posed_frames import posed_frame
from qa_engine.datasets.sunrgbd_boxes import WORLD_FROM_LEVEL, Record, boxes_of_folder, boxes_of_record, read_table
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.annotations.base import Annotation
from qa_engine.formats.canonical import poses, readable, right_angled
from qa_engine.formats.depth import MAX_DEPTH_BYTES, Depth, decoded_grey
from qa_engine.formats.lenses import Lens
from qa_engine.formats.parsing import check_inside, read_bytes
from qa_engine.formats.pictures import file_picture
from qa_engine.formats.posed_images import PosedImage
from qa_engine.formats.text_tables import read_matrix
from qa_engine.scenes.fields import floats
from qa_engine.scenes.scene import Frame, Scene

SENSORS = ("kv1", "kv2", "realsense", "xtion")
TOP = "SUNRGBD"
TABLES = ("SUNRGBDMeta3DBB_v2.mat", "SUNRGBDMeta.mat")
CAMERA = "intrinsics.txt"
BOXES = "annotation3Dfinal/index.json"
MAX_LEVELS = 5
"""Folders between that of a sensor and an image: kv1/NYUdata/NYU0001, xtion/sun3ddata/PLACE/VIDEO/FRAME."""

FURTHEST_M = 8.0
"""Depth beyond this is no measurement; the toolbox cuts it off there."""

MILLIMETRES = 1000
DEPTHS = {"measured": "depth", "filled": "depth_bfx"}


@dataclass(frozen=True)
class _Located:
    """An image: its folder, its struct in the table where there is one, and the switches."""

    folder: Path
    record: Record | None
    settings: dict[str, str]


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the images below `SUNRGBD/`, below the folders of its sensors, or of one folder.

    Raises
    ------
    QAEngineError
        A folder is missing, no image lies in it, or the table of boxes is damaged.
    """
    assert root is not None
    if not root.is_dir():
        raise QAEngineError(f"{root}: no such folder. Expected {SUNRGBD.needs}.")
    settings = SUNRGBD.chosen(options)
    top = root / TOP if (root / TOP).is_dir() else root
    folders = [root] if _is_image(root) else [folder for name in SENSORS for folder in _images(top / name, MAX_LEVELS)]
    if not folders:
        raise QAEngineError(f"{root}: no image here. Expected {SUNRGBD.needs}.")
    records: dict[str, Record] = {}
    if settings["annotation"] != "folders":
        records = _records([*([options.annotations] if options.annotations else []), root, root.parent])
    roots = (root.resolve(),)
    sources: list[SceneSource] = []
    for folder in folders:
        name = folder.relative_to(top).as_posix() if folder != root else _name_of_one(root.resolve(), records)
        data = _Located(folder, records.get(name), settings)
        sources.append(SceneSource(scene_name=name.replace("/", "_"), item=name, data=data, roots=roots))
    return sources


def load(source: SceneSource) -> Scene:
    """Read one image, its depth, camera and boxes.

    Raises
    ------
    SceneError
        It has no boxes, or its camera is damaged. A box that is damaged is refused alone.
    """
    located: _Located = source.data
    found = _boxes(located, source.roots)
    frames, refused = _frames(located, source.roots)
    return Scene(
        scene_name=source.scene_name,
        dataset="sunrgbd",
        scene_group=_group(source.item),
        instance_id=np.array(found.ids, dtype=np.int64),
        category=np.array([readable(label) for label in found.labels], dtype=object),
        category_raw=np.array(found.labels, dtype=object),
        center=found.boxes.center,
        size=found.boxes.size,
        rotation=found.boxes.rotation,
        source_sha=_sha(found),
        frames=frames,
        refused=(*found.refused, *refused),
    )


def _is_image(folder: Path) -> bool:
    return (folder / CAMERA).is_file() and (folder / "image").is_dir()


def _images(folder: Path, levels: int) -> list[Path]:
    """List the folders of images, in order of their names."""
    if _is_image(folder):
        return [folder]
    if not levels or not folder.is_dir():
        return []
    return [image for child in sorted(folder.iterdir()) if child.is_dir() for image in _images(child, levels - 1)]


def _name_of_one(folder: Path, records: Mapping[str, Record]) -> str:
    """Name an image whose folder is ROOT as the table does, where it has it."""
    return next((name for name in records if folder.as_posix().endswith(f"/{name}")), folder.name)


def _records(places: Sequence[Path]) -> dict[str, Record]:
    """Read the table of boxes, the corrected one where both are there; empty where there is none."""
    below = ("", "SUNRGBDtoolbox", "SUNRGBDtoolbox/Metadata")
    paths = [*places, *(place / folder / name for name in TABLES for place in places for folder in below)]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return {}
    try:
        return read_table(path)
    except SceneError as error:
        raise QAEngineError(f"{path}: {error}. {error.reason.fix} Or leave it out: --set annotation=folders") from None


def _boxes(located: _Located, roots: tuple[Path, ...]) -> Annotation:
    """Read the boxes: those of the table, else those of the folder."""
    if located.record is not None:
        return boxes_of_record(located.record)
    path = located.folder / BOXES
    if not path.is_file():
        problem = f"neither {TABLES[0]} nor {BOXES} has boxes of this image"
        raise SceneError(BOXES, problem, reason=IngestReason.MISSING_FILE)
    check_inside(path, roots)
    return boxes_of_folder(path)


def _frames(located: _Located, roots: tuple[Path, ...]) -> tuple[tuple[Frame, ...], list[SceneError]]:
    """Read the image; one that cannot be used is refused alone, as boxes do not need it."""
    try:
        pictures = sorted((located.folder / "image").glob("*.jpg"))
        if not pictures:
            raise SceneError("image", "no JPEG in it", reason=IngestReason.MISSING_FILE)
        path = pictures[0]
        check_inside(path, roots)
        picture = file_picture(path, roots)
        lens = None if picture.header is None else _lens(located, picture.header.size, roots)
        turn = _turn(located, roots)
        image = PosedImage(path.stem, poses(turn[None], np.zeros((1, 3)))[0], lens, picture=picture)
        depth = _depth(located.folder / DEPTHS[located.settings["depth"]], roots)
        frame = posed_frame(
            image, None, roots, frame_id=path.stem, canonical_from_source=np.eye(4), depth=depth, poses_of="stored"
        )
    except SceneError as error:
        return (), [error]
    return (frame,), []


def _lens(located: _Located, size: tuple[int, int], roots: tuple[Path, ...]) -> Lens:
    """Read the camera, whose numbers count pixels from 1 as MATLAB does."""
    if located.record is not None and located.record.get("K") is not None:
        matrix = floats(located.record["K"], (3, 3), "K")
    else:
        check_inside(located.folder / CAMERA, roots)
        matrix = read_matrix(located.folder / CAMERA, (3, 3))
    if min(matrix[0, 0], matrix[1, 1]) <= 0:
        raise SceneError("K", "focal length not above 0", reason=IngestReason.BAD_CAMERA)
    return Lens(*size, matrix[0, 0], matrix[1, 1], matrix[0, 2] - 1, matrix[1, 2] - 1)


def _turn(located: _Located, roots: tuple[Path, ...]) -> NDArray[np.float64]:
    """Read the tilt of the camera: world from camera axes (x right, y down, z forward), (3, 3).

    `Rtilt` of the table turns points whose axes were already exchanged, `extrinsics` those of the camera.
    """
    if located.record is not None and located.record.get("Rtilt") is not None:
        return right_angled(floats(located.record["Rtilt"], (3, 3), "Rtilt"), "Rtilt") @ WORLD_FROM_LEVEL
    path = max((located.folder / "extrinsics").glob("*.txt"), default=None)  # the last one counts
    if path is None:
        raise SceneError("extrinsics", "no file in it", reason=IngestReason.MISSING_FILE)
    check_inside(path, roots)
    matrix = read_matrix(path, (3, 4))[:, :3]
    return WORLD_FROM_LEVEL @ right_angled(matrix, path.name)


def _depth(folder: Path, roots: tuple[Path, ...]) -> Depth | None:
    """Depth of the image: 16 bits whose lowest three stand first, millimetres."""
    path = min(folder.glob("*.png"), default=None)
    if path is None:
        return None

    def read() -> NDArray[np.float32]:
        check_inside(path, roots)
        raw = decoded_grey(read_bytes(path, max_bytes=MAX_DEPTH_BYTES), path.name)
        metres = (raw >> 3 | (raw << 13) & 0xFFFF) / MILLIMETRES
        return np.where(metres > FURTHEST_M, 0, metres).astype(np.float32)

    return Depth(path.name, read, files=(path,))


def _group(item: str) -> str:
    """Name the place: SUN3D's images of one place share it."""
    parts = item.split("/")
    return "_".join(parts[:3] if "sun3ddata" in parts[:2] else parts)


def _sha(found: Annotation) -> str:
    """Hash the objects, so that the other images of the table do not matter."""
    boxes = np.concatenate([found.boxes.center, found.boxes.size, found.boxes.rotation.reshape(-1, 9)], axis=1)
    return hashlib.sha256(json.dumps([found.labels, found.ids]).encode() + boxes.tobytes()).hexdigest()


SUNRGBD = Dataset(
    name="sunrgbd",
    description="SUN RGB-D: single images with depth and boxes of furniture, each a scene.",
    needs=f"{TOP}/ with {', '.join(SENSORS)}, or one folder with {CAMERA} and image/; beside it {TABLES[0]}",
    discover=discover,
    load=load,
    options=frozenset({"annotations"}),
    settings=(
        Setting(
            "annotation",
            f"whose boxes: of {TABLES[0]} where it is there, or of the folders as first released",
            ("table", "folders"),
        ),
        Setting("depth", "depth as measured, or with its holes filled", tuple(DEPTHS)),
    ),
    checklist=(
        Need("boxes", (f"*{TABLES[0]}", f"*{TABLES[1]}", f"*{BOXES}"), "boxes", "rgbd.cs.princeton.edu", True),
        Need("images", ("*image/*.jpg",), "frames", "SUNRGBD.zip, rgbd.cs.princeton.edu"),
        Need("tilt", ("*extrinsics/*.txt",), "boxes in view, without the table", "SUNRGBD.zip"),
        Need("depth", ("*depth/*.png", "*depth_bfx/*.png"), "occlusion", "SUNRGBD.zip"),
    ),
)
"""SUN RGB-D in its official layout."""
