"""RTAB-Map's export: images and calibrations in folders, named by node or time, and a file of poses beside them.

References
----------
introlab/rtabmap, `tools/Export/main.cpp` and `Graph.h`, issue 749: `rtabmap-export --images_id --poses_camera
--poses_format 11` writes `<base>_rgb/<id>.jpg`, `<base>_depth/<id>.png`, `<base>_calib/<id>.yaml` and
`<base>_camera_poses.txt` with lines `timestamp x y z qx qy qz qw id`. `<base>_poses.txt` has poses of the robot, from
which `local_transform` of a calibration leads to the camera. There are more poses than images.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import poses, rotations
from qa_engine.formats.lenses import Lens
from qa_engine.formats.parsing import check_inside, read_text
from qa_engine.formats.pictures import file_picture
from qa_engine.formats.posed_images import PosedImage
from qa_engine.formats.recordings.base import FrameFormat, Recording
from qa_engine.formats.times import nearest
from qa_engine.scenes.fields import shorten

MAX_BYTES = 256_000_000
SAME_S = 1e-3
"""Names of images are times, written with fewer digits than in the file of poses."""


def find_rtabmap(folder: Path) -> tuple[Path, ...]:
    """Find the file of poses that has images beside it; poses of the camera go before those of the robot."""
    found = [path for pattern in ("*_camera_poses.txt", "*_poses.txt") for path in sorted(folder.glob(pattern))]
    return next(((path,) for path in found if (folder / f"{_base(path)}_rgb").is_dir()), ())


def _base(path: Path) -> str:
    """Name that the files of an export have in common."""
    return re.sub(r"(_camera)?_poses\.txt$", "", path.name)


def read_rtabmap(recording: Recording) -> list[PosedImage]:
    """Read an export.

    Raises
    ------
    SceneError
        The file of poses is damaged or of another of RTAB-Map's formats, or there are no images.
    """
    path = recording.files[0]
    base = _base(path)
    of_robot = not path.name.endswith("_camera_poses.txt")
    table = _table(path)
    matrices = recording.poses(poses(rotations(table[:, 4:8], path.name, order="xyzw"), table[:, 1:4]))
    folder = path.parent / f"{base}_rgb"
    files = sorted(folder.glob("*.jpg")) + sorted(folder.glob("*.png"))
    if not files:
        problem = f"no images in {folder.name}; export with --images_id --poses_camera --poses_format 11"
        raise SceneError(path.name, problem, reason=IngestReason.MISSING_FILE)
    rows = _rows(files, table)
    images: list[PosedImage] = []
    for file, row in zip(files, rows, strict=True):
        calibration = path.parent / f"{base}_calib" / f"{file.stem}.yaml"
        if not calibration.is_file():  # of older exports, one for all
            calibration = path.parent / f"{base}_calib.yaml"
        files_of = (path, file, calibration)
        try:
            if row < 0:
                raise SceneError(file.name, f"no pose in {path.name}", reason=IngestReason.BAD_FRAME)
            check_inside(file, recording.roots)
            check_inside(calibration, recording.roots)
            lens, robot_from_camera = read_calibration(calibration)
        except SceneError as error:
            images.append(PosedImage(file.stem, np.eye(4), refused=error, files=files_of))
            continue
        images.append(
            PosedImage(
                file.stem,
                matrices[row] @ robot_from_camera if of_robot else matrices[row],
                lens,
                float(table[row, 0]),
                picture=file_picture(file, recording.roots),
                depth=recording.depth(
                    path.parent / f"{base}_depth" / f"{file.stem}.png",
                    path.parent / f"{base}_confidence" / f"{file.stem}.png",
                ),
                files=files_of,
            )
        )
    return images


def _table(path: Path) -> NDArray[np.float64]:
    """Read lines of time, position, quaternion and, where there is one, number of the node: (n, 9), -1 = none."""
    rows: list[list[float]] = []
    for i, line in enumerate(read_text(path, max_bytes=MAX_BYTES).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            row = [float(word) for word in line.split()]
        except ValueError:
            row = []
        if len(row) not in (8, 9) or not np.isfinite(row).all():
            problem = f"expected timestamp x y z qx qy qz qw [id] (--poses_format 11), found {shorten(line)}"
            raise SceneError(f"{path.name}: line {i}", problem, reason=IngestReason.BAD_CAMERA)
        rows.append(row + [-1.0] * (9 - len(row)))
    return np.array(rows, dtype=np.float64).reshape(-1, 9)


def _rows(files: list[Path], table: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the pose of each image by the number of its node, else by its time; -1 = none."""
    if (table[:, 8] >= 0).all() and all(file.stem.isdecimal() and len(file.stem) < 9 for file in files):
        place = {int(node): row for row, node in enumerate(table[:, 8])}
        return np.array([place.get(int(file.stem), -1) for file in files])
    try:
        times = np.array([float(file.stem) for file in files])
    except ValueError:
        return np.full(len(files), -1)
    order = np.argsort(table[:, 0], kind="stable")
    found = nearest(table[order, 0], times, tolerance_s=SAME_S)
    return np.where(found < 0, -1, order[found])


