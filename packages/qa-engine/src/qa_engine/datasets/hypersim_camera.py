"""Cameras and frames of a Hypersim scene."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.posed_frames import for_picture
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import OPENGL_FROM_OPENCV, poses
from qa_engine.formats.depth import Depth, depth_reader
from qa_engine.formats.hdf5 import read_array
from qa_engine.formats.parsing import check_inside
from qa_engine.formats.text_tables import number_columns, read_csv
from qa_engine.geometry.moves import move_poses
from qa_engine.scenes.scene import Frame

CAMERA_TABLE = "metadata_camera_parameters.csv"
SCALE = "settings_units_info_meters_scale"
WIDTH, HEIGHT = "settings_output_img_width", "settings_output_img_height"
RAYS = tuple(f"M_cam_from_uv_{i}{j}" for i in range(3) for j in range(3))
MAX_TABLE_BYTES = 64_000_000
IMAGE = re.compile(r"frame\.(\d{4,8})\.(tonemap|color)\.(jpg|png)")


@dataclass(frozen=True)
class Camera:
    """The lens of a scene.

    Parameters
    ----------
    width, height : int
        Pixels.
    metres_per_unit : float
    intrinsics : (3, 3) float64
        Pinhole matrix, pixels, the middle of the first pixel at (0, 0).
    turn : (3, 3) float64
        Pinhole axes from the axes of the published pose (both OpenCV).
    """

    width: int
    height: int
    metres_per_unit: float
    intrinsics: NDArray[np.float64]
    turn: NDArray[np.float64]


def read_camera(table: Path, scene_name: str) -> Camera:
    """Read the lens of a scene from the table of all scenes.

    Raises
    ------
    SceneError
        The table is damaged or lacks the scene.
    """
    columns = read_csv(table, ["scene_name", WIDTH, HEIGHT, SCALE, *RAYS], max_bytes=MAX_TABLE_BYTES)
    if scene_name not in columns["scene_name"]:
        problem = f"no row for {scene_name}"
        raise SceneError(f"{table.name}: scene_name", problem, reason=IngestReason.MISSING_FIELD)
    row = columns["scene_name"].index(scene_name)
    own = {name: [values[row]] for name, values in columns.items()}
    width, height, scale, *rays = number_columns(own, (WIDTH, HEIGHT, SCALE, *RAYS), table.name)[0]
    if not (0 < scale < 1e3 and 1 <= width <= 1e5 and 1 <= height <= 1e5):
        problem = f"scale {scale:g}, image {width:g} x {height:g}"
        raise SceneError(f"{table.name}: {scene_name}", problem, reason=IngestReason.BAD_CAMERA)
    try:
        intrinsics, turn = turned_pinhole(np.array(rays).reshape(3, 3), int(width), int(height))
    except ValueError as error:
        raise SceneError(f"{table.name}: M_cam_from_uv", str(error), reason=IngestReason.BAD_CAMERA) from None
    return Camera(int(width), int(height), float(scale), intrinsics, turn)


def turned_pinhole(
    cam_from_uv: NDArray[np.float64], width: int, height: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split a camera whose image plane may be tilted into a pinhole matrix and a turn.

    Parameters
    ----------
    cam_from_uv : (3, 3) float64
        Ray in camera axes (x right, y up, looking along -z) from (u, v, 1); u, v from -1 to 1, v is 1 at the top.
    width, height : int
        Pixels.

    Returns
    -------
    intrinsics, turn : (3, 3) float64
        pixel ~ intrinsics @ turn @ ray, the ray in OpenCV axes.

    Raises
    ------
    ValueError
        The matrix has no inverse.

    Examples
    --------
    >>> matrix = np.diag([1.0, 0.5, -1.0])
    >>> intrinsics, turn = turned_pinhole(matrix, 200, 100)
    >>> intrinsics.round(9).tolist(), bool(np.allclose(turn, np.eye(3)))
    ([[100.0, 0.0, 99.5], [0.0, 100.0, 49.5], [0.0, 0.0, 1.0]], True)
    """
    from scipy.linalg import rq

    uv_from_pixel = np.array([[2 / width, 0, 1 / width - 1], [0, -2 / height, 1 - 1 / height], [0, 0, 1]])
    ray_from_pixel = OPENGL_FROM_OPENCV[:3, :3] @ cam_from_uv @ uv_from_pixel
    if not np.linalg.det(ray_from_pixel) > 1e-12:
        raise ValueError("the matrix has no inverse, or mirrors the image")
    upper, turn = rq(np.linalg.inv(ray_from_pixel))
    signs = np.sign(np.diag(upper))
    upper, turn = upper * signs, turn * signs[:, None]
    return upper / upper[2, 2], turn


