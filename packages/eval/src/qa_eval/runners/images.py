"""Frames as images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def open_image(path: Path) -> Image:
    """Read an image file as RGB.

    Raises
    ------
    OSError
        The file is missing or no readable image.
    """
    from PIL import Image

    with Image.open(path) as image:
        return image.convert("RGB")


def image_pixels(path: Path) -> int:
    """Width times height of an image file, from its header.

    Raises
    ------
    OSError
        The file is missing or no readable image.
    """
    from PIL import Image

    with Image.open(path) as image:
        return image.width * image.height
