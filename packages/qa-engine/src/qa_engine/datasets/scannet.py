"""ScanNet v2: scans with labelled segments. World: metres, +Z up; aligned to the walls by `axisAlignment`.

The dataset has no boxes. As in VoteNet and MMDetection3D they are the bounds of an object's vertices in the aligned
frame, so walls and furniture along the walls get tight boxes. Boxes of VSI-Bench are others: never mix the two.

References
----------
Dai et al., ScanNet, CVPR 2017; the README of its repository.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.box_fitting import FIT_SETTING, fit_boxes
from qa_engine.datasets.folders import folder_sources, scene_folders
from qa_engine.datasets.instances import (
    instance_of_vertices,
    read_groups,
    read_segments,
    split_flat,
)
from qa_engine.datasets.posed_frames import for_size
from qa_engine.datasets.sens import read_sens
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.depth import depth_reader, image_size, png_depth
from qa_engine.formats.parsing import check_inside, read_text
from qa_engine.formats.ply import positions
from qa_engine.formats.ply_faces import read_ply
from qa_engine.formats.text_tables import read_matrix
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.meshes import Mesh, triangle_instances
from qa_engine.scenes.scene import Frame, Scene

SCENE = re.compile(r"(scene\d{4})_\d{2}")
LABELS = "scannetv2-labels.combined.tsv"
DEPTH_PER_METRE = 1000
FRAMES_PER_S = 30
"""Rate of ScanNet's recordings, whose frames are numbered by it."""

ALIGNMENT_TOLERANCE = 1e-3
"""`axisAlignment` is stored with 6 digits; more than this off a rotation is damage."""