def planar_depth(distance_m: NDArray[np.floating], intrinsics: NDArray[np.float64]) -> NDArray[np.float32]:
    """Turn distances to the camera's centre into depth along its z axis.

    Parameters
    ----------
    distance_m : (h, w) float, metres
    intrinsics : (3, 3) float64

    Examples
    --------
    >>> camera = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> planar_depth(np.array([[2.0, np.sqrt(2)]]), camera).tolist()
    [[2.0, 1.0]]
    """
    height, width = distance_m.shape
    row, column = np.mgrid[:height, :width]
    pixel = np.stack([column, row, np.ones_like(row)], axis=-1).astype(np.float64)
    ray = pixel @ np.linalg.inv(intrinsics).T
    depth = distance_m / np.linalg.norm(ray, axis=-1)
    return np.where(np.isfinite(depth), depth, 0).astype(np.float32)


def read_frames(
    scene: Path, camera: Camera, canonical_from_source: NDArray[np.float64], roots: Sequence[Path], *, images: str
) -> tuple[Frame, ...]:
    """Find the images of all trajectories of a scene with their poses and depth.

    Parameters
    ----------
    images : str
        `tonemap` or `color`: which preview is taken.

    Raises
    ------
    SceneError
        A trajectory is damaged.
    """
    frames: list[Frame] = []
    for folder in sorted((scene / "images").glob("scene_cam_*_final_preview")):
        name = folder.name.removeprefix("scene_").removesuffix("_final_preview")
        places = _poses(scene / "_detail" / name, camera, canonical_from_source, roots)
        for path in sorted(folder.iterdir()):
            match = IMAGE.fullmatch(path.name)
            if match is None or match[2] != images:
                continue
            depth = scene / "images" / f"scene_{name}_geometry_hdf5" / f"frame.{match[1]}.depth_meters.hdf5"
            pose = places.get(int(match[1]))
            intrinsics, size = for_picture(camera.intrinsics, (camera.width, camera.height), path)
            frames.append(
                Frame(
                    frame_id=f"{name}_{match[1]}",
                    image_path=path,
                    read_depth=_depth_reader(depth, camera, roots, size) if depth.is_file() else None,
                    width=size[0],
                    height=size[1],
                    intrinsics=intrinsics,
                    world_from_camera=pose,
                )
            )
    return tuple(frames)


def _poses(
    folder: Path, camera: Camera, canonical_from_source: NDArray[np.float64], roots: Sequence[Path]
) -> dict[int, NDArray[np.float64]]:
    """Read one trajectory: frame number to pose."""
    if not folder.is_dir():
        return {}
    parts = {name: folder / f"camera_keyframe_{name}.hdf5" for name in ("orientations", "positions", "frame_indices")}
    for path in parts.values():
        check_inside(path, roots)
    rotation = read_array(parts["orientations"], (None, 3, 3)).astype(np.float64)
    position = read_array(parts["positions"], (len(rotation), 3)).astype(np.float64)
    numbers = np.arange(len(rotation))
    if parts["frame_indices"].is_file():
        numbers = read_array(parts["frame_indices"], (len(rotation),)).astype(np.int64)
    moved = move_poses(poses(rotation, position) @ OPENGL_FROM_OPENCV, canonical_from_source)
    moved[:, :3, :3] = moved[:, :3, :3] @ camera.turn.T
    return {int(number): pose for number, pose in zip(numbers, moved, strict=True)}


def _depth_reader(
    path: Path, camera: Camera, roots: Sequence[Path], size: tuple[int, int]
) -> Callable[[], NDArray[np.float32]]:
    """Return a function that reads a depth image when its frame is stored, in the pixels of a picture of this size."""

    def read() -> NDArray[np.float32]:
        check_inside(path, roots)
        distance = read_array(path, (camera.height, camera.width))
        return planar_depth(distance.astype(np.float64), camera.intrinsics)

    return depth_reader(Depth(path.name, read), size=size)
