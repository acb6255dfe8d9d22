"""Own scans: one folder per scan with boxes, or a labelled cloud, and posed frames where there are any.

`boxes.json` is a list of `{"label", "center", "size"}` with optional `id` and one of `rotation` (9 numbers),
`quaternion` (w, x, y, z) or `yaw` (radians about the up axis); `boxes.csv` has columns label, cx, cy, cz, sx, sy, sz
and optional id, yaw. Without boxes they are fitted to the points of `cloud.ply` or `cloud.pcd`, or of `mesh.ply`, with
a field `instance`, or of the parts of `mesh.obj`, `mesh.glb` or `mesh.gltf`; `labels.json` (`{"instance": "label"}`, or
the name of a part) says what they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.box_fitting import FIT_SETTING, fit_boxes
from qa_engine.datasets.folders import folder_sources, scene_folders
from qa_engine.datasets.generic_frames import read_frames
from qa_engine.datasets.generic_scan import CLOUDS, MESHES, Scan, instance_number, read_labels, read_scan
from qa_engine.datasets.instances import split_flat
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import Z_UP_FROM_Y_UP, move_boxes, rotations
from qa_engine.formats.parsing import check_inside, expect, member, number, numbers, read_bytes, read_json
from qa_engine.formats.text_tables import number_columns, read_csv
from qa_engine.geometry import Boxes
from qa_engine.scenes.scene import Scene

MAX_BYTES = 256_000_000
MAX_SCAN_BYTES = 4_000_000_000
BOXES = ("boxes.json", "boxes.csv")
FILES = (*BOXES, *CLOUDS, *MESHES)
NUMBERS = ("cx", "cy", "cz", "sx", "sy", "sz")
METRES = {"m": 1.0, "mm": 0.001, "cm": 0.01}


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scans: folders with boxes or a cloud.

    Raises
    ------
    QAEngineError
        The folder is missing, or no scan lies in it.
    """
    settings = GENERIC.chosen(options)
    folders = scene_folders(root, lambda path: any((path / name).is_file() for name in FILES), needs=GENERIC.needs)
    return folder_sources(root, folders, lambda folder: (folder, settings))


def load(source: SceneSource) -> Scene:
    """Read one scan.

    Raises
    ------
    SceneError
        A file is damaged, or a box or a camera is not valid.
    """
    folder, settings = source.data
    path = next(folder / name for name in FILES if (folder / name).is_file())
    check_inside(path, source.roots)
    up = np.array([0.0, 1, 0]) if settings["up"] == "y" else np.array([0.0, 0, 1])
    canonical_from_source = Z_UP_FROM_Y_UP if settings["up"] == "y" else np.eye(4)
    canonical_from_source = canonical_from_source @ np.diag([*[METRES[settings["units"]]] * 3, 1.0])
    scan = read_scan(folder, canonical_from_source, source.roots)
    refused: list[SceneError] = []
    if path.name in BOXES:
        read = _boxes_json if path.suffix == ".json" else _boxes_csv
        labels, ids, boxes = read(path, up, settings["axes"])
        boxes = move_boxes(boxes, canonical_from_source)
    else:
        names = read_labels(folder, scan.names, settings["labels"], source.roots)
        labels, ids, boxes, refused = _boxes_of_scan(scan, names, settings["boxes"], path.name)
    # The parts of a mesh have names; numbers of boxes that stand in another file are not theirs.
    cloud, mesh = scan.of_objects([] if path.name in BOXES and scan.names else ids)
    return Scene(
        scene_name=source.scene_name,
        dataset="generic",
        instance_id=np.array(ids, dtype=np.int64),
        category=np.array(labels, dtype=object),
        center=boxes.center,
        size=boxes.size,
        rotation=boxes.rotation,
        canonical_from_source=canonical_from_source,
        source_sha=hashlib.sha256(read_bytes(path, max_bytes=MAX_SCAN_BYTES)).hexdigest(),
        frames=read_frames(folder, canonical_from_source, source.roots, settings),
        cloud=cloud,
        mesh=mesh,
        refused=tuple(refused),
    )


def _boxes_json(path: Path, up: NDArray[np.float64], axes: str) -> tuple[list[str], list[int], Boxes]:
    """Read a list of boxes."""
    value, _ = read_json(path, max_bytes=MAX_BYTES)
    items = expect(value, list, path.name)
    labels: list[str] = []
    ids: list[int] = []
    center, size, rotation = np.empty((len(items), 3)), np.empty((len(items), 3)), np.empty((len(items), 3, 3))
    for i, entry in enumerate(items):
        field = f"{path.name}[{i}]"
        item = expect(entry, dict, field)
        labels.append(member(item, "label", str, field))
        ids.append(instance_number(item.get("id", i), f"{field}.id"))
        center[i] = numbers(member(item, "center", list, field), 3, f"{field}.center")
        size[i] = numbers(member(item, "size", list, field), 3, f"{field}.size")
        rotation[i] = _rotation(item, up, axes, field)
    return labels, ids, Boxes(center, size, rotation)


