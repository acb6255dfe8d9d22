"""Frames of an ARKitScenes scan with their depth, camera matrix and pose, as far as these exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.posed_frames import for_picture
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.depth import depth_reader, image_size, png_depth
from qa_engine.formats.parsing import read_text
from qa_engine.formats.times import nearest
from qa_engine.scenes.scene import Frame

POSE_TOLERANCE_S = 0.005
"""A frame takes the pose nearest in time within this; the official reader's bound."""

INTRINSICS_TOLERANCE_S = 0.0015
"""Names of camera files can be off by 1 ms from those of the images (official reader); half more for rounding."""

MILLIMETRES = 1000
MAX_TEXT_BYTES = 64_000_000
"""A trajectory has 100 bytes per pose; a file of this size is something else."""

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
TIMESTAMP = re.compile(r"(?:.*_)?(\d+\.\d+)")
"""`<id>_<seconds>`, or the seconds alone in the older layout."""


@dataclass(frozen=True)
class _Layout:
    """Names of a folder of images and of what lies beside it; the first name that exists counts."""

    images: str
    depth: tuple[str, ...]
    intrinsics: tuple[str, ...]
    trajectory: tuple[str, ...]


LAYOUTS = (
    _Layout("lowres_wide", ("lowres_depth",), ("lowres_wide_intrinsics",), ("lowres_wide.traj",)),
    _Layout(
        "wide",
        ("depth_densified", "highres_depth"),
        ("color_intrinsics", "wide_intrinsics"),
        ("color.traj", "lowres_wide.traj"),
    ),
)
"""The present names, and those of the older sample (`wide`), which the raw download uses for its large images."""


def read_frames(video_id: str, bases: Sequence[Path], roots: Sequence[Path]) -> tuple[Frame, ...]:
    """Find the images of a scan and what is known about their cameras.

    Parameters
    ----------
    video_id : str
        Name of the scan.
    bases : sequence of Path
        Folders to look in: the scan's own, a dataset root, or a folder of frames. The first folder with images counts.
    roots : sequence of Path
        Resolved folders that files may lie in.

    Returns
    -------
    tuple of Frame
        By time, or by name where names hold no timestamp (`time_s` is then None). Empty where there are no images.

    Raises
    ------
    SceneError
        A trajectory or a camera file is damaged.
    """
    for folder in _candidates(video_id, bases):
        paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES] if folder.is_dir() else []
        if paths:
            return _frames(folder, paths, roots)
    return ()


def _candidates(video_id: str, bases: Sequence[Path]) -> Iterator[Path]:
    """Name the folders that may hold the images, best first."""
    below = [f"{top}{fold}/{video_id}" for top in ("", "3dod/", "raw/") for fold in ("Training", "Validation")]
    for base in bases:
        for scan in (base, *(base / name for name in (video_id, *below))):
            for layout in LAYOUTS:
                yield scan / f"{video_id}_frames" / layout.images
                if scan.name == video_id:
                    yield scan / layout.images
            yield scan / f"{video_id}_frames"
            yield scan / f"scene_{video_id}_imgs"


def _frames(folder: Path, paths: list[Path], roots: Sequence[Path]) -> tuple[Frame, ...]:
    """Build the frames of one folder of images."""
    times = np.array([_time(path) for path in paths])
    if np.isnan(times).any():
        paths = sorted(paths, key=_natural)
        return tuple(Frame(frame_id=path.stem, image_path=path) for path in paths)
    order = np.argsort(times, kind="stable")
    times, paths = times[order], [paths[i] for i in order]
    layout = next((layout for layout in LAYOUTS if layout.images == folder.name), None)
    if layout is None:
        return tuple(
            Frame(frame_id=path.stem, image_path=path, time_s=float(time))
            for path, time in zip(paths, times, strict=True)
        )
    depth = _first(folder.parent, layout.depth)
    trajectory = _first(folder.parent, layout.trajectory)
    cameras = _cameras(_first(folder.parent, layout.intrinsics), times)
    poses = [None] * len(paths) if trajectory is None else _poses(trajectory, times)
    frames = []
    for path, time, camera, pose in zip(paths, times, cameras, poses, strict=True):
        depth_path = depth / path.name if depth is not None and (depth / path.name).is_file() else None
        intrinsics, size = None, None
        if camera is not None:
            intrinsics, size = for_picture(camera.intrinsics, (camera.width, camera.height), path)
        read_depth = None
        if depth_path is not None and size is not None and image_size(depth_path) not in (None, size):
            stored = png_depth(depth_path, roots, per_metre=MILLIMETRES)
            depth_path, read_depth = None, depth_reader(stored, size=size)
        frames.append(
            Frame(
                frame_id=path.stem,
                image_path=path,
                depth_path=depth_path,
                read_depth=read_depth,
                width=None if size is None else size[0],
                height=None if size is None else size[1],
                time_s=float(time),
                intrinsics=intrinsics,
                world_from_camera=pose,
            )
        )
    return tuple(frames)


