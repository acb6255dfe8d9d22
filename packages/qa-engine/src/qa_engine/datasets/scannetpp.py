"""ScanNet++ (v2 layout): laser scans with oriented boxes, photos and iPhone video. World: metres, +Z up.

References
----------
Yeshwanth et al., ScanNet++, ICCV 2023; scene_release.py of its toolbox for the layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.folders import folder_sources, scene_folders
from qa_engine.datasets.instances import Group, box_columns, instance_of_vertices, read_groups, read_segments
from qa_engine.datasets.posed_frames import placed, posed_frame
from qa_engine.datasets.scan_mesh import of_vertices, scan_mesh
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.colmap import model_file, read_colmap
from qa_engine.formats.depth import png_depth
from qa_engine.formats.lenses import Lens
from qa_engine.formats.parsing import check_inside, expect, member, numbers, read_json
from qa_engine.formats.pictures import read_header
from qa_engine.formats.ply_faces import PlyMesh
from qa_engine.formats.posed_images import PosedImage
from qa_engine.formats.transforms import read_transforms
from qa_engine.scenes.scene import Frame, Scene

ANNOTATION = "scans/segments_anno.json"
MESH = "scans/mesh_aligned_0.05.ply"
SEGMENTS = "scans/segments.json"
MAX_POSE_BYTES = 2_000_000_000
"""pose_intrinsic_imu.json holds every frame of a video with its motion sensors."""

MESH_FROM_NERFSTUDIO = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])
"""nerfstudio's converter swaps x and y of COLMAP's world and turns z over; this is its own inverse."""

DEPTH_PER_METRE = 1000
IPHONE_FPS = 60.0
"""Rate of the video whose frame numbers name the images."""


@dataclass(frozen=True)
class _Located:
    """A scene and the settings."""

    folder: Path
    settings: dict[str, str]


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scenes of `data/<id>/scans/segments_anno.json`.

    Raises
    ------
    QAEngineError
        The folder is missing, or no scene lies in it.
    """
    settings = SCANNETPP.chosen(options)
    folders = scene_folders(root, lambda path: (path / ANNOTATION).is_file(), below=("data",), needs=SCANNETPP.needs)
    return folder_sources(root, folders, lambda folder: _Located(folder, settings))


def load(source: SceneSource) -> Scene:
    """Read one scene: boxes, and the frames of one camera.

    Raises
    ------
    SceneError
        A file is damaged, or a box or a camera is not valid.
    """
    located: _Located = source.data
    path = located.folder / ANNOTATION
    check_inside(path, source.roots)
    groups, sha = read_groups(path)
    objects = box_columns(groups, axes=located.settings["axes"])
    surface = scan_mesh(
        located.folder / MESH,
        of_vertices(lambda mesh: _objects_of_vertices(located, groups, mesh, source.roots)),
        objects["instance_id"],
        roots=source.roots,
    )
    frames, refused = _frames(located, source.roots)
    return Scene(
        scene_name=source.scene_name,
        dataset="scannetpp",
        **objects,
        source_sha=sha,
        frames=frames,
        cloud=surface.cloud,
        mesh=surface.mesh,
        refused=(*surface.refused, *refused),
    )


def _objects_of_vertices(
    located: _Located, groups: list[Group], mesh: PlyMesh, roots: tuple[Path, ...]
) -> NDArray[np.int64]:
    """Give each vertex its object; `segments` of the annotation are vertices, or names of segments."""
    ids = np.array([group.object_id for group in groups] + [-1], dtype=np.int64)
    segments = np.arange(len(mesh.vertices))
    if located.settings["segments"] == "segments":
        path = located.folder / SEGMENTS
        check_inside(path, roots)
        segments = read_segments(path)
        if len(segments) != len(mesh.vertices):
            problem = f"{len(segments)} values, the mesh has {len(mesh.vertices)} vertices"
            raise SceneError(f"{path.name}: segIndices", problem, reason=IngestReason.BAD_FORMAT)
    return ids[instance_of_vertices(groups, segments)]


def _frames(located: _Located, roots: tuple[Path, ...]) -> tuple[tuple[Frame, ...], list[SceneError]]:
    """Read the frames of the chosen camera that exist as image files, and what is refused of them."""
    device, poses = located.settings["camera"], located.settings["poses"]
    folder = located.folder / device
    choices = ("imu", "colmap", "nerfstudio") if poses == "auto" else (poses,)
    files = {
        "imu": folder / "pose_intrinsic_imu.json",
        "colmap": model_file(folder / "colmap") or folder / "colmap" / "images.txt",
        "nerfstudio": folder / "nerfstudio" / "transforms.json",
    }
    kind = next((name for name in choices if files[name].is_file()), None)
    if kind is None:
        return (), []
    check_inside(files[kind], roots)
    pictures = folder / ("rgb" if device == "iphone" else "resized_images")
    if kind == "imu":
        images = _imu(files["imu"], located.settings["imu_pose"], pictures)
    elif kind == "colmap":
        images = read_colmap(files["colmap"].parent)
    else:
        images = read_transforms(files["nerfstudio"], lists=("frames", "test_frames"))
        if located.settings["nerfstudio_world"] == "swapped":
            images = [placed(image, MESH_FROM_NERFSTUDIO) for image in images]
    every = int(located.settings["every"])
    found = [image for image in sorted(images, key=lambda image: image.name) if (pictures / image.name).is_file()]
    frames: list[Frame] = []
    refused: list[SceneError] = []
    for image in found[::every]:
        try:
            frames.append(_frame(image, pictures / image.name, folder / "depth", roots))
        except SceneError as error:
            refused.append(error)
    return tuple(frames), refused


