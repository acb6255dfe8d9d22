"""Own scans: one folder per scan with boxes, or a labelled cloud, and posed frames where there are any.

Boxes are in one of `BOX_FORMATS`. Without boxes they are fitted to the points of `cloud.ply` or `cloud.pcd`, or of
`mesh.ply`, with a field `instance`, or of the parts of `mesh.obj`, `mesh.glb` or `mesh.gltf`; `labels.json`
(`{"instance": "label"}`, or the name of a part) says what they are. Frames are in one of `FRAME_FORMATS`. A box without
extent is refused alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.box_fitting import FIT_SETTING, fit_boxes
from qa_engine.datasets.folders import folder_sources, scene_folders
from qa_engine.datasets.generic_frames import frame_format, frames_per_second, frames_world, read_frames
from qa_engine.datasets.generic_scan import CLOUDS, INSTANCES, LABELS, MESHES, Scan, read_labels, read_scan, shift_of
from qa_engine.datasets.instances import split_flat
from qa_engine.datasets.unread_files import unread_files
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations import BOX_FORMATS
from qa_engine.formats.annotations.base import Annotated, Annotation, BoxFormat
from qa_engine.formats.canonical import Z_UP_FROM, readable, z_up_from
from qa_engine.formats.catalogue import formats_in
from qa_engine.formats.confidence import LEVELS
from qa_engine.formats.parsing import check_inside, read_bytes
from qa_engine.formats.recordings import FRAME_FORMATS
from qa_engine.formats.recordings.polycam import POLYCAM, RAW_MESH
from qa_engine.formats.usd import ABOUT as USD_ABOUT
from qa_engine.formats.usd import ENDINGS as USD_ENDINGS
from qa_engine.geometry import Boxes
from qa_engine.geometry.moves import move_boxes
from qa_engine.scenes.fields import shorten
from qa_engine.scenes.scene import Scene

MAX_SCAN_BYTES = 4_000_000_000
SCANS = (*CLOUDS, *MESHES)
BAD_SIZE = IngestReason.BAD_SIZE
UP_OTHER = "x,y,z of the direction that points up, gravity:x,y,z, or the 9 or 16 numbers of a matrix to Z up"
METRES = {"auto": 1.0, "m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "inches": 0.0254, "ft": 0.3048, "feet": 0.3048}


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scans: folders with boxes or a cloud; with frames where none of these is wanted.

    Raises
    ------
    QAEngineError
        The folder is missing, or no scan lies in it.
    """
    settings = GENERIC.chosen(options)
    folders = scene_folders(root, lambda path: _main_file(path, settings) is not None, needs=GENERIC.needs)
    return folder_sources(root, folders, lambda folder: (folder, settings))


def box_file(folder: Path, wanted: str) -> tuple[BoxFormat | None, Path | None]:
    """Find what objects come from: a format and its file, or None and a cloud or mesh with objects."""
    for form in BOX_FORMATS.values() if wanted == "auto" else [BOX_FORMATS[wanted]] if wanted in BOX_FORMATS else []:
        if (path := form.find(folder)) is not None:
            return form, path
    scans = SCANS if wanted in ("auto", "cloud") else ()
    return None, next((folder / name for name in scans if (folder / name).is_file()), None)


def _main_file(folder: Path, settings: dict[str, str]) -> Path | None:
    """Find the file that makes a folder a scan: its objects, or its poses where objects are not wanted."""
    if settings["boxes_from"] == "none":
        return next(iter(frame_format(folder, settings["frames_from"])[1]), None)
    return box_file(folder, settings["boxes_from"])[1]


