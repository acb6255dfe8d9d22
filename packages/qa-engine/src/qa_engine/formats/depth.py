"""Depth images of sources: any unit, any size, brought to metres in the pixels of the colour image."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.lenses import Lens, undistort
from qa_engine.formats.parsing import check_inside, read_bytes

MAX_DEPTH_BYTES = 100_000_000
MAX_DEPTH_PIXELS = 30_000_000
DEPTH_FORMATS = ("PNG", "PPM")
"""16-bit PNG, or PGM (which Pillow counts as PPM)."""

NO_MEASUREMENT = 65_535
"""The largest number of 16 bits says in every source that nothing was measured, as 0 does."""


@dataclass(frozen=True)
class Depth:
    """Depth beside an image.

    Attributes
    ----------
    name : str
        For messages.
    read : callable
        Returns (h, w) float32 metres, 0 = none, over the same view as the image and of any size.
    along_rays : bool
        Whether these are distances from the camera's centre, not along its z axis.
    files : tuple of Path
        Files that it is read from.
    """

    name: str
    read: Callable[[], NDArray[np.float32]]
    along_rays: bool = False
    files: tuple[Path, ...] = ()


def png_depth(path: Path, roots: Sequence[Path], *, per_metre: float, along_rays: bool = False) -> Depth:
    """Depth in a 16-bit PNG or PGM; 0 and 65535 = none.

    Parameters
    ----------
    path : Path
    roots : sequence of Path
        Folders that the file may lie in.
    per_metre : float
        Units of the file per metre.
    along_rays : bool
        Whether it holds distances from the camera's centre.
    """

    def read() -> NDArray[np.float32]:
        check_inside(path, roots)
        raw = decoded_grey(read_bytes(path, max_bytes=MAX_DEPTH_BYTES), path.name)
        return np.where(raw == NO_MEASUREMENT, 0, raw).astype(np.float32) / np.float32(per_metre)

    return Depth(path.name, read, along_rays, (path,))


def depth_reader(
    depth: Depth,
    *,
    size: tuple[int, int] | None = None,
    depth_from_image: NDArray[np.float64] | None = None,
    lens: Lens | None = None,
    intrinsics: NDArray[np.float64] | None = None,
    quarter_turns: int = 0,
) -> Callable[[], NDArray[np.float32]]:
    """Return a function that reads depth in the pixels of its colour image when its frame is stored.

    Parameters
    ----------
    depth : Depth
    size : (int, int), optional
        Width and height of the colour image, pixels; the depth gets this size.
    depth_from_image : (3, 3) float64, optional
        Pixel of the depth image from pixel of the colour image: K_depth K_image⁻¹ of two cameras in one place. Where
        it is not given, both images show the same field of view.
    lens : Lens, optional
        Lens of the colour image, of `size`; the depth is undistorted like it.
    intrinsics : (3, 3) float64, optional
        Camera matrix of the colour image, without distortion, which distances along rays need.
    quarter_turns : int
        Turns of the image, against the clock, after everything else.
    """

    def read() -> NDArray[np.float32]:
        metres = depth.read()
        if size is not None and ((metres.shape[1], metres.shape[0]) != size or depth_from_image is not None):
            x, y = metres.shape[1] / size[0], metres.shape[0] / size[1]
            ratio = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
            metres = resampled(metres, size, ratio if depth_from_image is None else depth_from_image)
        if lens is not None:
            metres = undistort(metres, lens)
        if depth.along_rays:
            if intrinsics is None:
                problem = "distances from the camera's centre are no depths without the camera's numbers"
                raise SceneError(depth.name, problem, reason=IngestReason.BAD_CAMERA)
            metres = metres / _ray_lengths(intrinsics, metres.shape)
        return np.rot90(metres, quarter_turns).copy() if quarter_turns else metres

    return read


def resampled(depth: NDArray[np.float32], size: tuple[int, int], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Look up the nearest depth for each pixel of the colour image; 0 where it lies outside.

    Parameters
    ----------
    depth : (h, w) float32, metres
    size : (int, int)
        Width and height of the result, pixels.
    matrix : (3, 3) float64
        Depth pixel from image pixel, with the middle of the first pixel at (0, 0).

    Examples
    --------
    >>> resampled(np.array([[1, 2]], np.float32), (4, 1), np.array([[0.5, 0, -0.25], [0, 1, 0], [0, 0, 1]])).tolist()
    [[1.0, 1.0, 2.0, 2.0]]
    """
    column = np.rint(matrix[0, 0] * np.arange(size[0]) + matrix[0, 2]).astype(np.int64)
    row = np.rint(matrix[1, 1] * np.arange(size[1]) + matrix[1, 2]).astype(np.int64)
    found = depth[np.clip(row, 0, depth.shape[0] - 1)[:, None], np.clip(column, 0, depth.shape[1] - 1)]
    inside = ((row >= 0) & (row < depth.shape[0]))[:, None] & (column >= 0) & (column < depth.shape[1])
    return np.where(inside, found, np.float32(0))


def _ray_lengths(intrinsics: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Length of each pixel's ray up to depth 1."""
    x = (np.arange(shape[1]) - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (np.arange(shape[0]) - intrinsics[1, 2]) / intrinsics[1, 1]
    return np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2).astype(np.float32)


def image_size(path: Path) -> tuple[int, int] | None:
    """Read width and height from the header of an image; None where it has none that can be read."""
    try:
        with Image.open(path, formats=["PNG", "JPEG", "WEBP", "PPM"]) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def decoded_grey(data: bytes, name: str, *, bits: int = 16) -> NDArray[np.int64]:
    """Decode a grey image of 16 bits, or of 8.

    Raises
    ------
    SceneError
        It is no whole PNG or PGM, of another kind, or too large.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=DEPTH_FORMATS)
        if image.width * image.height > MAX_DEPTH_PIXELS:
            found = f"{image.width} x {image.height} pixels are too many (limit {MAX_DEPTH_PIXELS})"
            raise SceneError(name, found, reason=IngestReason.TOO_LARGE)
        if not (image.mode.startswith("I") if bits == 16 else image.mode in ("L", "P")):
            problem = f"mode {image.mode}, expected {bits}-bit grey"
            raise SceneError(name, problem, reason=IngestReason.BAD_FRAME)
        return np.asarray(image).astype(np.int64)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        problem = f"no whole {bits}-bit PNG or PGM image ({error})"
        raise SceneError(name, problem, reason=IngestReason.BAD_FRAME) from None
