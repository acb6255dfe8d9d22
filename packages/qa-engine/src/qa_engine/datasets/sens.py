"""Read ScanNet's `.sens` recordings: poses at once, images one by one when they are stored."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.depth import resampled
from qa_engine.formats.parsing import check_inside
from qa_engine.scenes.scene import Frame

HEADER = struct.Struct("<64f2i4IfQ")
"""Four 4 x 4 matrices, two codecs, two image sizes, depth units per metre, number of frames."""

FRAME = struct.Struct("<16f4Q")
"""Pose, two times in microseconds, lengths of the two images."""

JPEG, PNG = 2, 1
RAW_DEPTH, ZLIB_DEPTH = 0, 1
MAX_PIXELS = 50_000_000
MAX_NAME_BYTES = 10_000


@dataclass(frozen=True)
class _Recording:
    """The header of a recording."""

    path: Path
    intrinsics: NDArray[np.float64]
    depth_from_image: NDArray[np.float64]
    size: tuple[int, int]
    depth_size: tuple[int, int]
    depth_codec: int
    per_metre: float


def read_sens(
    path: Path, canonical_from_source: NDArray[np.float64], roots: Sequence[Path], *, every: int = 1
) -> tuple[tuple[Frame, ...], int]:
    """List the frames of a recording.

    Parameters
    ----------
    path : Path
    canonical_from_source : (4, 4) float64
    roots : sequence of Path
        Folders that the file may lie in.
    every : int
        Keep one frame in this many.

    Returns
    -------
    tuple of Frame, int
        Frames that were not tracked (their pose is not finite) are left out, and counted.

    Raises
    ------
    SceneError
        The file is cut off, no recording, or uses a codec other than JPEG or PNG with raw or zlib depth.
    """
    check_inside(path, roots)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            recording, count = _header(file, path)
            if count * FRAME.size > size:
                problem = f"{count} frames do not fit in {size} bytes"
                raise SceneError(f"{path.name}: num_frames", problem, reason=IngestReason.BAD_FORMAT)
            frames: list[Frame] = []
            untracked = 0
            for i in range(count):
                *pose, time_us, _, n_image, n_depth = FRAME.unpack(_exactly(file, FRAME.size, path))
                begin = file.tell()
                if begin + n_image + n_depth > size:
                    raise SceneError(f"{path.name}: frame {i}", "cut off", reason=IngestReason.BAD_FORMAT)
                file.seek(n_image + n_depth, 1)
                matrix = np.array(pose, dtype=np.float64).reshape(4, 4)
                if i % every:
                    continue
                if not np.isfinite(matrix).all():
                    untracked += 1
                    continue
                frames.append(
                    Frame(
                        frame_id=f"{i:06d}",
                        read_image=_part(path, begin, n_image),
                        read_depth=_depth(recording, begin + n_image, n_depth) if n_depth else None,
                        width=recording.size[0],
                        height=recording.size[1],
                        time_s=time_us / 1e6,
                        intrinsics=recording.intrinsics,
                        world_from_camera=canonical_from_source @ matrix,
                    )
                )
            return tuple(frames), untracked
    except OSError as error:
        raise SceneError(path.name, error.strerror or str(error), reason=IngestReason.UNREADABLE_FILE) from None


def _header(file: BinaryIO, path: Path) -> tuple[_Recording, int]:
    """Read what comes before the frames."""
    version, length = struct.unpack("<IQ", _exactly(file, 12, path))
    if version != 4 or length > MAX_NAME_BYTES:
        problem = f"version {version} with a name of {length} bytes, expected version 4"
        raise SceneError(f"{path.name}: header", problem, reason=IngestReason.BAD_FORMAT)
    _exactly(file, length, path)
    *values, count = HEADER.unpack(_exactly(file, HEADER.size, path))
    image, _, depth, _ = np.array(values[:64], dtype=np.float64).reshape(4, 4, 4)[:, :3, :3]
    codec, depth_codec, width, height, depth_width, depth_height, per_metre = values[64:]
    cameras = np.stack([image, depth])
    if not np.isfinite(cameras).all() or (cameras[:, [0, 1], [0, 1]] <= 0).any() or not 0 < per_metre < 1e6:
        raise SceneError(f"{path.name}: intrinsics", "no camera matrix", reason=IngestReason.BAD_CAMERA)
    if codec not in (JPEG, PNG) or depth_codec not in (RAW_DEPTH, ZLIB_DEPTH):
        problem = f"colour {codec}, depth {depth_codec}; expected 1 or 2 (PNG, JPEG) and 0 or 1 (raw, zlib)"
        raise SceneError(f"{path.name}: codec", problem, reason=IngestReason.BAD_FORMAT)
    if not (0 < width * height <= MAX_PIXELS and 0 < depth_width * depth_height <= MAX_PIXELS):
        problem = f"{width} x {height} and {depth_width} x {depth_height} pixels"
        raise SceneError(f"{path.name}: size", problem, reason=IngestReason.TOO_LARGE)
    intrinsics = np.array([[image[0, 0], 0, image[0, 2]], [0, image[1, 1], image[1, 2]], [0, 0, 1]])
    matrix = depth @ np.linalg.inv(intrinsics)
    size, depth_size = (width, height), (depth_width, depth_height)
    return _Recording(path, intrinsics, matrix, size, depth_size, depth_codec, per_metre), count


def _exactly(file: BinaryIO, n: int, path: Path) -> bytes:
    """Read n bytes."""
    data = file.read(n)
    if len(data) != n:
        raise SceneError(path.name, "cut off", reason=IngestReason.BAD_FORMAT)
    return data


def _part(path: Path, begin: int, n: int) -> Callable[[], bytes]:
    """Return a function that reads part of a file."""

    def read() -> bytes:
        with path.open("rb") as file:
            file.seek(begin)
            return _exactly(file, n, path)

    return read


def _depth(recording: _Recording, begin: int, n: int) -> Callable[[], NDArray[np.float32]]:
    """Return a function that reads one depth image in the pixels of the colour image."""
    part = _part(recording.path, begin, n)

    def read() -> NDArray[np.float32]:
        data, (width, height) = part(), recording.depth_size
        try:
            if recording.depth_codec == ZLIB_DEPTH:
                data = zlib.decompressobj().decompress(data, 2 * width * height + 1)
            depth = np.frombuffer(data, "<u2").reshape(height, width)
        except (zlib.error, ValueError) as error:
            problem = f"damaged depth image ({error})"
            raise SceneError(recording.path.name, problem, reason=IngestReason.BAD_FRAME) from None
        metres = depth.astype(np.float32) / np.float32(recording.per_metre)
        return resampled(metres, recording.size, recording.depth_from_image)

    return read