def load(source: SceneSource) -> Scene:
    """Read one scan.

    Raises
    ------
    SceneError
        A file is damaged, or a box or a camera is not valid.
    """
    folder, settings = source.data
    form, _ = box_file(folder, settings["boxes_from"])
    path = _main_file(folder, settings)
    if path is None:  # it was there when scans were listed
        raise SceneError(folder.name, "no file of boxes", reason=IngestReason.MISSING_FILE)
    check_inside(path, source.roots)
    up = (form.up if form is not None else None) or "z"
    turn = z_up_from(up if settings["up"] == "auto" else settings["up"])
    canonical_from_source = turn @ np.diag([*[metres_of(settings["units"])] * 3, 1.0])
    recorded = _recorded_mesh(folder, canonical_from_source, source.roots, settings)
    switched = settings["up"] != "auto", settings["units"] != "auto"
    scan = read_scan(folder, canonical_from_source, source.roots, recorded, switched)
    if form is None and scan.world is not None:
        canonical_from_source = scan.world
    canonical_from_source = shifted(canonical_from_source, scan.shift)
    floor = None
    if form is not None:
        found = form.read(Annotated(folder, path, source.roots, settings, turn[2, :3] / np.linalg.norm(turn[2, :3])))
        labels, ids, boxes, refused = _solid(found, path.name)
        moved = move_boxes(boxes, canonical_from_source)
        if not scan.files:  # nothing but boxes, which may be in map coordinates, too
            canonical_from_source = shifted(canonical_from_source, shift_of(moved.center))
        boxes = move_boxes(boxes, canonical_from_source)
        if settings["sizes"] == "half":
            boxes = Boxes(boxes.center, 2 * boxes.size, boxes.rotation)
        floor = None if found.floor is None else _outline(found.floor, canonical_from_source)
        used = [path, *found.files, *(file for pattern in form.aside for file in folder.glob(pattern))]
    elif settings["boxes_from"] == "none":
        labels, ids, boxes, refused = [], [], Boxes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3, 3))), []
        used = []
    else:
        if not scan.names and not (scan.instance >= 0).any():
            problem = f"no field {INSTANCES[0]}, so its points belong to no object"
            raise SceneError(path.name, problem, reason=IngestReason.MISSING_FIELD)
        names = read_labels(folder, scan, settings["labels"], source.roots)
        labels, ids, boxes, refused = _boxes_of_scan(scan, names, settings["boxes"], path.name)
        used = [path, *([folder / LABELS] if settings["labels"] == "file" else [])]
    merges = {} if settings["merge"] == "none" else merges_of(settings["merge"])
    # The parts of a mesh have names; numbers of boxes that stand in another file are not theirs.
    cloud, mesh = scan.of_objects([] if form is not None and scan.names else ids)
    frames = read_frames(folder, canonical_from_source, source.roots, settings)
    used += [*scan.files, *frames.files]
    if any(file.suffix == ".gltf" for file in scan.files):
        used += folder.glob("*.bin")  # its buffers
    return Scene(
        scene_name=source.scene_name,
        dataset="generic",
        instance_id=np.array(ids, dtype=np.int64),
        category=np.array([merges.get(name, name) for name in names_of(labels)], dtype=object),
        category_raw=np.array(labels, dtype=object),
        center=boxes.center,
        size=boxes.size,
        rotation=boxes.rotation,
        room_size_m2=None if floor is None else _area(floor),
        floor_polygon=floor,
        canonical_from_source=canonical_from_source,
        source_sha=hashlib.sha256(read_bytes(path, max_bytes=MAX_SCAN_BYTES)).hexdigest(),
        frames=frames.frames,
        cloud=cloud,
        mesh=mesh,
        refused=(*refused, *_missing(scan), *frames.refused, *unread_files(folder, used)),
    )


def _missing(scan: Scan) -> list[SceneError]:
    """Name what a mesh refers to and is not there: the rest of it is read."""
    name = scan.files[-1].name if scan.files else ""
    return [SceneError(name, what, reason=IngestReason.MISSING_FILE) for what in scan.missing]


def _recorded_mesh(
    folder: Path, canonical_from_source: NDArray[np.float64], roots: tuple[Path, ...], settings: dict[str, str]
) -> tuple[Path, NDArray[np.float64]] | None:
    """Find the mesh that Polycam made, and its world, to which its poses come."""
    path = folder / RAW_MESH
    form, _ = frame_format(folder, settings["frames_from"])
    if form is None or form.name != POLYCAM.name or settings["polycam_world"] != "mesh" or not path.is_file():
        return None
    return path, frames_world(form, folder, canonical_from_source, roots, settings)[0]


