"""Charts as SVG text, written by hand: no script, no network, text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from qa_confidence.arrays import Floats

WIDTH = 360
HEIGHT = 320
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 26, 40
RUG = 34
"""Height of the histogram of confidence below a reliability diagram."""


@dataclass(frozen=True)
class Reliability:
    """What a reliability diagram shows.

    Attributes
    ----------
    bin_confidence, bin_score, bin_n : (b,) float64
        Binned points.
    x, score, low, high : (g,) float64
        Smooth curve and its 95% band; NaN where there is too little data.
    histogram : (h,) float64
        Share of rows per interval of confidence, equal widths over [0, 1].
    """

    bin_confidence: Floats
    bin_score: Floats
    bin_n: Floats
    x: Floats
    score: Floats
    low: Floats
    high: Floats
    histogram: Floats


@dataclass(frozen=True)
class Line:
    """One line of a chart; `css` is the class that colours it."""

    label: str
    x: Floats
    y: Floats
    css: str


def reliability_chart(data: Reliability, *, title: str) -> str:
    """Draw mean score against confidence: band, smooth curve, bins, and how many rows lie where."""
    body = [_axes("confidence", "mean score", bottom=BOTTOM + RUG)]
    plot = _Plot(bottom=BOTTOM + RUG)
    body.append(f'<path class="ideal" d="{plot.path(np.array([0.0, 1.0]), np.array([0.0, 1.0]))}"/>')
    for start, end in _runs(data.low):
        x, low, high = data.x[start:end], data.low[start:end], data.high[start:end]
        outline = plot.path(np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]]))
        body.append(f'<path class="band" d="{outline}Z"/>')
    for start, end in _runs(data.score):
        body.append(f'<path class="curve" d="{plot.path(data.x[start:end], data.score[start:end])}"/>')
    largest = max(float(data.bin_n.max(initial=1.0)), 1.0)
    for c, s, n in zip(data.bin_confidence, data.bin_score, data.bin_n, strict=True):
        radius = 2 + 5 * (n / largest) ** 0.5
        body.append(
            f'<circle class="bin" cx="{plot.x(c):.1f}" cy="{plot.y(s):.1f}" r="{radius:.1f}">'
            f"<title>confidence {c:.3f}, mean score {s:.3f}, {n:.0f} rows</title></circle>"
        )
    base, tallest = HEIGHT - BOTTOM, max(float(data.histogram.max(initial=0.0)), 1e-9)
    step = (WIDTH - LEFT - RIGHT) / len(data.histogram)
    for i, share in enumerate(data.histogram):
        height = (RUG - 8) * share / tallest
        body.append(
            f'<rect class="rug" x="{LEFT + i * step:.1f}" y="{base - height:.1f}" '
            f'width="{step - 0.6:.1f}" height="{height:.1f}"><title>{share:.1%} of rows</title></rect>'
        )
    return _svg(title, body)


def line_chart(lines: Sequence[Line], *, title: str, x_label: str, y_label: str, y_max: float = 1.0) -> str:
    """Draw lines over [0, 1] with a legend."""
    plot = _Plot(y_max=y_max)
    body = [_axes(x_label, y_label, y_max=y_max)]
    for i, line in enumerate(lines):
        body.append(f'<path class="curve {line.css}" d="{plot.path(line.x, line.y)}"/>')
        y = TOP + 12 + 15 * i
        body.append(f'<path class="curve {line.css}" d="M{LEFT + 8},{y - 4}h16"/>')
        body.append(f'<text x="{LEFT + 29}" y="{y}">{escape(line.label)}</text>')
    return _svg(title, body)


def share_bars(rows: Sequence[tuple[str, Sequence[float]]], *, classes: Sequence[str], title: str) -> str:
    """Draw one stacked bar of shares per row; `classes` colours the parts."""
    height = TOP + 30 * len(rows) + 30
    body = []
    for i, (name, shares) in enumerate(rows):
        x, y = 130.0, TOP + 30 * i
        body.append(f'<text x="124" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        for share, css in zip(shares, classes, strict=True):
            width = share * (WIDTH - 130 - RIGHT)
            body.append(f'<rect class="{css}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="21">')
            body.append(f"<title>{escape(css)} {share:.1%}</title></rect>")
            if width > 34:
                body.append(f'<text class="on" x="{x + width / 2:.1f}" y="{y + 15}">{share:.0%}</text>')
            x += width
    for i, css in enumerate(classes):
        x, y = 130 + 74 * i, height - 20
        body.append(f'<rect class="{css}" x="{x}" y="{y}" width="11" height="11"/>')
        body.append(f'<text x="{x + 16}" y="{y + 10}">{escape(css)}</text>')
    return _svg(title, body, height=height)


class _Plot:
    """Pixel positions inside the axes."""

    def __init__(self, *, bottom: int = BOTTOM, y_max: float = 1.0) -> None:
        self.bottom = bottom
        self.y_max = y_max

    def x(self, value: float) -> float:
        return LEFT + value * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - self.bottom - min(value / self.y_max, 1.0) * (HEIGHT - TOP - self.bottom)

    def path(self, x: Floats, y: Floats) -> str:
        points = [f"{self.x(float(a)):.1f},{self.y(float(b)):.1f}" for a, b in zip(x, y, strict=True)]
        return "M" + "L".join(points)


def _axes(x_label: str, y_label: str, *, bottom: int = BOTTOM, y_max: float = 1.0) -> str:
    plot = _Plot(bottom=bottom, y_max=y_max)
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        y, x = plot.y(tick * y_max), plot.x(tick)
        parts.append(f'<path class="grid" d="M{LEFT},{y:.1f}H{WIDTH - RIGHT}M{x:.1f},{TOP}V{HEIGHT - bottom}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{tick * y_max:.3g}</text>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{tick:g}</text>')
    middle = (TOP + HEIGHT - bottom) / 2
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
    return "".join(parts)


def _runs(values: Floats) -> list[tuple[int, int]]:
    """Start and end of the stretches without NaN that hold at least two values."""
    good = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(good[1:] != good[:-1])
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a > 1]


def _svg(title: str, body: Sequence[str], *, height: int = HEIGHT) -> str:
    head = f'<text class="title" x="{WIDTH / 2}" y="15" text-anchor="middle">{escape(title)}</text>'
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{head}{"".join(body)}</svg>'
