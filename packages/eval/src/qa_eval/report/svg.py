"""Charts as inline SVG, drawn by hand: no script, no library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#2563a8", "#c2571a", "#3a7d44", "#7a4fa3", "#a33b4a", "#5c6470")
"""One per run; told apart also when printed in grey by their order."""

WIDTH = 440
"""Of every chart, in its own units: with letters of 12 that stay legible on the screen of a phone."""


@dataclass(frozen=True)
class Bar:
    """One bar, from 0 to 1, with an optional interval."""

    label: str
    series: int
    value: float
    low: float | None = None
    high: float | None = None


def bar_chart(bars: Sequence[Bar], *, title: str) -> str:
    """Draw horizontal bars with intervals, under one label where consecutive labels are equal.

    Examples
    --------
    >>> bar_chart([Bar("<size>", 0, 0.5, 0.4, 0.6)], title="t").count("&lt;size&gt;")
    1
    """
    left, row = 8, 16
    plot = WIDTH - left - 54
    parts: list[str] = []
    y, previous = 8.0, None
    for bar in bars:
        if bar.label != previous:
            y += 6 if previous is not None else 0
            parts.append(f'<text x="{left}" y="{y + 13:.1f}">{escape(bar.label)}</text>')
            y += row
            previous = bar.label
        colour = COLOURS[bar.series % len(COLOURS)]
        length = plot * min(max(bar.value, 0), 1)
        parts.append(f'<rect x="{left}" y="{y + 2:.1f}" width="{length:.1f}" height="12" fill="{colour}"/>')
        end = length
        if bar.low is not None and bar.high is not None:
            a, b = left + plot * bar.low, left + plot * bar.high
            end = max(length, b - left)
            parts.append(
                f'<path d="M{a:.1f} {y + 4:.1f}v8m0-4H{b:.1f}m0-4v8" stroke="#111" stroke-width="1.4" fill="none"/>'
            )
        parts.append(f'<text x="{left + end + 5:.1f}" y="{y + 12:.1f}" class="n">{100 * bar.value:.1f}</text>')
        y += row
    ticks = "".join(
        f'<line x1="{left + plot * t / 4:.1f}" x2="{left + plot * t / 4:.1f}" y1="4" y2="{y + 4:.1f}" stroke="#ccc"/>'
        f'<text x="{left + plot * t / 4:.1f}" y="{y + 18:.1f}" text-anchor="middle" class="n">{25 * t}</text>'
        for t in range(5)
    )
    return _svg(y + 24, ticks + "".join(parts), title)


def line_chart(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    *,
    title: str,
    x_label: str,
    x_max: float,
    diagonal: bool = False,
) -> str:
    """Draw lines of (x, y) points, y from 0 to 1, with a legend.

    Examples
    --------
    >>> "polyline" in line_chart([("a", [(0, 1), (5, 0)])], title="t", x_label="level", x_max=5)
    True
    """
    left, top, plot_w, plot_h = 44, 10, WIDTH - 64, 220
    parts: list[str] = []
    for t in range(5):
        y = top + plot_h * (1 - t / 4)
        parts.append(f'<line x1="{left}" x2="{left + plot_w}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" class="n">{25 * t}</text>')
    if diagonal:
        parts.append(f'<path d="M{left} {top + plot_h}L{left + plot_w} {top}" stroke="#999" stroke-dasharray="4 4"/>')
    for i, (name, points) in enumerate(series):
        colour = COLOURS[i % len(COLOURS)]
        dash = "" if i < len(COLOURS) else ' stroke-dasharray="6 3"'
        places = [(left + plot_w * x / x_max, top + plot_h * (1 - y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        y = top + plot_h + 52 + 16 * i
        parts.append(f'<rect x="{left}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{left + 15}" y="{y}">{escape(name)}</text>')
    parts.append(f'<text x="{left + plot_w / 2}" y="{top + plot_h + 30}" text-anchor="middle">{escape(x_label)}</text>')
    for t in range(6):
        x = left + plot_w * t / 5
        parts.append(
            f'<text x="{x:.1f}" y="{top + plot_h + 15}" text-anchor="middle" class="n">{x_max * t / 5:g}</text>'
        )
    return _svg(top + plot_h + 44 + 16 * len(series), "".join(parts), title)


def _svg(height: float, body: str, title: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img"><title>{escape(title)}</title>{body}</svg>'
