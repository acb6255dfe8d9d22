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


def image_size(path: Path) -> str:
    """Width and height of an image file, as ``"640x480"``; ``"unreadable"`` where it is none."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return f"{image.width}x{image.height}"
    except (OSError, ValueError, SyntaxError):
        return "unreadable"


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