@dataclass(frozen=True)
class _Located:
    """A scan, the folder of its exported frames, names of labels, settings."""

    folder: Path
    frames: Path
    names: dict[str, str]
    settings: dict[str, str]


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scans of `scans/<scene>/<scene>.aggregation.json`, or of a folder further down.

    Raises
    ------
    QAEngineError
        A folder or the table of labels is missing or damaged, or no scan lies in ROOT.
    """
    settings = SCANNET.chosen(options)
    folders = scene_folders(root, _is_scan, below=("scans",), needs=SCANNET.needs)
    assert root is not None
    names = _label_names(root) if settings["labels"] == "nyu40" else {}

    def locate(folder: Path) -> _Located:
        frames = folder if options.frames_dir is None else options.frames_dir / folder.resolve().name
        return _Located(folder, frames, names, settings)

    roots = tuple({path.resolve() for path in (root, options.frames_dir) if path is not None})
    sources = folder_sources(root, folders, locate)
    return [SceneSource(scene_name=s.scene_name, item=s.item, data=s.data, roots=roots) for s in sources]


def load(source: SceneSource) -> Scene:
    """Read one scan: boxes of its objects, frames from an exported folder or the `.sens` file.

    Raises
    ------
    SceneError
        A file is missing or damaged.
    """
    located: _Located = source.data
    stem = located.folder / source.scene_name
    aggregation = Path(f"{stem}.aggregation.json")
    mesh = Path(f"{stem}_vh_clean_2.ply")
    mesh = mesh if mesh.is_file() else Path(f"{stem}_vh_clean_2.labels.ply")
    segments_path = Path(f"{stem}_vh_clean_2.0.010000.segs.json")
    for path in (aggregation, mesh, segments_path):
        check_inside(path, source.roots)
    canonical_from_source = np.eye(4)
    if located.settings["frame"] == "aligned":
        check_inside(Path(f"{stem}.txt"), source.roots)
        canonical_from_source = read_alignment(Path(f"{stem}.txt"))
    groups, sha = read_groups(aggregation)
    segments = read_segments(segments_path)
    found = read_ply(mesh)
    points = positions(found.vertices, mesh.name)
    if len(points) != len(segments):
        problem = f"{len(segments)} values, {mesh.name} has {len(points)} vertices"
        raise SceneError(f"{segments_path.name}: segIndices", problem, reason=IngestReason.BAD_FORMAT)
    points = points @ canonical_from_source[:3, :3].T + canonical_from_source[:3, 3]
    instance = instance_of_vertices(groups, segments)
    boxes = fit_boxes(points, instance, len(groups), located.settings["boxes"])
    kept, refused = split_flat(boxes, [f"{aggregation.name}: segGroups[{i}]" for i in range(len(groups))])
    labels = [groups[i].label for i in kept]
    ids = np.array([group.object_id for group in groups] + [-1], dtype=np.int64)
    of_vertex = np.where(np.isin(instance, kept), ids[instance], -1)
    vertices = points.astype(np.float32)
    match = SCENE.fullmatch(source.scene_name)
    frames, lost = _frames(located, stem, canonical_from_source, source.roots)
    return Scene(
        scene_name=source.scene_name,
        dataset="scannet",
        scene_group=match[1] if match else source.scene_name,
        instance_id=ids[kept],
        category=np.array([located.names.get(label.strip(), label.strip()) for label in labels], dtype=object),
        category_raw=np.array(labels, dtype=object),
        center=boxes.center[kept],
        size=boxes.size[kept],
        rotation=boxes.rotation[kept],
        canonical_from_source=canonical_from_source,
        source_sha=sha,
        cloud=Cloud(vertices, of_vertex),
        mesh=Mesh(vertices, found.triangles, triangle_instances(of_vertex, found.triangles)),
        frames=frames,
        refused=(*refused, *lost),
    )


def read_alignment(path: Path) -> NDArray[np.float64]:
    """Read `axisAlignment` (4, 4), aligned from raw, metres, from `<scene>.txt`.

    Raises
    ------
    SceneError
        It is missing (test scans and the first release have none) or no rigid motion.
    """
    for line in read_text(path, max_bytes=1_000_000).splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if key != "axisAlignment":
            continue
        field = f"{path.name}: axisAlignment"
        try:
            matrix = np.array([float(word) for word in value.split()]).reshape(4, 4)
        except ValueError as error:
            raise SceneError(field, f"expected 16 numbers ({error})", reason=IngestReason.WRONG_TYPE) from None
        turn = matrix[:3, :3]
        with np.errstate(all="ignore"):
            off = np.abs(turn @ turn.T - np.eye(3)).max()
        if not np.isfinite(matrix).all() or not off <= ALIGNMENT_TOLERANCE or np.linalg.det(turn) < 0:
            raise SceneError(field, "no rotation and shift", reason=IngestReason.BAD_ROTATION)
        return matrix
    problem = "missing, as in test scans; '--set frame=raw' takes the scan as it was recorded"
    raise SceneError(f"{path.name}: axisAlignment", problem, reason=IngestReason.MISSING_FIELD)


def _frames(
    located: _Located, stem: Path, canonical_from_source: NDArray[np.float64], roots: tuple[Path, ...]
) -> tuple[tuple[Frame, ...], list[SceneError]]:
    """Take frames from an exported folder, or else from the recording, and what is refused of them."""
    every, source = int(located.settings["every"]), located.settings["frames"]
    if source != "sens" and (located.frames / "color").is_dir():
        return _exported(
            located.frames, canonical_from_source, roots, every, _recorded_size(Path(f"{stem}.txt"), roots)
        )
    recording = Path(f"{stem}.sens")
    if source != "exported" and recording.is_file():
        frames, untracked = read_sens(recording, canonical_from_source, roots, every=every)
        return frames, _untracked(untracked)
    return (), []


def _untracked(n: int) -> list[SceneError]:
    """Say how many frames the recording lost track of."""
    problem = f"the poses of {n} frames are not finite: they were not tracked"
    return [SceneError("frames", problem, reason=IngestReason.SKIPPED)] if n else []


def _exported(
    folder: Path,
    canonical_from_source: NDArray[np.float64],
    roots: tuple[Path, ...],
    every: int,
    recorded: tuple[int, int] | None,
) -> tuple[tuple[Frame, ...], list[SceneError]]:
    """Read the folders color, depth, pose, intrinsic that ScanNet's reader exports.

    Many export smaller pictures with the camera of the recording: where its size is known, the camera is scaled.
    """
    recorded_camera = _intrinsics(folder / "intrinsic" / "intrinsic_color.txt", roots)
    depth_camera = _intrinsics(folder / "intrinsic" / "intrinsic_depth.txt", roots)
    images = [p for p in (folder / "color").iterdir() if p.stem.isdecimal() and p.suffix in (".jpg", ".png")]
    frames: list[Frame] = []
    refused: list[SceneError] = []
    untracked = 0
    for path in sorted(images, key=lambda path: int(path.stem))[::every]:
        pose_path, depth_path = folder / "pose" / f"{path.stem}.txt", folder / "depth" / f"{path.stem}.png"
        pose = None
        if pose_path.is_file():
            check_inside(pose_path, roots)
            try:
                pose = read_matrix(pose_path, (4, 4), finite=False)
            except SceneError as error:
                refused.append(SceneError(f"pose/{error.field}", error.problem, reason=error.reason))
                continue
            if not np.isfinite(pose).all():
                untracked += 1
                continue
            pose = canonical_from_source @ pose
        size, depth, matrix, image_camera = image_size(path), None, None, recorded_camera
        if image_camera is not None:
            try:
                image_camera = for_size(image_camera, recorded, size, path.name)
            except SceneError as error:
                refused.append(error)
                continue
        if image_camera is not None and depth_camera is not None:
            matrix = depth_camera @ np.linalg.inv(image_camera)
        if depth_path.is_file():
            stored = png_depth(depth_path, roots, per_metre=DEPTH_PER_METRE)
            depth = depth_reader(stored, size=size, depth_from_image=matrix)
        frames.append(
            Frame(
                frame_id=f"{int(path.stem):06d}",
                image_path=path,
                read_depth=depth,
                time_s=int(path.stem) / FRAMES_PER_S,
                intrinsics=image_camera,
                world_from_camera=pose,
            )
        )
    return tuple(frames), [*refused, *_untracked(untracked)]


def _recorded_size(path: Path, roots: tuple[Path, ...]) -> tuple[int, int] | None:
    """Read colorWidth and colorHeight of `<scene>.txt`; None where they are missing."""
    if not path.is_file():
        return None
    check_inside(path, roots)
    lines = [line.partition("=") for line in read_text(path, max_bytes=1_000_000).splitlines()]
    values = {key.strip(): value.strip() for key, _, value in lines}
    width, height = (values.get(key, "") for key in ("colorWidth", "colorHeight"))
    return (int(width), int(height)) if width.isdecimal() and height.isdecimal() and int(width) * int(height) else None


def _intrinsics(path: Path, roots: tuple[Path, ...]) -> NDArray[np.float64] | None:
    """Read a camera matrix (4, 4) as (3, 3); None where the file does not exist."""
    if not path.is_file():
        return None
    check_inside(path, roots)
    matrix = read_matrix(path, (4, 4))[:3, :3]
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise SceneError(path.name, "focal length not above 0", reason=IngestReason.BAD_CAMERA)
    return matrix


def _label_names(root: Path) -> dict[str, str]:
    """Read the table that maps free labels to NYU40 classes."""
    path = next((p for folder in (root, root.resolve().parent) if (p := folder / LABELS).is_file()), None)
    if path is None:
        raise QAEngineError(f"{root}: no {LABELS} in or beside it; it is part of the download. Or --set labels=raw.")
    try:
        header, *rows = [line.split("\t") for line in read_text(path, max_bytes=64_000_000).splitlines()] or [[]]
    except SceneError as error:
        raise QAEngineError(f"{path}: {error}. {error.reason.fix}") from None
    if not {"raw_category", "nyu40class"} <= set(header):
        raise QAEngineError(f"{path}: expected columns raw_category, nyu40class, found {header[:8]}.")
    raw, name = header.index("raw_category"), header.index("nyu40class")
    return {row[raw]: row[name] for row in rows if len(row) == len(header) and row[name]}


def _is_scan(path: Path) -> bool:
    return (path / f"{path.resolve().name}.aggregation.json").is_file()


_SOURCE = "the download script that ScanNet's authors send after its terms are signed"
"""Where its parts come from."""

SCANNET = Dataset(
    name="scannet",
    description="ScanNet v2: scanned rooms; boxes are bounds of labelled vertices, frames exported or from .sens.",
    needs="the folder above scans/<scene>/<scene>.aggregation.json with its .txt, _vh_clean_2.ply and segs.json",
    discover=discover,
    load=load,
    options=frozenset({"frames_dir"}),
    settings=(
        Setting("frame", "aligned to the walls by axisAlignment, or as recorded", ("aligned", "raw")),
        FIT_SETTING,
        Setting("labels", f"free labels, or NYU40 classes by {LABELS}", ("raw", "nyu40")),
        Setting("frames", "where frames come from; auto prefers the exported folder", ("auto", "exported", "sens")),
        Setting("every", "keep one frame in this many", ("1", "2", "5", "10", "20", "50", "100")),
    ),
    checklist=(
        Need("aggregation", ("*.aggregation.json",), "objects", f"{_SOURCE}: --type .aggregation.json", True),
        Need(
            "mesh",
            ("*_vh_clean_2.ply", "*_vh_clean_2.labels.ply"),
            "boxes, cloud",
            f"{_SOURCE}: _vh_clean_2.ply",
            True,
        ),
        Need(
            "segments",
            ("*_vh_clean_2.0.010000.segs.json",),
            "boxes",
            f"{_SOURCE}: _vh_clean_2.0.010000.segs.json",
            True,
        ),
        Need("alignment", ("*scene????_??.txt",), "boxes along the walls (else --set frame=raw)", f"{_SOURCE}: .txt"),
        Need("recording", ("*.sens", "*color/*.jpg"), "frames, depth, poses", f"{_SOURCE}: .sens"),
        Need("label table", ("*scannetv2-labels.combined.tsv",), "--set labels=nyu40", f"{_SOURCE}: label map"),
    ),
)
"""ScanNet v2 in its official layout."""