def _rotation(item: dict[str, Any], up: NDArray[np.float64], axes: str, field: str) -> NDArray[np.float64]:
    """Read the axes of one box as rows, in whichever of the three forms it has."""
    given = [key for key in ("rotation", "quaternion", "yaw") if item.get(key) is not None]
    if len(given) > 1:
        raise SceneError(field, f"give one of {', '.join(given)}", reason=IngestReason.BAD_ROTATION)
    if given == ["rotation"]:
        matrix = np.array(numbers(item["rotation"], 9, f"{field}.rotation")).reshape(3, 3)
        return matrix if axes == "rows" else matrix.T
    if given == ["quaternion"]:
        values = np.array(numbers(item["quaternion"], 4, f"{field}.quaternion"))
        return rotations(values[None], f"{field}.quaternion", order="wxyz")[0].T
    yaw = number(item["yaw"], f"{field}.yaw") if given else 0.0
    return _yawed(np.array([yaw]), up)[0]


def _boxes_csv(path: Path, up: NDArray[np.float64], _axes: str) -> tuple[list[str], list[int], Boxes]:
    """Read a table of boxes."""
    table = read_csv(path, ["label", *NUMBERS], max_bytes=MAX_BYTES)
    values = number_columns(table, NUMBERS, path.name)
    n = len(values)
    yaw, ids = np.zeros(n), list(range(n))
    optional = {"yaw", "id"} & set(_columns(path))
    if "yaw" in optional:
        yaw = number_columns(read_csv(path, ["yaw"], max_bytes=MAX_BYTES), ["yaw"], path.name)[:, 0]
    if "id" in optional:
        texts = read_csv(path, ["id"], max_bytes=MAX_BYTES)["id"]
        ids = [
            instance_number(int(t) if t.isascii() and t.isdigit() else t, f"{path.name}: id[{i}]")
            for i, t in enumerate(texts)
        ]
    return table["label"], ids, Boxes(values[:, :3], values[:, 3:], _yawed(yaw, up))


def _columns(path: Path) -> list[str]:
    """Read the names of a table's columns."""
    line = read_bytes(path, max_bytes=MAX_BYTES).split(b"\n", 1)[0].decode("utf-8", "replace")
    return [name.strip() for name in line.split(",")]


def _boxes_of_scan(
    scan: Scan, names: dict[int, str], fit: str, file: str
) -> tuple[list[str], list[int], Boxes, list[SceneError]]:
    """Fit boxes to the instances of a cloud that have a label; those without extent are refused."""
    ids = sorted(names)
    place = np.searchsorted(ids, scan.instance).clip(0, max(len(ids) - 1, 0))
    boxes = fit_boxes(scan.points, np.where(np.isin(scan.instance, ids), place, -1), len(ids), fit)
    kept, refused = split_flat(boxes, [f"{file}: instance {i}" for i in ids])
    boxes = Boxes(boxes.center[kept], boxes.size[kept], boxes.rotation[kept])
    return [names[ids[i]] for i in kept], [ids[i] for i in kept], boxes, refused


def _yawed(yaw: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn boxes about the up axis; rows are the axes."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(yaw[:, None] * up).as_matrix().reshape(-1, 3, 3).transpose(0, 2, 1)


GENERIC = Dataset(
    name="generic",
    description="Own scans: boxes, or a labelled cloud (PLY, PCD) or mesh (PLY, OBJ, glTF); posed frames.",
    needs=f"the folder above <scan>/ with one of {', '.join(FILES)}; frames beside it by transforms.json, poses.csv, "
    "or COLMAP's images.txt and cameras.txt",
    discover=discover,
    load=load,
    settings=(
        Setting("up", "which axis points up", ("z", "y")),
        Setting("units", "unit of lengths", ("m", "cm", "mm")),
        Setting("axes", "where the 9 numbers of rotation hold the box axes", ("rows", "columns")),
        FIT_SETTING,
        Setting("labels", "what objects of a mesh are called: labels.json, or names of its parts", ("file", "names")),
        Setting("camera", "axes of the cameras in poses.csv", ("opencv", "opengl")),
        Setting("pose", "what the poses of poses.csv map", ("world_from_camera", "camera_from_world")),
    ),
    checklist=(
        Need(
            "objects",
            ("*boxes.json", "*boxes.csv", "*cloud.ply", "*cloud.pcd", "*mesh.ply", "*mesh.obj", "*mesh.gl*"),
            "boxes",
            "your own annotation",
            True,
        ),
        Need("cloud", ("*cloud.ply", "*cloud.pcd"), "room size, outline of the floor", "your scanner"),
        Need(
            "mesh",
            ("*mesh.ply", "*mesh.obj", "*mesh.glb", "*mesh.gltf"),
            "what frames show, room size",
            "your scanner, or a modelling program",
        ),
        Need(
            "poses",
            ("*transforms.json", "*poses.csv", "*images.txt"),
            "frames, observations and coverage",
            "nerfstudio, COLMAP (text model) or your own CSV",
        ),
        Need("depth", ("*depth/*.png",), "occlusion", "your scanner: uint16 PNG, millimetres"),
    ),
)
"""Own scans."""
