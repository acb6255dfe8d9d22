"""poses.csv: a table of poses for whoever has none of the other formats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import is_unit, no_unit, poses, rotations
from qa_engine.formats.lenses import Lens
from qa_engine.formats.posed_images import PosedImage, safe_name
from qa_engine.formats.recordings.base import FrameFormat, Recording, by_patterns
from qa_engine.formats.text_tables import column_names, number_columns, read_csv

MAX_BYTES = 256_000_000
POSE = ("tx", "ty", "tz", "qx", "qy", "qz", "qw")
CAMERA = ("fx", "fy", "cx", "cy")
TIMES = ("time", "time_s", "timestamp")
LENS = ("k1", "k2", "k3", "p1", "p2")


def read_table(recording: Recording) -> list[PosedImage]:
    """Read `image,tx,ty,tz,qx,qy,qz,qw` with optional `fx,fy,cx,cy`, `width,height`, `k1,k2,k3,p1,p2` and `time`."""
    path = recording.files[0]
    table = read_csv(path, ["image", *POSE], max_bytes=MAX_BYTES)
    values = number_columns(table, POSE, path.name, finite=False)
    whole = np.isfinite(values).all(axis=1) & is_unit(values[:, 3:])
    damaged = values[~whole]
    values[~whole] = [0, 0, 0, 0, 0, 0, 1]
    pose = recording.poses(poses(rotations(values[:, 3:], f"{path.name}: qx", order="xyzw"), values[:, :3]))
    names = [safe_name(name, f"{path.name}: image[{i}]") for i, name in enumerate(table["image"])]
    header = column_names(path, max_bytes=MAX_BYTES)
    known = {"image", *POSE, *CAMERA, *LENS, *TIMES, "width", "height"}
    if unknown := [name for name in header if name not in known]:
        problem = f"not understood; known are {', '.join(sorted(known))}"
        raise SceneError(f"{path.name}: column {unknown[0]}", problem, reason=IngestReason.BAD_FORMAT)

    def column(name: str) -> NDArray[np.float64] | None:
        if name not in header:
            return None
        return number_columns(read_csv(path, [name], max_bytes=MAX_BYTES), [name], path.name)[:, 0]

    time = next((column(name) for name in TIMES if name in header), None)
    camera = [column(name) for name in CAMERA]
    lens_numbers = [found if (found := column(name)) is not None else np.zeros(len(names)) for name in LENS]
    width, height = column("width"), column("height")
    refusals = (
        SceneError(
            f"{path.name}: line {i + 2}",
            no_unit(row[3:]) if np.isfinite(row).all() else "a value is NaN or infinite",
            reason=IngestReason.BAD_CAMERA,
        )
        for i, row in zip(np.flatnonzero(~whole), damaged, strict=True)
    )
    images: list[PosedImage] = []
    for i, name in enumerate(names):
        size = recording.size_of(name) if width is None or height is None else (int(width[i]), int(height[i]))
        lens = None
        if size is not None and all(numbers is not None for numbers in camera):
            fx, fy, cx, cy = (float(numbers[i]) for numbers in camera if numbers is not None)
            k1, k2, k3, p1, p2 = (float(numbers[i]) for numbers in lens_numbers)
            if fx <= 0 or fy <= 0 or min(size) < 1:
                problem = f"focal length {fx:g}, {fy:g}, size {size}: not above 0"
                raise SceneError(f"{path.name}: line {i + 2}", problem, reason=IngestReason.BAD_CAMERA)
            lens = Lens(*size, fx, fy, cx, cy, k=(k1, k2, k3, 0.0, 0.0, 0.0), p=(p1, p2))
        refused = None if whole[i] else next(refusals)
        images.append(PosedImage(name, pose[i], lens, None if time is None else float(time[i]), refused=refused))
    return images


TABLE = FrameFormat(
    name="csv",
    title="own table",
    told_by="`poses.csv`",
    up=None,
    axes="opencv",
    depth="own PNG",
    find=by_patterns("poses.csv"),
    read=read_table,
)