def _frame(image: PosedImage, path: Path, depth_folder: Path, roots: tuple[Path, ...]) -> Frame:
    """Make a frame; depth exists for the iPhone, in fewer pixels than the image."""
    depth = depth_folder / f"{path.stem}.png"
    number = path.stem.removeprefix("frame_")
    time_s = int(number) / IPHONE_FPS if number.isdecimal() and number != path.stem else None
    return posed_frame(
        replace(image, time_s=time_s),
        path,
        roots,
        frame_id=path.stem,
        canonical_from_source=np.eye(4),
        depth=png_depth(depth, roots, per_metre=DEPTH_PER_METRE) if depth.is_file() else None,
    )


def _imu(path: Path, key: str, pictures: Path) -> list[PosedImage]:
    """Read the poses of the iPhone video: an object with one entry per frame; cameras are for its pictures' size."""
    value, _ = read_json(path, max_bytes=MAX_POSE_BYTES)
    images: list[PosedImage] = []
    for name, entry in expect(value, dict, path.name).items():
        field = f"{path.name}: {name}"
        frame = expect(entry, dict, field)
        pose = _square(frame, key, 4, field)
        intrinsics = _square(frame, "intrinsic", 3, field)
        picture = f"{Path(name).name}.jpg"
        header = read_header(pictures / picture)
        (fx, _, cx), (_, fy, cy), _ = intrinsics.tolist()
        if fx <= 0 or fy <= 0:
            raise SceneError(f"{field}.intrinsic", "focal length not above 0", reason=IngestReason.BAD_CAMERA)
        images.append(PosedImage(picture, pose, None if header is None else Lens(*header.size, fx, fy, cx, cy)))
    return images


def _square(frame: dict[str, object], key: str, n: int, field: str) -> np.ndarray:
    """Read a matrix of n x n numbers."""
    rows = member(frame, key, list, field)
    if len(rows) != n:
        raise SceneError(f"{field}.{key}", f"expected {n} rows, found {len(rows)}", reason=IngestReason.BAD_CAMERA)
    return np.array([numbers(row, n, f"{field}.{key}") for row in rows])


_SOURCE = "the download script of ScanNet++, with a token from its website"
"""Where its parts come from."""

SCANNETPP = Dataset(
    name="scannetpp",
    description="ScanNet++ v2: boxes of laser scans, with iPhone or DSLR frames and poses.",
    needs=f"the folder above data/<id>/{ANNOTATION}; images unpacked to iphone/rgb or dslr/resized_images",
    discover=discover,
    load=load,
    settings=(
        Setting("camera", "whose images become frames", ("iphone", "dslr")),
        Setting("poses", "which file of poses is read; auto takes the first", ("auto", "imu", "colmap", "nerfstudio")),
        Setting("imu_pose", "which pose of pose_intrinsic_imu.json counts", ("aligned_pose", "pose")),
        Setting("nerfstudio_world", "whether transforms.json has x, y swapped and z over", ("swapped", "mesh")),
        Setting("segments", "what segments_anno.json lists per object", ("vertices", "segments")),
        Setting("axes", "where normalizedAxes holds the box axes", ("rows", "columns")),
        Setting("every", "keep one frame in this many", ("1", "2", "5", "10", "20", "50", "100")),
    ),
    checklist=(
        Need("annotation", ("*scans/segments_anno.json",), "boxes", _SOURCE, True),
        Need("iPhone images", ("*iphone/rgb/*.jpg",), "frames", "iphone/rgb.mkv, unpacked with the ScanNet++ toolbox"),
        Need(
            "iPhone poses",
            ("*iphone/pose_intrinsic_imu.json", "*iphone/colmap/images.txt", "*iphone/nerfstudio/transforms.json"),
            "observations and coverage",
            _SOURCE,
        ),
        Need("mesh", ("*scans/mesh_aligned_0.05.ply",), "cloud, room size, occlusion", _SOURCE),
        Need("DSLR images", ("*dslr/resized_images/*",), "frames with --set camera=dslr", _SOURCE),
    ),
)
"""ScanNet++ in the layout of its second release."""
