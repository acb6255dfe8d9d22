"""TUM RGB-D and its relatives: lists of images with times, and a trajectory that is joined to them by time.

References
----------
TUM's "File formats" page and `associate.py`: lines `timestamp tx ty tz qx qy qz qw` of the camera in the world, lists
`rgb.txt` and `depth.txt` of `timestamp filename`, depth 5000 per metre, 0.02 s between what belongs together. The
camera stands in `calibration.txt` as `fx fy cx cy [k1 k2 p1 p2 [k3]]`, as DROID-SLAM has it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import poses, rotations
from qa_engine.formats.lenses import Lens
from qa_engine.formats.parsing import read_text
from qa_engine.formats.pictures import file_picture
from qa_engine.formats.posed_images import PosedImage, safe_name
from qa_engine.formats.recordings.base import FrameFormat, Recording, by_patterns
from qa_engine.formats.times import nearest
from qa_engine.scenes.fields import shorten

MAX_BYTES = 256_000_000
PER_METRE = 5000.0
APART_S = 0.02
PICTURES = (".png", ".jpg", ".jpeg")
CAMERAS = ("calibration.txt", "intrinsics.txt", "camera.txt")


def read_tum(recording: Recording) -> list[PosedImage]:
    """Read a recording; images without a pose in time are left out together.

    Raises
    ------
    SceneError
        A list or the trajectory is damaged, or the camera's numbers are missing.
    """
    path = recording.files[0]
    folder = path.parent
    times, matrices = read_trajectory(path)
    matrices = recording.poses(matrices)
    rgb_s, names = _listed(folder, "rgb")
    depth_s, depth_names = _listed(folder, "depth")
    numbers, camera_file = _camera(folder)
    order = np.argsort(times, kind="stable")
    pose_of = nearest(times[order], rgb_s, tolerance_s=APART_S)
    depth_order = np.argsort(depth_s, kind="stable")
    depth_of = nearest(depth_s[depth_order], rgb_s, tolerance_s=APART_S)
    lists = (path, camera_file, folder / "rgb.txt", folder / "depth.txt")
    images: list[PosedImage] = []
    for i, name in enumerate(names):
        file = folder / name
        if pose_of[i] < 0:
            continue
        if not file.is_file():
            missing = SceneError(name, "no such image in the scan's folder", reason=IngestReason.MISSING_FILE)
            images.append(PosedImage(name, np.eye(4), refused=missing))
            continue
        picture = file_picture(file, recording.roots)
        lens = None
        if picture.header is not None:
            (fx, fy, cx, cy), (k1, k2, p1, p2, k3) = numbers[:4], numbers[4:]
            lens = Lens(*picture.header.size, fx, fy, cx, cy, k=(k1, k2, k3, 0.0, 0.0, 0.0), p=(p1, p2))
        depth = None
        if depth_of[i] >= 0:
            depth = recording.depth(folder / depth_names[depth_order[depth_of[i]]], per_metre=PER_METRE)
        pose = matrices[order[pose_of[i]]]
        time = float(rgb_s[i])
        images.append(PosedImage(name, pose, lens, time, picture=picture, depth=depth, files=(*lists, file)))
    if lost := int((pose_of < 0).sum()):
        first = names[int(np.argmax(pose_of < 0))]
        problem = f"no pose within {APART_S:g} s of this image; so for {lost} of {len(names)}"
        refused = SceneError(first, problem, reason=IngestReason.BAD_FRAME)
        files = (*lists, *(folder / names[i] for i in np.flatnonzero(pose_of < 0)))
        images.append(PosedImage(first, np.eye(4), refused=refused, files=files))
    return images


def read_trajectory(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read lines `timestamp tx ty tz qx qy qz qw`; return times (n,) and poses (n, 4, 4) as written.

    Raises
    ------
    SceneError
        A line has other than 8 numbers, or a quaternion is not of length 1.
    """
    rows: list[list[float]] = []
    for i, words in _lines(path):
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if len(row) != 8 or not np.isfinite(row).all():
            problem = f"expected timestamp tx ty tz qx qy qz qw, found {shorten(' '.join(words))}"
            raise SceneError(f"{path.name}: line {i}", problem, reason=IngestReason.BAD_CAMERA)
        rows.append(row)
    table = np.array(rows, dtype=np.float64).reshape(-1, 8)
    return table[:, 0], poses(rotations(table[:, 4:], path.name, order="xyzw"), table[:, 1:4])


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """List number and words of the lines that are no comment."""
    lines = enumerate(read_text(path, max_bytes=MAX_BYTES).splitlines(), start=1)
    return [(i, line.replace(",", " ").split()) for i, line in lines if line.strip() and not line.startswith("#")]


def _listed(folder: Path, kind: str) -> tuple[NDArray[np.float64], list[str]]:
    """List times and names of the images of a kind: by their list, else those in the folder whose names are times."""
    path = folder / f"{kind}.txt"
    found: list[tuple[float, str]] = []
    if path.is_file():
        for i, words in _lines(path):
            field = f"{path.name}: line {i}"
            if len(words) != 2 or (time := _time(words[0])) is None:
                problem = f"expected timestamp filename, found {shorten(' '.join(words))}"
                raise SceneError(field, problem, reason=IngestReason.BAD_FORMAT)
            found.append((time, safe_name(words[1], field)))
    elif (folder / kind).is_dir():
        for file in sorted((folder / kind).iterdir()):
            if file.suffix.lower() in PICTURES and (time := _time(file.stem)) is not None:
                found.append((time, f"{kind}/{file.name}"))
    found.sort()
    return np.array([time for time, _ in found], dtype=np.float64), [name for _, name in found]


def _time(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _camera(folder: Path) -> tuple[list[float], Path]:
    """Read fx, fy, cx, cy, k1, k2, p1, p2, k3 of the camera, the last five 0 where they are not given."""
    path = next((path for name in CAMERAS if (path := folder / name).is_file()), None)
    if path is None:
        problem = "the camera's numbers are nowhere; write one line: fx fy cx cy [k1 k2 p1 p2 [k3]]"
        raise SceneError(CAMERAS[0], problem, reason=IngestReason.MISSING_FILE)
    words = [word for _, line in _lines(path) for word in line]
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) not in (4, 8, 9) or not np.isfinite(values).all() or min(values[:2]) <= 0:
        problem = f"expected fx fy cx cy [k1 k2 p1 p2 [k3]], found {shorten(' '.join(words))}"
        raise SceneError(path.name, problem, reason=IngestReason.BAD_CAMERA)
    return values + [0.0] * (9 - len(values)), path


TUM = FrameFormat(
    name="tum",
    title="TUM RGB-D, ORB-SLAM",
    told_by="`groundtruth.txt`, `*Trajectory.txt`",
    up=None,
    axes="opencv",
    depth="uint16, 5000 per metre",
    find=by_patterns("groundtruth.txt", "*[tT]rajectory.txt"),
    read=read_tum,
    aside=("accelerometer.txt", "depth/*"),
    note="needs `calibration.txt` with `fx fy cx cy`; a trajectory of ORB-SLAM is neither metric nor upright by itself",
)
