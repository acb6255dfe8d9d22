"""Read nerfstudio's transforms.json, and the files of instant-ngp and NeRF that it grew from.

References
----------
nerfstudio's data conventions (`file_path`, `depth_file_path`, `camera_model`, `k1` to `p2`), instant-ngp's
`is_fisheye`, NeRF's `camera_angle_x`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import OPENGL_FROM_OPENCV
from qa_engine.formats.lenses import Lens
from qa_engine.formats.parsing import expect, member, number, numbers, read_json
from qa_engine.formats.posed_images import PosedImage, SizeOf, checked_size, safe_name, some_usable

MAX_BYTES = 1_000_000_000
PERSPECTIVE = ("", "OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE", "SIMPLE_RADIAL", "RADIAL", "FULL_OPENCV")
FISHEYE = ("OPENCV_FISHEYE", "FISHEYE")
DEPTH_PATHS = ("depth_file_path", "depth_path")
DEPTH_UNITS = ("depth_unit_scale_factor", "integer_depth_scale", "depth_integer_scale")
"""nerfstudio's names go before those of instant-ngp and NeRFCapture."""

UNREAD_LENS = ("k5", "k6", "sx1", "sy1", "distortion_params", "omega", "is_equirectangular")
"""Numbers of lenses that other programs write and nothing here reads."""


def read_transforms(
    path: Path, *, lists: tuple[str, ...] = ("frames",), camera: str = "opengl", size_of: SizeOf = lambda _: None
) -> list[PosedImage]:
    """Read camera-to-world poses, and lenses for all or per frame.

    Parameters
    ----------
    path : Path
    lists : tuple of str
        Keys that hold frames; ScanNet++ adds `test_frames`.
    camera : str
        Axes of the cameras: `opengl` as published, or `opencv`, which some programs write.
    size_of : callable
        Tells the size of an image where the file does not.

    Raises
    ------
    SceneError
        The file is damaged, or names an image outside of its folder. A frame whose numbers are damaged, or whose lens
        cannot be undistorted, is `refused` alone.
    """
    value, _ = read_json(path, max_bytes=MAX_BYTES)
    value = expect(value, dict, path.name)
    images: list[PosedImage] = []
    for key in lists:
        frames = member(value, key, list, path.name) if key == lists[0] else expect(value.get(key, []), list, key)
        for i, entry in enumerate(frames):
            field = f"{path.name}: {key}[{i}]"
            images.append(_image(value, expect(entry, dict, field), field, camera, size_of))
    return some_usable(images)


def _image(value: dict[str, Any], frame: dict[str, Any], field: str, camera: str, size_of: SizeOf) -> PosedImage:
    """Read one frame, with what the file says for all; damaged numbers lose this frame alone."""
    name = safe_name(member(frame, "file_path", str, field), f"{field}.file_path")
    depth_key = next((key for key in DEPTH_PATHS if key in frame), DEPTH_PATHS[0])
    depth = frame.get(depth_key)
    depth_name = None if depth is None else safe_name(expect(depth, str, field), f"{field}.{depth_key}")
    own = value | frame
    try:
        matrix = _pose(frame, field)
        time = own.get("timestamp", frame.get("time"))
        return PosedImage(
            name,
            matrix if camera == "opencv" else matrix @ OPENGL_FROM_OPENCV,
            _lens(own, field, name, size_of),
            None if time is None else number(time, f"{field}.timestamp"),
            depth_name,
            _per_metre(own, field),
        )
    except SceneError as error:
        return PosedImage(name, np.eye(4), refused=error)


def _pose(frame: dict[str, Any], field: str) -> NDArray[np.float64]:
    """Read `transform_matrix`, (4, 4)."""
    field = f"{field}.transform_matrix"
    rows = member(frame, "transform_matrix", list, field.rpartition(".")[0])
    found = [numbers(row, 4, field) for row in rows]
    if len(found) != 4:
        raise SceneError(field, f"expected 4 x 4 numbers, found {len(found)} rows", reason=IngestReason.BAD_CAMERA)
    return np.array(found)


def _per_metre(values: dict[str, Any], field: str) -> float | None:
    """Read how many metres a unit of depth is; 1.0, which NeRFCapture writes without depth, says nothing."""
    key = next((key for key in DEPTH_UNITS if values.get(key) not in (None, 0, 1)), None)
    if key is None:
        return None
    factor = number(values[key], f"{field}.{key}")
    if not 1e-6 <= factor <= 1:
        problem = f"{factor:g} is no length of a unit, metres"
        raise SceneError(f"{field}.{key}", problem, reason=IngestReason.BAD_FRAME)
    return 1 / factor