def read_calibration(path: Path) -> tuple[Lens, NDArray[np.float64]]:
    """Read OpenCV's YAML of a camera: its lens, and the pose (4, 4) of the camera on the robot.

    Raises
    ------
    SceneError
        The file is missing or damaged, or its distortion is of a kind that is not undone.
    """
    text = read_text(path, max_bytes=1_000_000)

    def block(name: str, n: tuple[int, ...]) -> list[float]:
        found = re.search(rf"^{name}:.*?data:\s*\[([^\]]*)\]", text, re.MULTILINE | re.DOTALL)
        try:
            values = [float(word) for word in found[1].split(",")] if found else []
        except ValueError:
            values = []
        if len(values) not in n or not np.isfinite(values).all():
            problem = f"expected {' or '.join(map(str, n))} numbers, found {len(values)}"
            raise SceneError(f"{path.name}: {name}", problem, reason=IngestReason.BAD_CAMERA)
        return values

    sides = [re.search(rf"^image_{side}:\s*(\d+)\s*$", text, re.MULTILINE) for side in ("width", "height")]
    fx, _, cx, _, fy, cy, *_ = block("camera_matrix", (9,))
    if None in sides or min(fx, fy) <= 0:
        raise SceneError(path.name, "no image_width, image_height, focal length", reason=IngestReason.BAD_CAMERA)
    width, height = (int(side[1]) for side in sides if side is not None)
    coefficients = block("distortion_coefficients", (4, 5, 6, 8)) if "distortion_coefficients:" in text else [0.0] * 4
    if len(coefficients) == 6 and any(coefficients):
        problem = "pictures of the lens model equidistant with 6 numbers cannot be undistorted"
        raise SceneError(path.name, problem, reason=IngestReason.LENS_MODEL)
    k1, k2, p1, p2, k3, k4, k5, k6 = (*coefficients, 0.0, 0.0, 0.0, 0.0)[:8]
    lens = Lens(width, height, fx, fy, cx, cy, k=(k1, k2, k3, k4, k5, k6), p=(p1, p2))
    pose = np.eye(4)
    if "local_transform:" in text:
        pose[:3] = np.reshape(block("local_transform", (12,)), (3, 4))
    return lens, pose


RTABMAP = FrameFormat(
    name="rtabmap",
    title="RTAB-Map",
    told_by="`*_camera_poses.txt` or `*_poses.txt` beside `*_rgb/`",
    up="z",
    axes="opencv",
    depth="uint16 mm",
    find=find_rtabmap,
    read=read_rtabmap,
    aside=("*_rgb/*", "*_depth/*", "*_calib/*", "*_confidence/*", "*.db"),
    note="by `rtabmap-export --images_id --poses_camera --poses_format 11`",
)
