"""Shapes on a page, written as SVG or drawn as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

Point = tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """One shape, in pixels, y downwards.

    Attributes
    ----------
    points : sequence of (x, y)
        Corners; the anchor of a text.
    kind : str
        `polygon`, `line` or `text`.
    stroke, fill : str
        Colours `#rrggbb`; empty for none. `fill` may have an opacity, `#rrggbbaa`.
    width : float
        Of the stroke.
    text : str
    size : int
        Of the text.
    anchor : str
        `start` or `middle`.
    """

    points: Sequence[Point]
    kind: str
    stroke: str = ""
    fill: str = ""
    width: float = 1.0
    text: str = ""
    size: int = 13
    anchor: str = "start"


def polygon(points: Sequence[Point], *, fill: str = "", stroke: str = "", width: float = 1.0) -> Shape:
    """Make a closed outline."""
    return Shape(points, "polygon", stroke=stroke, fill=fill, width=width)


def line(points: Sequence[Point], stroke: str, *, width: float = 2.0) -> Shape:
    """Make an open line."""
    return Shape(points, "line", stroke=stroke, width=width)


def text(point: Point, words: str, *, fill: str = "#202020", size: int = 13, anchor: str = "start") -> Shape:
    """Make a text; the point is on its base line."""
    return Shape([point], "text", fill=fill, text=words, size=size, anchor=anchor)


def to_svg(shapes: Sequence[Shape], width: int, height: int) -> str:
    """Write shapes as an SVG element; texts are escaped.

    Examples
    --------
    >>> to_svg([text((1, 2), "<a>")], 10, 10).count("&lt;a&gt;")
    1
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif">'
    ]
    for shape in shapes:
        if shape.kind == "text":
            (x, y), words = shape.points[0], escape(shape.text)
            style = f'font-size="{shape.size}" text-anchor="{shape.anchor}" fill="{shape.fill}"'
            halo = 'stroke="#ffffff" stroke-width="3" paint-order="stroke"'
            parts.append(f'<text x="{x:.1f}" y="{y:.1f}" {style} {halo}>{words}</text>')
            continue
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
        fill = shape.fill[:7] or "none"
        opacity = int(shape.fill[7:] or "ff", 16) / 255
        name = "polygon" if shape.kind == "polygon" else "polyline"
        parts.append(
            f'<{name} points="{points}" fill="{fill}" fill-opacity="{opacity:.2f}" '
            f'stroke="{shape.stroke or "none"}" stroke-width="{shape.width:g}"/>'
        )
    return "\n".join([*parts, "</svg>"])


def write_png(shapes: Sequence[Shape], width: int, height: int, path: Path) -> None:
    """Draw shapes, at twice the size and then reduced, so that lines are smooth."""
    from PIL import Image, ImageDraw, ImageFont

    scale = 2
    image = Image.new("RGB", (width * scale, height * scale), "#ffffff")
    draw = ImageDraw.Draw(image, "RGBA")
    for shape in shapes:
        points = [(x * scale, y * scale) for x, y in shape.points]
        if shape.kind == "text":
            font = ImageFont.load_default(shape.size * scale)
            anchor = "ms" if shape.anchor == "middle" else "ls"
            draw.text(
                points[0], shape.text, fill=shape.fill, font=font, anchor=anchor, stroke_width=3, stroke_fill="#fff"
            )
            continue
        if shape.kind == "polygon" and shape.fill:
            draw.polygon(points, fill=shape.fill)
        if shape.stroke:
            closed = [*points, points[0]] if shape.kind == "polygon" else points
            draw.line(closed, fill=shape.stroke, width=round(shape.width * scale), joint="curve")
    image.resize((width, height), Image.Resampling.LANCZOS).save(path, format="PNG", optimize=True)