def applied_transform(path: Path) -> NDArray[np.float64]:
    """Read the transform (4, 4) from the world of the source, as COLMAP had it, to that of the file's poses.

    Raises
    ------
    SceneError
        `applied_transform` or `applied_scale` is damaged.
    """
    value = expect(read_json(path, max_bytes=MAX_BYTES)[0], dict, path.name)
    matrix = np.eye(4)
    if (rows := value.get("applied_transform")) is not None:
        given = [numbers(row, 4, "applied_transform") for row in expect(rows, list, "applied_transform")]
        if len(given) not in (3, 4) or abs(abs(np.linalg.det(np.array(given)[:3, :3])) - 1) > 1e-3:
            problem = "expected 3 or 4 rows of a turn and a shift"
            raise SceneError(f"{path.name}: applied_transform", problem, reason=IngestReason.BAD_ROTATION)
        matrix[:3] = given[:3]
    scale = number(value.get("applied_scale", 1.0), "applied_scale")
    if not 1e-6 < scale < 1e6:
        raise SceneError(f"{path.name}: applied_scale", f"{scale:g} is no scale", reason=IngestReason.WRONG_UNITS)
    return np.diag([scale, scale, scale, 1.0]) @ matrix


def _lens(values: dict[str, Any], field: str, name: str, size_of: SizeOf) -> Lens | None:
    """Read fl_x, fl_y, cx, cy, or camera_angle_x; and w, h, k1 to k4, p1, p2, camera_model as far as they exist."""
    fisheye = _fisheye(values, field)
    size = size_of(name)
    if "w" in values and "h" in values:
        size = checked_size(number(values["w"], f"{field}.w"), number(values["h"], f"{field}.h"), field)
    if size is None or ("fl_x" not in values and "camera_angle_x" not in values):
        return None
    width, height = size
    fx = number(values["fl_x"], f"{field}.fl_x") if "fl_x" in values else _focal(values, "camera_angle_x", width, field)
    fy = fx
    if "fl_y" in values:
        fy = number(values["fl_y"], f"{field}.fl_y")
    elif "fl_x" not in values and "camera_angle_y" in values:
        fy = _focal(values, "camera_angle_y", height, field)
    if fx <= 0 or fy <= 0:
        raise SceneError(field, f"focal length {fx:g}, {fy:g} not above 0", reason=IngestReason.BAD_CAMERA)
    cx, cy = (
        number(values[key], f"{field}.{key}") if key in values else (side - 1) / 2
        for key, side in (("cx", width), ("cy", height))
    )
    k1, k2, k3, k4, p1, p2 = (
        number(values.get(key, 0.0), f"{field}.{key}") for key in ("k1", "k2", "k3", "k4", "p1", "p2")
    )
    if not fisheye and k4:
        problem = f"k4 = {k4:g} means different things to different programs where the lens is no fisheye"
        raise SceneError(f"{field}.k4", problem, reason=IngestReason.LENS_MODEL)
    if fisheye and (p1 or p2):
        problem = "p1 and p2 of a fisheye mean different things to different programs"
        raise SceneError(f"{field}.p1", problem, reason=IngestReason.LENS_MODEL)
    return Lens(width, height, fx, fy, cx, cy, fisheye, (k1, k2, k3, k4 if fisheye else 0.0, 0.0, 0.0), (p1, p2))


def _fisheye(values: dict[str, Any], field: str) -> bool:
    """Tell whether the camera is a fisheye; refuse what is neither that nor a perspective camera."""
    model = expect(values.get("camera_model", ""), str, f"{field}.camera_model").upper()
    unread = [key for key in UNREAD_LENS if values.get(key)]
    if model not in PERSPECTIVE + FISHEYE or unread:
        found = f"{unread[0]} = {values[unread[0]]!r:.40}" if unread else f"camera_model {model:.40}"
        problem = f"pictures of {found} cannot be undistorted; known are {', '.join((PERSPECTIVE + FISHEYE)[1:])}"
        raise SceneError(f"{field}.camera_model", problem, reason=IngestReason.LENS_MODEL)
    return model in FISHEYE or bool(values.get("is_fisheye"))


def _focal(values: dict[str, Any], key: str, side: int, field: str) -> float:
    """Turn the angle of view over a side into a focal length, pixels."""
    angle = number(values[key], f"{field}.{key}")
    if not 0 < angle < math.pi:
        raise SceneError(f"{field}.{key}", f"{angle:g} is no angle of view, radians", reason=IngestReason.BAD_CAMERA)
    return side / 2 / math.tan(angle / 2)
