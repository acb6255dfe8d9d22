"""Record3D: an archive `.r3d` of JPEG pictures, compressed depth and confidence, and one JSON of poses.

References
----------
marek-simonik/record3d, issues 7, 27, 33, 36, 60, 81, 83, 93: quaternions have w last, poses map the camera to the world
with OpenGL axes, `K` is column-major and of the first frame, newer recordings have `perFrameIntrinsicCoeffs`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.extras import require
from qa_engine.formats.canonical import poses, rotations
from qa_engine.formats.confidence import trusted
from qa_engine.formats.containers import Container
from qa_engine.formats.depth import Depth
from qa_engine.formats.lenses import Lens
from qa_engine.formats.parsing import expect, member, number, numbers, parse_json
from qa_engine.formats.pictures import encoded_picture
from qa_engine.formats.posed_images import PosedImage, checked_size
from qa_engine.formats.recordings.base import FrameFormat, Recording

MAX_MAP_BYTES = 16_000_000
"""More than the largest map has, float32."""

NO_POSE = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
"""What recordings of the front camera have for every frame."""

DEPTH_SHAPES = {256 * 192: (256, 192), 960 * 720: (960, 720), 640 * 480: (640, 480)}
"""Rows and columns of upright recordings whose metadata do not say: LiDAR, and two front cameras."""


def find_record3d(folder: Path) -> tuple[Path, ...]:
    """Find the archive, or the metadata of an unpacked one."""
    found = tuple(sorted(folder.glob("*.r3d")))
    unpacked = folder / "metadata"
    return found[:1] or ((unpacked,) if unpacked.is_file() and (folder / "rgbd").is_dir() else ())


def read_record3d(recording: Recording) -> list[PosedImage]:
    """Read a recording.

    Raises
    ------
    SceneError
        The archive or its metadata are damaged, or it has no poses.
    """
    path = recording.files[0]
    container = Container(path if path.suffix == ".r3d" else path.parent, recording.roots)
    meta = expect(parse_json(container.read("metadata"), "metadata"), dict, "metadata")
    table = np.array([numbers(row, 7, f"poses[{i}]") for i, row in enumerate(member(meta, "poses", list, "metadata"))])
    table = table.reshape(-1, 7)
    if len(table) > 1 and (np.abs(table - NO_POSE) < 1e-9).all():
        problem = "every pose is zero, as in recordings of the front camera; record with the LiDAR"
        raise SceneError("metadata.poses", problem, reason=IngestReason.BAD_CAMERA)
    matrices = recording.poses(poses(rotations(table[:, :4], "metadata.poses", order="xyzw"), table[:, 4:]))
    cameras, times = _cameras(meta, len(table)), _times(meta, len(table))
    images: list[PosedImage] = []
    for i, matrix in enumerate(matrices):
        name = next((n for n in (f"rgbd/{i}.jpg", f"rgbd/{i}.png") if n in container), f"rgbd/{i}.jpg")
        missing = None if name in container else SceneError(name, "no such image", reason=IngestReason.MISSING_FILE)
        images.append(
            PosedImage(
                f"{i:06d}",
                matrix,
                cameras[i],
                times[i],
                refused=missing,
                picture=None if missing else encoded_picture(name, lambda name=name: container.read(name)),
                depth=_depth(container, i, meta, recording),
                files=container.files("metadata", name),
            )
        )
    return images


def _cameras(meta: dict[str, Any], n: int) -> list[Lens]:
    """Read the camera of each frame: fx, fy, cx, cy for pictures of w x h pixels."""
    size = checked_size(number(meta.get("w"), "metadata.w"), number(meta.get("h"), "metadata.h"), "metadata")
    own = meta.get("perFrameIntrinsicCoeffs")
    if own:
        rows = expect(own, list, "perFrameIntrinsicCoeffs")
        if len(rows) != n:
            problem = f"{len(rows)} cameras, {n} poses"
            raise SceneError("metadata.perFrameIntrinsicCoeffs", problem, reason=IngestReason.BAD_CAMERA)
        values = [numbers(row, 4, f"perFrameIntrinsicCoeffs[{i}]") for i, row in enumerate(rows)]
    else:
        fx, _, _, _, fy, _, cx, cy, _ = numbers(meta.get("K"), 9, "metadata.K")
        values = [[fx, fy, cx, cy]] * n
    if any(min(row[:2]) <= 0 for row in values):
        raise SceneError("metadata.K", "focal length not above 0", reason=IngestReason.BAD_CAMERA)
    return [Lens(*size, fx, fy, cx, cy) for fx, fy, cx, cy in values]


def _times(meta: dict[str, Any], n: int) -> list[float | None]:
    """Read the time of each frame, or count by the rate."""
    stamps = meta.get("frameTimestamps")
    if stamps and len(stamps) == n:
        return [number(value, f"frameTimestamps[{i}]") for i, value in enumerate(stamps)]
    rate = meta.get("fps")
    return [i / rate if rate else None for i in range(n)]


def _depth(container: Container, i: int, meta: dict[str, Any], recording: Recording) -> Depth | None:
    """Depth of a frame in metres, without what its confidence says is no measurement."""
    name, confidence = f"rgbd/{i}.depth", f"rgbd/{i}.conf"
    if name not in container:
        return None

    def read() -> NDArray[np.float32]:
        metres = _unpacked(container, name, np.dtype("<f4"), meta)
        return np.where(np.isfinite(metres), metres, np.float32(0))

    depth = Depth(name, read, recording.along_rays, container.files(name))
    if confidence not in container:
        return depth
    return trusted(
        depth,
        lambda: _unpacked(container, confidence, np.dtype("u1"), meta),
        least=recording.settings["confidence"],
        files=container.files(confidence),
    )


def _unpacked(container: Container, name: str, dtype: np.dtype, meta: dict[str, Any]) -> NDArray:
    """Decompress one map; rows and columns stand in the metadata, or follow from the number of pixels."""
    codecs = require("imagecodecs", extra="phone", purpose="Depth of Record3D")
    data = container.read(name)
    rows, columns = meta.get("dh"), meta.get("dw")
    try:
        values = np.frombuffer(codecs.lzfse_decode(data, out=MAX_MAP_BYTES), dtype=dtype)
    except (RuntimeError, ValueError) as error:
        raise SceneError(name, f"no LZFSE of whole numbers ({error})", reason=IngestReason.BAD_FRAME) from None
    if not (isinstance(rows, int) and isinstance(columns, int)):
        rows, columns = DEPTH_SHAPES.get(values.size, (0, 0))
        if meta["w"] > meta["h"]:
            rows, columns = columns, rows
    if rows * columns != values.size or not values.size:
        problem = f"{values.size} pixels are not {columns} x {rows}"
        raise SceneError(name, problem, reason=IngestReason.BAD_FRAME)
    return values.reshape(rows, columns)


RECORD3D = FrameFormat(
    name="record3d",
    title="Record3D",
    told_by="`*.r3d`, or its `metadata` and `rgbd/`",
    up="y",
    axes="opengl",
    depth="float32 m (LZFSE), confidence 0 to 2",
    find=find_record3d,
    read=read_record3d,
    aside=("icon", "sound.m4a"),
    sideways=True,
    extra="phone",
    note="recordings of before 2022 begin at zero, not upright",
)
