"""Pictures of sources: how large and how turned they are, and pictures drawn anew, upright and without distortion."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.lenses import Lens, undistort
from qa_engine.formats.parsing import check_inside, read_bytes
from qa_engine.scenes.fields import MAX_PIXELS

MAX_PICTURE_BYTES = 100_000_000
FORMATS = ("PNG", "JPEG", "WEBP")
ORIENTATION = 0x0112
"""EXIF's tag for how a picture is turned to be shown; 1 = not at all."""

JPEG_QUALITY = 95


@dataclass(frozen=True)
class Header:
    """Width and height of a picture as stored, pixels, and its EXIF orientation, 1 to 8."""

    size: tuple[int, int]
    orientation: int

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height of the picture as it is shown."""
        return (self.size[1], self.size[0]) if self.orientation >= 5 else self.size


def read_header(path: Path) -> Header | None:
    """Read the header of a picture; None where it has none that can be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                orientation = image.getexif().get(ORIENTATION, 1)
                return Header(image.size, orientation if orientation in range(1, 9) else 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def picture_reader(path: Path, roots: Sequence[Path], *, turn: bool, lens: Lens | None) -> Callable[[], bytes]:
    """Return a function that draws a picture anew when its frame is stored.

    Parameters
    ----------
    path : Path
        PNG, JPEG or WebP.
    roots : sequence of Path
        Folders that the file may lie in.
    turn : bool
        Turn the pixels as EXIF says. The result has no such mark either way.
    lens : Lens, optional
        Undistort the (turned) picture.

    Notes
    -----
    JPEG becomes JPEG of quality 95 without subsampling, any other picture PNG.
    """

    def read() -> bytes:
        check_inside(path, roots)
        data = read_bytes(path, max_bytes=MAX_PICTURE_BYTES)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image = Image.open(io.BytesIO(data), formats=FORMATS)
                if image.width * image.height > MAX_PIXELS:
                    found = f"{image.width} x {image.height} pixels are too many (limit {MAX_PIXELS})"
                    raise SceneError(path.name, found, reason=IngestReason.TOO_LARGE)
                form = "JPEG" if image.format == "JPEG" else "PNG"
                pixels = (ImageOps.exif_transpose(image) if turn else image).convert("RGB")
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            problem = f"no whole JPEG, PNG or WebP image ({error})"
            raise SceneError(path.name, problem, reason=IngestReason.BAD_FRAME) from None
        if lens is not None:
            pixels = Image.fromarray(undistort(np.asarray(pixels), lens))
        buffer = io.BytesIO()
        options = {"quality": JPEG_QUALITY, "subsampling": 0} if form == "JPEG" else {}
        Image.fromarray(np.asarray(pixels)).save(buffer, format=form, **options)
        return buffer.getvalue()

    return read
