"""Pictures of sources: how large and how turned they are, and pictures drawn anew, upright and without distortion."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from qa_engine.errors import IngestReason, SceneError
from qa_engine.extras import require
from qa_engine.formats.lenses import Lens, undistort
from qa_engine.formats.parsing import check_inside, read_bytes
from qa_engine.scenes.fields import MAX_PIXELS

MAX_PICTURE_BYTES = 100_000_000
FORMATS = ("PNG", "JPEG", "WEBP")
HEIC = (".heic", ".heif")
"""Endings of photos that an extra decodes, as they are shown: their container turns them, whatever EXIF says."""

ORIENTATION = 0x0112
"""EXIF's tag for how a picture is turned to be shown; 1 = not at all."""

JPEG_QUALITY = 95
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Header:
    """Width and height of a picture as stored, pixels, and its EXIF orientation, 1 to 8."""

    size: tuple[int, int]
    orientation: int = 1

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height of the picture as it is shown."""
        return (self.size[1], self.size[0]) if self.orientation >= 5 else self.size


@dataclass(frozen=True)
class Picture:
    """Where the pixels of an image come from: a file, a member of an archive, or a frame of a video.

    Attributes
    ----------
    name : str
        For messages.
    header : Header or None
        None where it cannot be read.
    pixels : callable
        `pixels(turn)` decodes it, turned as EXIF says or as it is stored.
    lossy : bool
        Whether it is drawn anew as JPEG, else as PNG.
    path : Path, optional
        A file that a store may copy byte for byte.
    data : callable, optional
        Returns encoded bytes that a store may take as they are.
    """

    name: str
    header: Header | None
    pixels: Callable[[bool], NDArray[np.uint8]]
    lossy: bool = False
    path: Path | None = None
    data: Callable[[], bytes] | None = None


def file_picture(path: Path, roots: Sequence[Path]) -> Picture:
    """Take a PNG, JPEG, WebP or HEIC file as a picture."""

    def read() -> bytes:
        check_inside(path, roots)
        return read_bytes(path, max_bytes=MAX_PICTURE_BYTES)

    header = read_header(path)
    if path.suffix.lower() in HEIC:
        return Picture(path.name, header, lambda turn: _decoded_heic(read(), path.name), lossy=True)
    lossy = path.suffix.lower() in (".jpg", ".jpeg")
    return Picture(path.name, header, lambda turn: _decoded(read(), path.name, turn=turn), lossy, path=path)


def encoded_picture(name: str, read: Callable[[], bytes]) -> Picture:
    """Take encoded bytes, as of a member of an archive, as a picture."""
    try:
        header = read_header(io.BytesIO(read()))
    except SceneError:  # said again where the picture is stored
        header = None
    lossy = name.lower().endswith((".jpg", ".jpeg"))
    return Picture(name, header, lambda turn: _decoded(read(), name, turn=turn), lossy, data=read)


def read_header(source: Path | IO[bytes]) -> Header | None:
    """Read the header of a picture; None where it has none that can be read."""
    if isinstance(source, Path) and source.suffix.lower() in HEIC:
        heif = require("pillow_heif", extra="phone", purpose=f"The photo {source.name}")
        try:
            return Header(heif.open_heif(source).size)
        except _DAMAGE:
            return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source, formats=FORMATS) as image:
                orientation = image.getexif().get(ORIENTATION, 1)
                return Header(image.size, orientation if orientation in range(1, 9) else 1)
    except _DAMAGE:
        return None


def redrawn(picture: Picture, *, turn: bool, lens: Lens | None, quarter_turns: int = 0) -> Callable[[], bytes]:
    """Return a function that draws a picture anew when its frame is stored.

    Parameters
    ----------
    picture : Picture
    turn : bool
        Turn the pixels as EXIF says. The result has no such mark either way.
    lens : Lens, optional
        Undistort the (turned) picture.
    quarter_turns : int
        Turns against the clock, after everything else.

    Notes
    -----
    JPEG and video become JPEG of quality 95 without subsampling, any other picture PNG.
    """

    def read() -> bytes:
        pixels = picture.pixels(turn)
        if lens is not None:
            pixels = undistort(pixels, lens)
        buffer = io.BytesIO()
        form = "JPEG" if picture.lossy else "PNG"
        options = {"quality": JPEG_QUALITY, "subsampling": 0} if picture.lossy else {}
        Image.fromarray(np.ascontiguousarray(np.rot90(pixels, quarter_turns))).save(buffer, format=form, **options)
        return buffer.getvalue()

    return read


def _decoded(data: bytes, name: str, *, turn: bool) -> NDArray[np.uint8]:
    """Decode a picture to (h, w, 3)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                found = f"{image.width} x {image.height} pixels are too many (limit {MAX_PIXELS})"
                raise SceneError(name, found, reason=IngestReason.TOO_LARGE)
            return np.asarray((ImageOps.exif_transpose(image) if turn else image).convert("RGB"))
    except _DAMAGE as error:
        problem = f"no whole JPEG, PNG or WebP image ({error})"
        raise SceneError(name, problem, reason=IngestReason.BAD_FRAME) from None


def _decoded_heic(data: bytes, name: str) -> NDArray[np.uint8]:
    """Decode a HEIC photo to (h, w, 3), as it is shown."""
    heif = require("pillow_heif", extra="phone", purpose=f"The photo {name}")
    try:
        photo = heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
        if photo.size[0] * photo.size[1] > MAX_PIXELS:
            found = f"{photo.size[0]} x {photo.size[1]} pixels are too many (limit {MAX_PIXELS})"
            raise SceneError(name, found, reason=IngestReason.TOO_LARGE)
        return np.asarray(photo.to_pillow().convert("RGB"))
    except _DAMAGE as error:
        raise SceneError(name, f"no whole HEIC photo ({error})", reason=IngestReason.BAD_FRAME) from None