def shifted(canonical_from_source: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move the canonical world."""
    moved = canonical_from_source.copy()
    moved[:3, 3] += shift
    return moved


def names_of(labels: Sequence[str]) -> list[str]:
    """Write labels as questions do."""
    return [readable(label) or label for label in labels]


def merges_of(text: str) -> dict[str, str]:
    """Read which categories are one.

    Examples
    --------
    >>> merges_of("chairs=chair,office chair=chair")
    {'chairs': 'chair', 'office chair': 'chair'}
    """
    merges: dict[str, str] = {}
    for pair in text.split(","):
        one, equals, other = (readable(part) if part != "=" else part for part in pair.partition("="))
        if not (one and equals and other):
            raise ValueError(f"{pair!r} is no pair")
        merges[one] = other
    return merges


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


def _solid(found: Annotation, name: str) -> _Objects:
    """Refuse boxes without thickness, as some tools write windows and doors; the others stay."""
    labels, boxes = found.labels, found.boxes
    ids = list(range(len(labels))) if found.ids is None else found.ids
    flat = ~(boxes.size > 0).all(axis=1)
    refused = [
        SceneError(
            f"{name}[{i}] ({shorten(labels[i])}).size", f"{boxes.size[i].tolist()} is not above 0", reason=BAD_SIZE
        )
        for i in np.flatnonzero(flat)
    ]
    if refused and flat.all():
        raise refused[0]
    if not labels and found.refused:
        raise found.refused[0]
    kept = np.flatnonzero(~flat)
    boxes = Boxes(boxes.center[kept], boxes.size[kept], boxes.rotation[kept])
    return [labels[i] for i in kept], [ids[i] for i in kept], boxes, [*found.refused, *refused]


def _outline(corners: NDArray[np.float64], canonical_from_source: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Bring the corners of a floor to the canonical plan, counter-clockwise; None where they are no outline."""
    from shapely import Polygon

    points = (corners @ canonical_from_source[:3, :3].T + canonical_from_source[:3, 3])[:, :2]
    outline = Polygon(points)
    if not outline.is_valid or outline.area <= 0:
        return None
    return points if outline.exterior.is_ccw else points[::-1]


def _area(outline: NDArray[np.float64]) -> float:
    """Area of an outline, by the shoelace formula."""
    x, y = outline.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _boxes_of_scan(scan: Scan, names: dict[int, str], fit: str, file: str) -> _Objects:
    """Fit boxes to the instances of a cloud that have a label; those without extent are refused."""
    ids = sorted(names)
    place = np.searchsorted(ids, scan.instance).clip(0, max(len(ids) - 1, 0))
    boxes = fit_boxes(scan.points, np.where(np.isin(scan.instance, ids), place, -1), len(ids), fit)
    kept, refused = split_flat(boxes, [f"{file}: instance {i}" for i in ids])
    boxes = Boxes(boxes.center[kept], boxes.size[kept], boxes.rotation[kept])
    return [names[ids[i]] for i in kept], [ids[i] for i in kept], boxes, refused


def formats(source: SceneSource) -> dict[str, str]:
    """Name the formats of the files of a scan, and what their numbers mean."""
    folder, settings = source.data
    boxes, path = box_file(folder, settings["boxes_from"])
    names = {} if boxes is None else {boxes.name: boxes.about}
    if boxes is None and path is not None and path.suffix in USD_ENDINGS:
        names["usd"] = USD_ABOUT
    try:
        frames, _ = frame_format(folder, settings["frames_from"])
    except SceneError:  # said where the scan is read
        return names
    return names if frames is None else names | {frames.name: frames.about}


GENERIC = Dataset(
    name="generic",
    description="Own scans: boxes, or a labelled cloud (PLY, PCD) or mesh (PLY, OBJ, glTF, USD); posed frames.",
    needs=f"the folder above <scan>/ with boxes ({', '.join(BOX_FORMATS)}) or one of {', '.join(SCANS)}; beside them "
    f"frames ({', '.join(FRAME_FORMATS)}); frames alone with --set boxes_from=none, for 'lift'",
    discover=discover,
    load=load,
    formats=formats,
    survey=formats_in,
    settings=(
        Setting(
            "up",
            "which axis points up; auto: as the format or file has it, else z",
            ("auto", *Z_UP_FROM),
            UP_OTHER,
            z_up_from,
        ),
        Setting(
            "boxes_from",
            "format of the boxes; auto: the first that is there; none: frames alone, for lift",
            ("auto", *BOX_FORMATS, "cloud", "none"),
        ),
        Setting(
            "units",
            "unit of lengths; auto: as USD says, else metres",
            tuple(METRES),
            "the number of metres that it has",
            metres_of,
        ),
        Setting("sizes", "what the sizes of boxes are: full or half lengths", ("full", "half")),
        Setting("axes", "where the 9 numbers of rotation hold the box axes", ("rows", "columns")),
        Setting("yaw", "unit of angles; auto: as the format has it, else radians", ("auto", "radians", "degrees")),
        Setting("quaternion", "order of the numbers of quaternion", ("wxyz", "xyzw")),
        Setting("kitti", "whose axes KITTI's words are in", ("camera", "cloud")),
        FIT_SETTING,
        Setting(
            "labels",
            "what objects of a mesh are called: labels.json, else USD's semantics; or names of its parts",
            ("file", "names"),
        ),
        Setting("frames_from", "format of the frames; auto: the first that is there", ("auto", *FRAME_FORMATS, "none")),
        Setting(
            "frames_up",
            "the same of the frames' world; auto: as its format has it, else as up",
            ("auto", *Z_UP_FROM),
            UP_OTHER,
            z_up_from,
        ),
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
        Setting("confidence", "least confidence of depth, as ARKit has it", tuple(LEVELS)),
        Setting("upright", "whether pictures recorded sideways are turned, with their cameras", ("auto", "no")),
        Setting(
            "every",
            "keep one frame in this many; auto: at most 600 of a recording by a phone",
            ("auto", "1", "2", "3", "5", "10", "15", "20", "30", "60"),
        ),
        Setting("applied_transform", "whether that of transforms.json stays or is undone", ("kept", "undone")),
        Setting("polycam_world", "the world of Polycam's poses: of raw.glb, or of the session", ("mesh", "session")),
        Setting(
            "fps",
            "frames per second by the numbers in their names; auto: times where names are times",
            ("auto",),
            "a number",
            frames_per_second,
        ),
        Setting("merge", "categories that are one", ("none",), "pairs: chairs=chair,office chair=chair", merges_of),
        Setting("exif", "which picture poses are of where EXIF turns it to be shown", ("shown", "stored")),
    ),
    checklist=(
        Need(
            "objects",
            ("*boxes.json", "*boxes.csv", "*cloud.*", "*mesh.ply", "*mesh.obj", "*mesh.gl*", "*mesh.usd*"),
            "boxes",
            "your own annotation, RoomPlan, SpatialLM or a labelling tool",
            True,
        ),
        Need(
            "cloud",
            ("*cloud.ply", "*cloud.pcd", "*cloud.la?", "*cloud.e57"),
            "room size, outline of the floor",
            "your scanner",
        ),
        Need(
            "mesh",
            ("*mesh.ply", "*mesh.obj", "*mesh.glb", "*mesh.gltf", "*mesh.usd*"),
            "what frames show, room size",
            "your scanner, or a modelling program",
        ),
        Need(
            "poses",
            (
                "*transforms*.json",
                "*poses.csv",
                "*images.txt",
                "*images.bin",
                "*odometry.csv",
                "*.r3d",
                "*keyframes/*cameras/*.json",
                "*frame_*.json",
                "*groundtruth.txt",
                "*rajectory.txt",
                "*_poses.txt",
            ),
            "frames, observations and coverage",
            "a recording app, nerfstudio, COLMAP or your own CSV",
        ),
        Need(
            "depth",
            ("*depth/*.png", "*depths/*.png", "*depth_*.png", "*.r3d"),
            "occlusion",
            "your scanner: uint16 PNG, millimetres",
        ),
    ),
)
"""Own scans."""
