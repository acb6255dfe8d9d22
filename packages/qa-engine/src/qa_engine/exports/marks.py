"""Draw the marks of questions on their frames: boxes with a colour and a number, as the questions name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

DRAWN = "marked"
"""Folder of the drawn frames among the images of an export."""


def draw_marks(image: Image.Image, marks: Sequence[Mapping[str, Any]]) -> Image.Image:
    """Draw boxes with their labels.

    Parameters
    ----------
    image : Image
    marks : sequence of mapping
        As in the table `details`: `colour`, `label`, `box_2d` in pixels.

    Examples
    --------
    >>> mark = {"colour": "red", "label": "7", "box_2d": [10, 10, 40, 30]}
    >>> draw_marks(Image.new("RGB", (64, 48)), [mark]).getpixel((10, 20))
    (255, 0, 0)
    """
    drawn = image.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    width = max(1, round(max(image.size) / 200))
    height = max(10, round(max(image.size) / 32))
    for mark in marks:
        x, y, right, bottom = mark["box_2d"]
        pen.rectangle((x, y, right - 1, bottom - 1), outline=mark["colour"], width=width)
    for mark in marks:  # over all boxes, so that none crosses a number
        x, y = mark["box_2d"][:2]
        label = mark["label"]
        wide = pen.textlength(label, font_size=height) + 4
        left = min(max(x, 0), image.width - wide)
        top = y - height - 2 if y >= height + 2 else y
        pen.rectangle((left, top, left + wide, top + height + 2), fill=mark["colour"])
        pen.text((left + 2, top), label, fill=_ink(mark["colour"]), font_size=height)
    return drawn


def write_marked(source: Path, marks: Sequence[Mapping[str, Any]], target: Path) -> None:
    """Draw marks on the image of a file and write it as PNG."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        draw_marks(image, marks).save(target)


def _ink(colour: str) -> str:
    """Choose black or white to write on a colour."""
    return "black" if colour in ("yellow", "cyan", "white", "orange") else "white"
