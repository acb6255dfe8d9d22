"""Read cameras and poses of COLMAP's text files and of nerfstudio's transforms.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import OPENGL_FROM_OPENCV, poses, rotations
from qa_engine.formats.parsing import expect, member, number, numbers, read_json, read_text
from qa_engine.scenes.fields import shorten

MAX_BYTES = 1_000_000_000
"""images.txt lists every feature of every image."""

PINHOLE_PARAMETERS = {
    "SIMPLE_PINHOLE": (0, 0, 1, 2),
    "PINHOLE": (0, 1, 2, 3),
    "SIMPLE_RADIAL": (0, 0, 1, 2),
    "RADIAL": (0, 0, 1, 2),
    "OPENCV": (0, 1, 2, 3),
    "OPENCV_FISHEYE": (0, 1, 2, 3),
    "FULL_OPENCV": (0, 1, 2, 3),
}
"""Places of fx, fy, cx, cy among a camera's numbers; distortion is not kept."""


@dataclass(frozen=True)
class PosedImage:
    """An image with what its file of poses says.

    Parameters
    ----------
    name : str
        Path below the folder of images.
    source_from_camera : (4, 4) float64, metres, OpenCV camera axes
    intrinsics : (3, 3) float64, pixels, optional
    size : (int, int), optional
        Width and height, pixels.
    time_s : float, optional
    """

    name: str
    source_from_camera: NDArray[np.float64]
    intrinsics: NDArray[np.float64] | None = None
    size: tuple[int, int] | None = None
    time_s: float | None = None


def read_colmap(folder: Path) -> list[PosedImage]:
    """Read `cameras.txt` and `images.txt`; COLMAP stores camera-from-world, OpenCV axes.

    Raises
    ------
    SceneError
        A file is missing or damaged.
    """
    cameras = _cameras(folder / "cameras.txt")
    path = folder / "images.txt"
    lines = [line for line in read_text(path, max_bytes=MAX_BYTES).splitlines() if not line.startswith("#")]
    while lines and not lines[0].strip():
        del lines[0]
    names, rows, used = [], [], []
    for i, line in enumerate(lines[::2]):  # each image has a second line, with its features
        words = line.split(maxsplit=9)
        field = f"{path.name}: image {i}"
        if not words:
            continue
        if len(words) != 10:
            raise SceneError(field, f"expected 10 values, found {shorten(line)}", reason=IngestReason.BAD_CAMERA)
        if words[8] not in cameras:
            problem = f"camera {shorten(words[8])} is not in cameras.txt"
            raise SceneError(field, problem, reason=IngestReason.BAD_CAMERA)
        names.append(safe_name(words[9], field))
        rows.append(_floats(words[1:8], field))
        used.append(cameras[words[8]])
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    camera_from_world = rotations(table[:, :4], path.name, order="wxyz")
    turn = camera_from_world.transpose(0, 2, 1)
    matrix = poses(turn, -np.einsum("nij,nj->ni", turn, table[:, 4:]))
    return [
        PosedImage(name, pose, intrinsics, size)
        for name, pose, (intrinsics, size) in zip(names, matrix, used, strict=True)
    ]


