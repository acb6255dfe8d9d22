"""Drawings: shapes in pixels, y downwards, written as SVG that follows light and dark, or as a PNG on white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

FONT_PX = 12.0
"""Size of text in a drawing; drawings are about 450 wide, so that it stays legible on a phone."""

DASHES = {"solid": (), "dashed": (6.0, 4.0), "dotted": (1.5, 3.5), "dash-dot": (8.0, 3.0, 2.0, 3.0)}


@dataclass(frozen=True)
class Shape:
    """One shape.

    Attributes
    ----------
    kind : str
        `polygon`, `line`, `circle`, `path` or `text`.
    points : (n, 2) float64
        Corners; the middle of a circle; the start, middle or end of a text's base line.
    fill, stroke : str
        Tones of the palette; empty for none.
    width, radius : float
    dash : str
        Key of `DASHES`.
    opacity : float
        Of the fill.
    text : str
    size : float
        Of the text.
    align : str
        `start`, `middle` or `end`.
    bold, halo : bool
        `halo` draws the text on a rim of the page's colour, so that it is legible on lines.
    tip : str
        What is shown on hover, tap and focus; such a shape is a mark.
    instance : int, optional
        Object that the shape shows; all shapes of one object light up together.
    css : str
        Further classes.
    """

    kind: str
    points: Array
    fill: str = ""
    stroke: str = ""
    width: float = 1.5
    radius: float = 3.0
    dash: str = "solid"
    opacity: float = 1.0
    text: str = ""
    size: float = FONT_PX
    align: str = "start"
    bold: bool = False
    halo: bool = False
    tip: str = ""
    instance: int | None = None
    css: str = ""


class Style(TypedDict, total=False):
    """What may be said about any shape; see `Shape`."""

    width: float
    dash: str
    opacity: float
    size: float
    align: str
    bold: bool
    halo: bool
    tip: str
    instance: int | None
    css: str


class _Fill(Style, total=False):
    fill: str


class _Stroke(Style, total=False):
    stroke: str


class _AnyStyle(_Fill, _Stroke, total=False):
    radius: float
    text: str


@dataclass
class Drawing:
    """Shapes on a sheet.

    Attributes
    ----------
    width, height : float
    title : str
        Name for those who do not see it.
    desc : str
        What it says, in a sentence or two.
    css : str
        Class of the `svg` element: `chart`, `plan` or `overlay`.
    shapes : list of Shape

    Examples
    --------
    >>> sheet = Drawing(20, 10, title="<one> line")
    >>> sheet.line([(0, 0), (20, 10)], "ink")
    >>> "&lt;one&gt;" in sheet.svg() and 'points="0,0 20,10"' in sheet.svg()
    True
    """

    width: float
    height: float
    title: str = ""
    desc: str = ""
    css: str = ""
    shapes: list[Shape] = field(default_factory=list)

    def polygon(self, points: ArrayLike, fill: str = "", stroke: str = "", **style: Unpack[Style]) -> None:
        """Add a closed outline."""
        self._add("polygon", points, fill=fill, stroke=stroke, **style)

    def line(self, points: ArrayLike, stroke: str, **style: Unpack[Style]) -> None:
        """Add an open line."""
        self._add("line", points, stroke=stroke, **style)

    def circle(self, middle: ArrayLike, radius: float, fill: str = "", **style: Unpack[_Stroke]) -> None:
        """Add a circle."""
        self._add("circle", middle, radius=radius, fill=fill, **style)

    def rectangle(
        self, x: float, y: float, across: float, down: float, fill: str = "", **style: Unpack[_Stroke]
    ) -> None:
        """Add a rectangle by its upper left corner."""
        corners = [(x, y), (x + across, y), (x + across, y + down), (x, y + down)]
        self._add("polygon", corners, fill=fill, **style)

    def squares(self, corners: ArrayLike, side: float, fill: str, **style: Unpack[Style]) -> None:
        """Add many equal squares, by their upper left corners (n, 2), as one shape."""
        self._add("path", corners, radius=side, fill=fill, **style)

    def text(self, place: ArrayLike, words: str, fill: str = "ink", **style: Unpack[Style]) -> None:
        """Add a text; `place` is on its base line."""
        self._add("text", place, text=words, fill=fill, **style)

    def _add(self, kind: str, points: ArrayLike, **style: Unpack[_AnyStyle]) -> None:
        self.shapes.append(Shape(kind, np.asarray(points, dtype=np.float64).reshape(-1, 2), **style))

    def svg(self) -> Markup:
        """Write it as an `svg` element; texts are escaped, colours are classes of the style sheet."""
        title = Markup("<title>{}</title>").format(self.title) if self.title else Markup("")
        desc = Markup("<desc>{}</desc>").format(self.desc) if self.desc else Markup("")
        name = (
            Markup(' role="group" aria-label="{}"').format(self.title) if self.title else Markup(' aria-hidden="true"')
        )
        body = "\n".join(map(_element, self.shapes))
        size = f'viewBox="0 0 {_n(self.width)} {_n(self.height)}" font-size="{_n(FONT_PX)}"'
        return Markup(f'<svg class="{self.css}" {size}{name}>{title}{desc}\n{body}\n</svg>')

    def png(self, path: Path, *, scale: int = 2) -> None:
        """Write it as an image of `scale` times its size, in the tones for light.

        Raises
        ------
        ImportError
            Pillow is not installed.
        """
        from qa_contract.pages.painting import paint

        paint(self, path, scale=scale)


def stack(drawings: Sequence[Drawing], *, title: str, gap: float = 18.0) -> Drawing:
    """Put drawings below each other on one sheet."""
    sheet = Drawing(max(d.width for d in drawings), 0.0, title=title, css=drawings[0].css)
    sheet.desc = " ".join(d.desc for d in drawings if d.desc)
    for part in drawings:
        sheet.height += gap if sheet.height else 0.0
        shift = np.array([(sheet.width - part.width) / 2, sheet.height])
        sheet.shapes += [replace(shape, points=shape.points + shift) for shape in part.shapes]
        sheet.height += part.height
    return sheet


def _n(value: float) -> str:
    """Write a coordinate with a tenth of a pixel."""
    text = f"{value:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text


def _points(points: Array) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points.tolist())


def _element(shape: Shape) -> str:
    """Write a shape as an element."""
    classes = [f"f-{shape.fill}" if shape.fill else "f-none"]
    if shape.stroke:
        classes.append(f"k-{shape.stroke}")
    if shape.tip:
        classes.append("mark")
    if shape.instance is not None:
        classes.append("object")
    if shape.halo:
        classes.append("halo")
    classes += shape.css.split()
    attributes = f'class="{escape(" ".join(classes))}"'
    if shape.stroke and shape.kind != "text":
        attributes += f' stroke-width="{shape.width:g}"'
        if DASHES[shape.dash]:
            attributes += f' stroke-dasharray="{" ".join(f"{d:g}" for d in DASHES[shape.dash])}"'
    if shape.opacity < 1:
        attributes += f' fill-opacity="{shape.opacity:.2g}"'
    if shape.instance is not None:
        attributes += f' data-id="{int(shape.instance)}"'
    tip = f"<title>{escape(shape.tip)}</title>" if shape.tip else ""
    if shape.tip:
        attributes += ' role="img"'
    x, y = (_n(v) for v in shape.points[0].tolist()) if len(shape.points) else ("0", "0")
    match shape.kind:
        case "circle":
            return f'<circle {attributes} cx="{x}" cy="{y}" r="{_n(shape.radius)}">{tip}</circle>'
        case "path":
            side = _n(shape.radius)
            d = "".join(f"M{_n(a)} {_n(b)}h{side}v{side}h-{side}z" for a, b in shape.points.tolist())
            return f'<path {attributes} d="{d}">{tip}</path>'
        case "text":
            if shape.size != FONT_PX:
                attributes += f' font-size="{shape.size:.3g}"'
            if shape.align != "start":
                attributes += f' text-anchor="{shape.align}"'
            if shape.bold:
                attributes += ' font-weight="600"'
            return f'<text {attributes} x="{x}" y="{y}">{tip}{escape(shape.text)}</text>'
        case "polygon":
            return f'<polygon {attributes} points="{_points(shape.points)}">{tip}</polygon>'
        case _:
            return f'<polyline {attributes} points="{_points(shape.points)}">{tip}</polyline>'
