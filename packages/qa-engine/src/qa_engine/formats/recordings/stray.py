"""StrayScanner: a video, a CSV of ARKit's poses, depth and its confidence in millimetres.

References
----------
strayrobots/scanner, `docs/format.md`, `OdometryEncoder.swift` (poses are turned to OpenCV camera axes before they are
written) and `DatasetEncoder.swift`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import poses, rotations
from qa_engine.formats.lenses import Lens
from qa_engine.formats.parsing import check_inside, read_text
from qa_engine.formats.posed_images import PosedImage
from qa_engine.formats.recordings.base import FrameFormat, Recording
from qa_engine.formats.text_tables import column_names, number_columns, read_csv
from qa_engine.formats.videos import Video

MAX_BYTES = 1_000_000_000
POSE = ("timestamp", "frame", "x", "y", "z", "qx", "qy", "qz", "qw")
CAMERA = ("fx", "fy", "cx", "cy")
MIN_TOLERANCE_S = 1e-3


def find_stray(folder: Path) -> tuple[Path, ...]:
    """Find the poses that have a video beside them; robots write tables of that name, too."""
    path = folder / "odometry.csv"
    return (path,) if path.is_file() and (folder / "rgb.mp4").is_file() else ()


def read_stray(recording: Recording) -> list[PosedImage]:
    """Read a recording.

    Raises
    ------
    SceneError
        A table is damaged, or there is no video. A pose without a picture is `refused` alone.
    """
    path = recording.files[0]
    folder = path.parent
    table = read_csv(path, POSE, max_bytes=MAX_BYTES)
    values = number_columns(table, POSE, path.name)
    matrices = recording.poses(poses(rotations(values[:, 5:], f"{path.name}: qx", order="xyzw"), values[:, 2:5]))
    video = Video(folder / "rgb.mp4", recording.roots)
    cameras = _cameras(path, video.size, len(values), recording.roots)
    places = _places(values[:, 0], values[:, 1].astype(np.int64), video.times_s)
    images: list[PosedImage] = []
    for i, place in enumerate(places):
        number = f"{int(values[i, 1]):06d}"
        refused = None
        if place < 0:
            problem = f"the video has no picture for pose {i}; it has {len(video.times_s)} for {len(values)} poses"
            refused = SceneError(f"rgb.mp4[{number}]", problem, reason=IngestReason.BAD_FRAME)
        images.append(
            PosedImage(
                number,
                matrices[i],
                cameras[i],
                float(values[i, 0]),
                refused=refused,
                picture=video.picture(int(place)) if place >= 0 else None,
                depth=recording.depth(folder / "depth" / f"{number}.png", folder / "confidence" / f"{number}.png"),
                files=(folder / "rgb.mp4", folder / "camera_matrix.csv"),
            )
        )
    return images


def _cameras(path: Path, size: tuple[int, int], n: int, roots: tuple[Path, ...]) -> list[Lens]:
    """Read the camera of each frame where the table has it, else the one of all in camera_matrix.csv."""
    header = column_names(path, max_bytes=MAX_BYTES)
    if all(name in header for name in CAMERA):
        columns = number_columns(read_csv(path, CAMERA, max_bytes=MAX_BYTES), CAMERA, path.name)
    else:
        matrix_path = path.with_name("camera_matrix.csv")
        check_inside(matrix_path, roots)
        rows = [line.split(",") for line in read_text(matrix_path, max_bytes=100_000).splitlines() if line.strip()]
        try:
            matrix = np.array(rows, dtype=np.float64).reshape(3, 3)
        except ValueError:
            raise SceneError(matrix_path.name, "no 3 x 3 numbers", reason=IngestReason.BAD_CAMERA) from None
        columns = np.repeat(matrix[[0, 1, 0, 1], [0, 1, 2, 2]][None], n, axis=0)
    bad = ~(np.isfinite(columns).all(axis=1) & (columns[:, :2] > 0).all(axis=1))
    if bad.any():
        i = int(np.argmax(bad))
        raise SceneError(f"{path.name}: fx[{i}]", f"{columns[i].tolist()}", reason=IngestReason.BAD_CAMERA)
    return [Lens(*size, fx, fy, cx, cy) for fx, fy, cx, cy in columns.tolist()]


def _places(
    times_s: NDArray[np.float64], numbers: NDArray[np.int64], video_s: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Find the picture of each pose: of the same number where there are as many, else of the same time; -1 = none."""
    if len(video_s) == len(numbers) and np.array_equal(numbers, np.arange(len(numbers))):
        return numbers
    if not len(video_s):
        return np.full(len(times_s), -1)
    since = times_s - times_s[0]
    at = np.clip(np.searchsorted(video_s, since), 1, max(len(video_s) - 1, 1)) if len(video_s) > 1 else 0 * numbers
    left = np.maximum(at - 1, 0)
    nearest = np.where(np.abs(video_s[left] - since) <= np.abs(video_s[at] - since), left, at)
    step = np.median(np.diff(video_s)) if len(video_s) > 1 else 0.0
    return np.where(np.abs(video_s[nearest] - since) <= max(step / 2, MIN_TOLERANCE_S), nearest, -1)


STRAY = FrameFormat(
    name="strayscanner",
    title="StrayScanner",
    told_by="`odometry.csv`, `rgb.mp4`",
    up="y",
    axes="opencv",
    depth="uint16 mm, confidence 0 to 2",
    find=find_stray,
    read=read_stray,
    aside=("imu.csv",),
    sideways=True,
    extra="phone",
)