@dataclass(frozen=True)
class Camera:
    """A `.pincam` file: image size in pixels and the pinhole matrix (3, 3)."""

    width: int
    height: int
    intrinsics: NDArray[np.float64]


def read_pincam(path: Path) -> Camera:
    """Read a camera file: one line `width height fx fy cx cy`, pixels.

    Raises
    ------
    SceneError
        The file is damaged.
    """
    values = read_numbers(path, 6)
    if len(values) != 1 or (values[0, :4] <= 0).any() or (values[0, :2] > 1e6).any():
        raise SceneError(path.name, "expected one line: width height fx fy cx cy", reason=IngestReason.BAD_CAMERA)
    width, height, fx, fy, cx, cy = values[0]
    return Camera(int(width), int(height), np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]))


def read_trajectory(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read a trajectory: lines `seconds rx ry rz tx ty tz` of camera-from-world axis-angle (rad) and metres.

    Returns
    -------
    times : (n,) float64, seconds, ascending
    world_from_camera : (n, 4, 4) float64
        The lines describe camera_from_world (the official reader inverts them too), OpenCV camera axes.

    Raises
    ------
    SceneError
        The file is damaged.
    """
    from scipy.spatial.transform import Rotation

    lines = read_numbers(path, 7)
    lines = lines[np.argsort(lines[:, 0], kind="stable")]
    pose = np.zeros((len(lines), 4, 4))
    if len(lines):
        pose[:, :3, :3] = Rotation.from_rotvec(lines[:, 1:4]).as_matrix().transpose(0, 2, 1)
    pose[:, :3, 3] = -np.einsum("nij,nj->ni", pose[:, :3, :3], lines[:, 4:7])
    pose[:, 3, 3] = 1
    return lines[:, 0], pose


def read_numbers(path: Path, columns: int) -> NDArray[np.float64]:
    """Read a text file of numbers separated by spaces, (n, columns), finite."""
    rows = [line.split() for line in read_text(path, max_bytes=MAX_TEXT_BYTES).splitlines() if line.strip()]
    for i, row in enumerate(rows, start=1):
        if len(row) != columns:
            problem = f"line {i}: expected {columns} numbers, found {len(row)} words"
            raise SceneError(path.name, problem, reason=IngestReason.BAD_CAMERA)
    try:
        values = np.array(rows, dtype=np.float64).reshape(-1, columns)
    except ValueError as error:
        raise SceneError(path.name, f"not a table of numbers ({error})", reason=IngestReason.BAD_CAMERA) from None
    if not np.isfinite(values).all():
        i = int(np.argwhere(~np.isfinite(values))[0, 0]) + 1
        raise SceneError(path.name, f"line {i}: a value is NaN or infinite", reason=IngestReason.BAD_CAMERA)
    return values


def _poses(trajectory: Path, times: NDArray[np.float64]) -> list[NDArray[np.float64] | None]:
    """Match poses to frames by time."""
    pose_times, poses = read_trajectory(trajectory)
    return [None if i < 0 else poses[i] for i in nearest(pose_times, times, tolerance_s=POSE_TOLERANCE_S)]


def _cameras(folder: Path | None, times: NDArray[np.float64]) -> list[Camera | None]:
    """Match camera files to frames by the time in their names."""
    paths = [] if folder is None else sorted((p for p in folder.glob("*.pincam") if not np.isnan(_time(p))), key=_time)
    index = nearest(np.array([_time(path) for path in paths]), times, tolerance_s=INTRINSICS_TOLERANCE_S)
    return [None if i < 0 else read_pincam(paths[i]) for i in index]


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of `names` that exists in `folder`."""
    return next((folder / name for name in names if (folder / name).exists()), None)


def _time(path: Path) -> float:
    """Return the timestamp in a file name, NaN where there is none."""
    match = TIMESTAMP.fullmatch(path.stem)
    return float(match[1]) if match else float("nan")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts frame_9 before frame_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.stem)]
