"""Polycam's raw data: keyframes with one JSON of camera and pose each, depth and confidence, and a mesh `raw.glb`.

References
----------
PolyCam/polyform, `README.md` and `polyform/core/capture_folder.py`: `t_ij` is row i and column j of the camera's pose
in ARKit's world; corrected cameras go with corrected images; confidence is 0, 127 or 255; `raw.glb` lies in the world
that `alignmentTransform` of `mesh_info.json` (column-major) leads to.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.lenses import Lens
from qa_engine.formats.parsing import check_inside, expect, number, numbers, read_json
from qa_engine.formats.pictures import file_picture
from qa_engine.formats.posed_images import PosedImage, checked_size
from qa_engine.formats.recordings.base import FrameFormat, Recording

MAX_BYTES = 10_000_000
RAW_MESH = "raw.glb"
MICROSECONDS = 1e-6


def find_polycam(folder: Path) -> tuple[Path, ...]:
    """Find the cameras: the corrected ones where there are corrected images, too."""
    frames = folder / "keyframes"
    corrected = tuple(sorted((frames / "corrected_cameras").glob("*.json")))
    if corrected and (frames / "corrected_images").is_dir():
        return corrected
    return tuple(sorted((frames / "cameras").glob("*.json")))


def read_polycam(recording: Recording) -> list[PosedImage]:
    """Read a recording; a camera that is damaged loses its frame alone.

    Raises
    ------
    SceneError
        The alignment of the mesh is damaged.
    """
    world = np.eye(4)
    if recording.settings["polycam_world"] == "mesh":
        world = mesh_from_session(recording.folder, recording.roots)
    return [_image(path, world, recording) for path in recording.files]


def mesh_from_session(folder: Path, roots: tuple[Path, ...]) -> NDArray[np.float64]:
    """Read the transform from ARKit's world to that of `raw.glb`; none where there is no mesh."""
    path = folder / "mesh_info.json"
    if not path.is_file():
        return np.eye(4)
    check_inside(path, roots)
    info = expect(read_json(path, max_bytes=MAX_BYTES)[0], dict, path.name)
    if "alignmentTransform" not in info:
        return np.eye(4)
    matrix = np.reshape(numbers(info["alignmentTransform"], 16, f"{path.name}: alignmentTransform"), (4, 4)).T
    if np.abs(matrix[:3, :3] @ matrix[:3, :3].T - np.eye(3)).max() > 1e-3:
        problem = "turns and scales; its mesh and its poses are not of one size"
        raise SceneError(f"{path.name}: alignmentTransform", problem, reason=IngestReason.BAD_ROTATION)
    return matrix


def _image(path: Path, world: NDArray[np.float64], recording: Recording) -> PosedImage:
    """Read one keyframe."""
    name, frames = path.stem, path.parent.parent
    corrected = path.parent.name == "corrected_cameras"
    time_s = int(name) * MICROSECONDS if name.isdecimal() and name.isascii() else None
    picture = frames / ("corrected_images" if corrected else "images") / f"{name}.jpg"
    try:
        check_inside(path, recording.roots)
        camera = expect(read_json(path, max_bytes=MAX_BYTES)[0], dict, path.name)

        def value(key: str) -> float:
            return number(camera.get(key), f"{path.name}: {key}")

        rows = [[value(f"t_{i}{j}") for j in range(4)] for i in range(3)]
        size = checked_size(value("width"), value("height"), path.name)
        lens = Lens(*size, value("fx"), value("fy"), value("cx"), value("cy"))
        if min(lens.fx, lens.fy) <= 0:
            raise SceneError(path.name, "focal length not above 0", reason=IngestReason.BAD_CAMERA)
        if not picture.is_file():
            problem = "no such image; export the raw data again with images"
            raise SceneError(picture.name, problem, reason=IngestReason.MISSING_FILE)
        check_inside(picture, recording.roots)
    except SceneError as error:
        return PosedImage(name, np.eye(4), time_s=time_s, refused=error, files=(path,))
    pose = recording.poses(np.array([*rows, [0, 0, 0, 1]])[None])[0]
    return PosedImage(
        name,
        world @ pose,
        lens,
        time_s,
        picture=file_picture(picture, recording.roots),
        depth=recording.depth(frames / "depth" / f"{name}.png", frames / "confidence" / f"{name}.png"),
        files=(path, picture, recording.folder / "mesh_info.json"),
    )


POLYCAM = FrameFormat(
    name="polycam",
    title="Polycam raw",
    told_by="`keyframes/cameras/*.json`",
    up="y",
    axes="opengl",
    depth="uint16 mm, confidence 0, 127, 255",
    find=find_polycam,
    read=read_polycam,
    aside=(
        "thumbnail.jpg",
        "polycam.mp4",
        "anchors.json",
        "keyframes/cameras/*",
        "keyframes/images/*",
        "keyframes/corrected_cameras/*",
        "keyframes/corrected_images/*",
    ),
    sideways=True,
    note="poses are brought to the world of `raw.glb`; images without `corrected_images` are a little distorted",
)