def read_transforms(path: Path, *, lists: tuple[str, ...] = ("frames",)) -> list[PosedImage]:
    """Read nerfstudio's transforms.json: camera-to-world, OpenGL axes, intrinsics for all or per frame.

    Parameters
    ----------
    path : Path
    lists : tuple of str
        Keys that hold frames; ScanNet++ adds `test_frames`.

    Raises
    ------
    SceneError
        The file is damaged.
    """
    value, _ = read_json(path, max_bytes=MAX_BYTES)
    value = expect(value, dict, path.name)
    images: list[PosedImage] = []
    for key in lists:
        frames = member(value, key, list, path.name) if key == lists[0] else expect(value.get(key, []), list, key)
        for i, entry in enumerate(frames):
            field = f"{path.name}: {key}[{i}]"
            frame = expect(entry, dict, field)
            name = safe_name(member(frame, "file_path", str, field), f"{field}.file_path")
            rows = member(frame, "transform_matrix", list, field)
            matrix = np.array([numbers(row, 4, f"{field}.transform_matrix") for row in rows])
            if matrix.shape != (4, 4):
                problem = f"expected 4 x 4 numbers, found {matrix.shape}"
                raise SceneError(f"{field}.transform_matrix", problem, reason=IngestReason.BAD_CAMERA)
            own = value | frame
            time = own.get("timestamp")
            intrinsics, size = _shared_camera(own, field)
            images.append(
                PosedImage(
                    name,
                    matrix @ OPENGL_FROM_OPENCV,
                    intrinsics,
                    size,
                    None if time is None else number(time, f"{field}.timestamp"),
                )
            )
    return images


def safe_name(name: str, field: str) -> str:
    """Check that a path of an image stays below its folder.

    Examples
    --------
    >>> safe_name("./images/a.jpg", "file_path")
    'images/a.jpg'
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if not name or path.is_absolute() or ".." in path.parts or not name.isprintable():
        problem = f"{shorten(name)} is no path below the folder"
        raise SceneError(field, problem, reason=IngestReason.BAD_NAME)
    return path.as_posix()


def _shared_camera(values: dict[str, object], field: str) -> tuple[NDArray[np.float64] | None, tuple[int, int] | None]:
    """Read fl_x, fl_y, cx, cy, w, h as far as they exist."""
    size = None
    if "w" in values and "h" in values:
        width, height = number(values["w"], f"{field}.w"), number(values["h"], f"{field}.h")
        size = _size(width, height, field)
    if "fl_x" not in values:
        return None, size
    fx = number(values["fl_x"], f"{field}.fl_x")
    fy = number(values.get("fl_y", fx), f"{field}.fl_y")
    cx, cy = (number(member(values, key, object, field), f"{field}.{key}") for key in ("cx", "cy"))
    return _matrix(fx, fy, cx, cy, field), size


def _cameras(path: Path) -> dict[str, tuple[NDArray[np.float64], tuple[int, int]]]:
    """Read cameras.txt: id to matrix and size."""
    cameras: dict[str, tuple[NDArray[np.float64], tuple[int, int]]] = {}
    for i, line in enumerate(read_text(path, max_bytes=MAX_BYTES).splitlines()):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        field = f"{path.name}: line {i + 1}"
        places = PINHOLE_PARAMETERS.get(words[1]) if len(words) > 1 else None
        if places is None or len(words) < 5 + max(places):
            valid = ", ".join(PINHOLE_PARAMETERS)
            problem = f"expected a camera of {valid}, found {shorten(line)}"
            raise SceneError(field, problem, reason=IngestReason.BAD_CAMERA)
        width, height, *values = _floats(words[2:], field)
        fx, fy, cx, cy = (values[place] for place in places)
        cameras[words[0]] = (_matrix(fx, fy, cx, cy, field), _size(width, height, field))
    return cameras


def _matrix(fx: float, fy: float, cx: float, cy: float, field: str) -> NDArray[np.float64]:
    if fx <= 0 or fy <= 0:
        raise SceneError(field, f"focal length {fx:g}, {fy:g} not above 0", reason=IngestReason.BAD_CAMERA)
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def _size(width: float, height: float, field: str) -> tuple[int, int]:
    if not (1 <= width <= 1e5 and 1 <= height <= 1e5):
        raise SceneError(field, f"an image of {width:g} x {height:g} pixels", reason=IngestReason.BAD_CAMERA)
    return int(width), int(height)


def _floats(words: list[str], field: str) -> list[float]:
    """Convert words to finite numbers."""
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise SceneError(field, str(error), reason=IngestReason.BAD_CAMERA) from None
    if not np.isfinite(values).all():
        raise SceneError(field, "a value is NaN or infinite", reason=IngestReason.BAD_CAMERA)
    return values
