"""Own scans: one folder per scan with boxes, or a labelled cloud, and posed frames where there are any.

`boxes.json` is a list of `{"label", "center", "size"}` with optional `id` and one of `rotation` (9 numbers),
`quaternion` (w, x, y, z) or `yaw` (radians about the up axis); `boxes.csv` has columns label, cx, cy, cz, sx, sy, sz
and optional id, yaw. A box without extent is refused alone. Without boxes they are fitted to the points of `cloud.ply`
or `cloud.pcd`, or of `mesh.ply`, with a field `instance`, or of the parts of `mesh.obj`, `mesh.glb` or `mesh.gltf`;
`labels.json` (`{"instance": "label"}`, or the name of a part) says what they are.
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
from qa_engine.datasets.generic_scan import (
    CLOUDS,
    INSTANCES,
    LABELS,
    MESHES,
    Scan,
    instance_number,
    read_labels,
    read_scan,
)
from qa_engine.datasets.instances import split_flat
from qa_engine.datasets.unread_files import unread_files
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import Z_UP_FROM, move_boxes, readable, rotations, z_up_from
from qa_engine.formats.parsing import check_inside, expect, member, number, numbers, read_bytes, read_json
from qa_engine.formats.text_tables import column_names, number_columns, read_csv
from qa_engine.geometry import Boxes
from qa_engine.scenes.fields import shorten
from qa_engine.scenes.scene import Scene

MAX_BYTES = 256_000_000
MAX_SCAN_BYTES = 4_000_000_000
BOXES = ("boxes.json", "boxes.csv")
FILES = (*BOXES, *CLOUDS, *MESHES)
BAD_SIZE = IngestReason.BAD_SIZE
UP_OTHER = "x,y,z of the direction that points up, gravity:x,y,z, or the 9 or 16 numbers of a matrix to Z up"
MAX_YAW = 2 * np.pi + 0.01
NUMBERS = ("cx", "cy", "cz", "sx", "sy", "sz")
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "inches": 0.0254, "ft": 0.3048, "feet": 0.3048}


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
    turn = z_up_from(settings["up"])
    canonical_from_source = turn @ np.diag([*[metres_of(settings["units"])] * 3, 1.0])
    scan = read_scan(folder, canonical_from_source, source.roots)
    if path.name in BOXES:
        read = _boxes_json if path.suffix == ".json" else _boxes_csv
        labels, ids, boxes, refused = read(path, turn[2, :3] / np.linalg.norm(turn[2, :3]), settings)
        boxes = move_boxes(boxes, canonical_from_source)
        if settings["sizes"] == "half":
            boxes = Boxes(boxes.center, 2 * boxes.size, boxes.rotation)
    else:
        if not scan.names and not (scan.instance >= 0).any():
            problem = f"no field {INSTANCES[0]}, so its points belong to no object"
            raise SceneError(path.name, problem, reason=IngestReason.MISSING_FIELD)
        names = read_labels(folder, scan.names, settings["labels"], source.roots)
        labels, ids, boxes, refused = _boxes_of_scan(scan, names, settings["boxes"], path.name)
    # The parts of a mesh have names; numbers of boxes that stand in another file are not theirs.
    cloud, mesh = scan.of_objects([] if path.name in BOXES and scan.names else ids)
    frames = read_frames(folder, canonical_from_source, source.roots, settings)
    used = [path, *scan.files, *frames.files]
    if path.name not in BOXES and settings["labels"] == "file":
        used.append(folder / LABELS)
    if any(file.suffix == ".gltf" for file in scan.files):
        used += folder.glob("*.bin")  # its buffers
    return Scene(
        scene_name=source.scene_name,
        dataset="generic",
        instance_id=np.array(ids, dtype=np.int64),
        category=np.array([readable(label) or label for label in labels], dtype=object),
        category_raw=np.array(labels, dtype=object),
        center=boxes.center,
        size=boxes.size,
        rotation=boxes.rotation,
        canonical_from_source=canonical_from_source,
        source_sha=hashlib.sha256(read_bytes(path, max_bytes=MAX_SCAN_BYTES)).hexdigest(),
        frames=frames.frames,
        cloud=cloud,
        mesh=mesh,
        refused=(*refused, *frames.refused, *unread_files(folder, used)),
    )


def metres_of(units: str) -> float:
    """Read a unit of lengths: its name, or how many metres it has.

    Examples
    --------
    >>> metres_of("feet"), metres_of("0.5")
    (0.3048, 0.5)
    """
    if units in METRES:
        return METRES[units]
    try:
        metres = float(units)
    except ValueError:
        raise ValueError("no unit and no number") from None
    if not 0 < metres < np.inf:
        raise ValueError("not above 0")
    return metres


_Objects = tuple[list[str], list[int], Boxes, list[SceneError]]
"""Labels, numbers and boxes of the objects, and those that were refused."""


def _boxes_json(path: Path, up: NDArray[np.float64], settings: dict[str, str]) -> _Objects:
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
        rotation[i] = _rotation(item, up, settings, field)
    return _solid(labels, ids, Boxes(center, size, rotation), path.name)


def _solid(labels: list[str], ids: list[int], boxes: Boxes, name: str) -> _Objects:
    """Refuse boxes without thickness, as some tools write windows and doors; the others stay."""
    flat = ~(boxes.size > 0).all(axis=1)
    refused = [
        SceneError(
            f"{name}[{i}] ({shorten(labels[i])}).size", f"{boxes.size[i].tolist()} is not above 0", reason=BAD_SIZE
        )
        for i in np.flatnonzero(flat)
    ]
    if refused and flat.all():
        raise refused[0]
    kept = np.flatnonzero(~flat)
    boxes = Boxes(boxes.center[kept], boxes.size[kept], boxes.rotation[kept])
    return [labels[i] for i in kept], [ids[i] for i in kept], boxes, refused


def _rotation(
    item: dict[str, Any], up: NDArray[np.float64], settings: dict[str, str], field: str
) -> NDArray[np.float64]:
    """Read the axes of one box as rows, in whichever of the three forms it has."""
    given = [key for key in ("rotation", "quaternion", "yaw") if item.get(key) is not None]
    if len(given) > 1:
        raise SceneError(field, f"give one of {', '.join(given)}", reason=IngestReason.BAD_ROTATION)
    if given == ["rotation"]:
        matrix = np.array(numbers(item["rotation"], 9, f"{field}.rotation")).reshape(3, 3)
        return matrix if settings["axes"] == "rows" else matrix.T
    if given == ["quaternion"]:
        values = np.array(numbers(item["quaternion"], 4, f"{field}.quaternion"))
        return rotations(values[None], f"{field}.quaternion", order=settings["quaternion"])[0].T
    yaw = number(item["yaw"], f"{field}.yaw") if given else 0.0
    return _yawed(np.array([yaw]), up, settings, f"{field}.yaw")[0]


def _boxes_csv(path: Path, up: NDArray[np.float64], settings: dict[str, str]) -> _Objects:
    """Read a table of boxes."""
    table = read_csv(path, ["label", *NUMBERS], max_bytes=MAX_BYTES)
    values = number_columns(table, NUMBERS, path.name)
    n = len(values)
    yaw, ids = np.zeros(n), list(range(n))
    header = column_names(path, max_bytes=MAX_BYTES)
    if unknown := [name for name in header if name not in ("label", *NUMBERS, "yaw", "id")]:
        problem = f"not understood; known are label, {', '.join(NUMBERS)}, yaw, id"
        raise SceneError(f"{path.name}: column {unknown[0]}", problem, reason=IngestReason.BAD_FORMAT)
    optional = {"yaw", "id"} & set(header)
    if "yaw" in optional:
        yaw = number_columns(read_csv(path, ["yaw"], max_bytes=MAX_BYTES), ["yaw"], path.name)[:, 0]
    if "id" in optional:
        texts = read_csv(path, ["id"], max_bytes=MAX_BYTES)["id"]
        ids = [
            instance_number(int(t) if t.isascii() and t.isdigit() else t, f"{path.name}: id[{i}]")
            for i, t in enumerate(texts)
        ]
    axes = _yawed(yaw, up, settings, f"{path.name}: yaw")
    return _solid(table["label"], ids, Boxes(values[:, :3], values[:, 3:], axes), path.name)


def _boxes_of_scan(scan: Scan, names: dict[int, str], fit: str, file: str) -> _Objects:
    """Fit boxes to the instances of a cloud that have a label; those without extent are refused."""
    ids = sorted(names)
    place = np.searchsorted(ids, scan.instance).clip(0, max(len(ids) - 1, 0))
    boxes = fit_boxes(scan.points, np.where(np.isin(scan.instance, ids), place, -1), len(ids), fit)
    kept, refused = split_flat(boxes, [f"{file}: instance {i}" for i in ids])
    boxes = Boxes(boxes.center[kept], boxes.size[kept], boxes.rotation[kept])
    return [names[ids[i]] for i in kept], [ids[i] for i in kept], boxes, refused


def _yawed(
    yaw: NDArray[np.float64], up: NDArray[np.float64], settings: dict[str, str], field: str
) -> NDArray[np.float64]:
    """Turn boxes about the up axis; rows are the axes.

    Raises
    ------
    SceneError
        Angles in radians go beyond a whole turn, as degrees do.
    """
    from scipy.spatial.transform import Rotation

    if settings["yaw"] == "degrees":
        yaw = np.deg2rad(yaw)
    elif (np.abs(yaw) > MAX_YAW).any():
        problem = f"{yaw[np.argmax(np.abs(yaw))]:g} is more than a whole turn in radians, as if it were degrees"
        raise SceneError(field, problem, reason=IngestReason.WRONG_UNITS)
    return Rotation.from_rotvec(yaw[:, None] * up).as_matrix().reshape(-1, 3, 3).transpose(0, 2, 1)


GENERIC = Dataset(
    name="generic",
    description="Own scans: boxes, or a labelled cloud (PLY, PCD) or mesh (PLY, OBJ, glTF); posed frames.",
    needs=f"the folder above <scan>/ with one of {', '.join(FILES)}; frames beside it by transforms.json, poses.csv, "
    "or a model of COLMAP",
    discover=discover,
    load=load,
    settings=(
        Setting("up", "which axis points up", tuple(Z_UP_FROM), UP_OTHER, z_up_from),
        Setting("units", "unit of lengths", tuple(METRES), "the number of metres that it has", metres_of),
        Setting("sizes", "what the sizes of boxes are: full or half lengths", ("full", "half")),
        Setting("axes", "where the 9 numbers of rotation hold the box axes", ("rows", "columns")),
        Setting("yaw", "unit of yaw", ("radians", "degrees")),
        Setting("quaternion", "order of the numbers of quaternion", ("wxyz", "xyzw")),
        FIT_SETTING,
        Setting("labels", "what objects of a mesh are called: labels.json, or names of its parts", ("file", "names")),
        Setting("camera", "axes of the cameras; auto: as the format has them", ("auto", "opencv", "opengl")),
        Setting(
            "pose",
            "what the poses map; auto: as the format has it, poses.csv to the world",
            ("auto", "world_from_camera", "camera_from_world"),
        ),
        Setting("depth", "what depth images hold: depth along the camera's z axis, or along its rays", ("z", "ray")),
        Setting(
            "depth_per_metre",
            "units of depth images per metre; auto: as transforms.json says, else 1000",
            ("auto", "1000", "5000", "4000", "10000", "6553.5", "256", "100"),
        ),
        Setting("exif", "which picture poses are of where EXIF turns it to be shown", ("shown", "stored")),
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
            ("*transforms*.json", "*poses.csv", "*images.txt", "*images.bin"),
            "frames, observations and coverage",
            "nerfstudio, COLMAP or your own CSV",
        ),
        Need("depth", ("*depth/*.png", "*depths/*.png"), "occlusion", "your scanner: uint16 PNG, millimetres"),
    ),
)
"""Own scans."""
