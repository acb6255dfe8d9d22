"""What a file of poses says about an image, whoever wrote the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.depth import Depth
from qa_engine.formats.lenses import Lens
from qa_engine.formats.pictures import Picture
from qa_engine.scenes.fields import shorten

SizeOf = Callable[[str], tuple[int, int] | None]
"""Width and height of the image of a name, pixels; None where it cannot be read."""


@dataclass(frozen=True)
class PosedImage:
    """An image with what its file of poses says.

    Parameters
    ----------
    name : str
        Path below the folder of images.
    source_from_camera : (4, 4) float64, metres, OpenCV camera axes
    lens : Lens, optional
        The camera, for the size that its file states.
    time_s : float, optional
    depth_name : str, optional
        Path of its depth below the folder of the scan.
    depth_per_metre : float, optional
        Units of its depth per metre.
    refused : SceneError, optional
        Why the image cannot be a frame.
    picture : Picture, optional
        Its pixels, where they are not a file of that name.
    depth : Depth, optional
        Its depth, where the format says where it is and what it holds.
    files : tuple of Path
        Files that were read for this image alone.
    """

    name: str
    source_from_camera: NDArray[np.float64]
    lens: Lens | None = None
    time_s: float | None = None
    depth_name: str | None = None
    depth_per_metre: float | None = None
    refused: SceneError | None = None
    picture: Picture | None = None
    depth: Depth | None = None
    files: tuple[Path, ...] = ()


def in_order(images: Iterable[PosedImage]) -> list[PosedImage]:
    """Sort images by time where all have one, else by name, numbers in names by value.

    Examples
    --------
    >>> [image.name for image in in_order(PosedImage(name, np.eye(4)) for name in ("a10.png", "a9.png"))]
    ['a9.png', 'a10.png']
    """
    images = list(images)
    timed = all(image.time_s is not None for image in images)
    return sorted(images, key=lambda image: (image.time_s if timed else 0.0, _natural(image.name), image.name))


def some_usable(images: list[PosedImage]) -> list[PosedImage]:
    """Refuse a file none of whose images can be used because of their numbers: then it is the file that is damaged.

    Raises
    ------
    SceneError
        What is wrong with the first.
    """
    refused = [image.refused for image in images if image.refused is not None]
    if refused and len(refused) == len(images) and refused[0].reason is not IngestReason.LENS_MODEL:
        raise refused[0]
    return images


def _natural(name: str) -> list[tuple[int, str]]:
    """Words and numbers of a name; numbers sort by value."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in parts]


def safe_name(name: str, field: str) -> str:
    """Check that a path of an image stays below its folder.

    Examples
    --------
    >>> safe_name("./images/a.jpg", "file_path")
    'images/a.jpg'
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if not name or path.is_absolute() or ".." in path.parts or not name.isprintable():
        problem = f"{shorten(name)} is no path below the folder"
        raise SceneError(field, problem, reason=IngestReason.BAD_NAME)
    return path.as_posix()


def checked_size(width: float, height: float, field: str) -> tuple[int, int]:
    """Check the size of an image."""
    if not (1 <= width <= 1e5 and 1 <= height <= 1e5):
        raise SceneError(field, f"an image of {width:g} x {height:g} pixels", reason=IngestReason.BAD_CAMERA)
    return int(width), int(height)
