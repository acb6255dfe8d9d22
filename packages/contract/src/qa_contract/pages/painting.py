"""Drawings painted with Pillow, which a page does not need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from qa_contract.pages.drawing import DASHES, Drawing, Shape
from qa_contract.pages.palette import TONES

Array = NDArray[np.float64]


def paint(drawing: Drawing, path: Path, *, scale: int) -> None:
    """Paint a drawing as a PNG of `scale` times its size, in the tones for light."""
    fine = 2 * scale  # painted at twice the size and averaged, which smooths the lines
    image = Image.new("RGB", (round(drawing.width * fine), round(drawing.height * fine)), TONES["page"][0])
    pen = ImageDraw.Draw(image, "RGBA")
    for shape in drawing.shapes:
        _paint(pen, shape, fine)
    size = (round(drawing.width * scale), round(drawing.height * scale))
    image.resize(size, Image.Resampling.BOX).save(path, format="PNG", optimize=True)


def _colour(tone: str, opacity: float = 1.0) -> tuple[int, int, int, int]:
    """Colour of a tone on light."""
    code = TONES[tone][0]
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16), round(255 * opacity)


def _paint(pen: ImageDraw.ImageDraw, shape: Shape, scale: float) -> None:
    """Paint a shape."""
    points = [(x * scale, y * scale) for x, y in shape.points.tolist()]
    fill = _colour(shape.fill, shape.opacity) if shape.fill else None
    stroke = _colour(shape.stroke) if shape.stroke else None
    width = max(round(shape.width * scale), 1)
    if shape.kind == "text":
        _paint_text(pen, shape, scale)
    elif shape.kind == "circle":
        (x, y), r = points[0], shape.radius * scale
        pen.ellipse((x - r, y - r, x + r, y + r), fill=fill, outline=stroke, width=width if stroke else 0)
    elif shape.kind == "path":
        side = shape.radius * scale
        for x, y in points:
            pen.rectangle((x, y, x + side, y + side), fill=fill)
    else:
        if shape.kind == "polygon" and fill and len(points) > 2:
            pen.polygon(points, fill=fill)
        if stroke:
            closed = [*points, points[0]] if shape.kind == "polygon" else points
            for run in _dashed(np.array(closed), [d * scale for d in DASHES[shape.dash]]):
                pen.line([tuple(p) for p in run.tolist()], fill=stroke, width=width, joint="curve")


def _paint_text(pen: ImageDraw.ImageDraw, shape: Shape, scale: float) -> None:
    font = ImageFont.load_default(shape.size * scale)
    x, y = (shape.points[0] * scale).tolist()
    align = {"start": "ls", "middle": "ms", "end": "rs"}[shape.align]
    rim = round(2 * scale) if shape.halo else 0
    ink, paper = _colour(shape.fill), _colour("page")
    pen.text((x, y), shape.text, fill=ink, font=font, anchor=align, stroke_width=rim, stroke_fill=paper)


def _dashed(points: Array, pattern: Sequence[float]) -> list[Array]:
    """Cut a line into its dashes."""
    if not pattern or len(points) < 2:
        return [points]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    edges = np.concatenate([[0.0], np.cumsum(np.tile(pattern, int(along[-1] // sum(pattern)) + 1))])
    runs = []
    for start, end in zip(edges[0::2], edges[1::2], strict=False):
        if start >= along[-1]:
            break
        stops = np.concatenate([[start], along[(along > start) & (along < end)], [min(end, along[-1])]])
        runs.append(np.column_stack([np.interp(stops, along, points[:, k]) for k in (0, 1)]))
    return runs
