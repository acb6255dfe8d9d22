"""Charts as inline SVG. Colours are classes of the page's style sheet, so that they follow light and dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 320, 190
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 10, 36


@dataclass(frozen=True)
class Point:
    """A value at a place on the x axis, with its interval where there is one; values from 0 to 1."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """A line: `style` is a CSS class, `level` draws a single value across the whole width."""

    label: str
    style: str
    points: Sequence[Point]
    level: bool = False


def line_chart(series: Sequence[Series], *, rounds: Sequence[int], name: str) -> str:
    """Draw scores in percent over rounds; whiskers are intervals.

    Examples
    --------
    >>> svg = line_chart([Series("model", "model", [Point(0, 0.2), Point(1, 0.5)])], rounds=[0, 1], name="<b>")
    >>> svg.startswith("<svg") and "<b>" not in svg
    True
    """
    span = max(rounds) - min(rounds) or 1
    inner = WIDTH - LEFT - RIGHT

    def at(x: float, y: float) -> tuple[float, float]:
        # A little air left and right keeps the whiskers off the axes.
        return LEFT + inner * (0.06 + 0.88 * (x - min(rounds)) / span), _up(y)

    parts = [_score_axis()]
    for number in rounds:
        parts.append(_text(at(number, 0)[0], HEIGHT - BOTTOM + 17, str(number), "tick mid"))
    parts.append(_text(LEFT + inner / 2, HEIGHT - 4, "round", "axis mid"))
    for line in series:
        parts.append(_level(line) if line.level else _line(line, at))
    said = "; ".join(f"{s.label} " + ", ".join(f"{100 * p.y:.0f}%" for p in s.points) for s in series)
    return _svg("".join(parts), f"{name}: score over rounds. {said}")


def histogram(counts: np.ndarray, *, cuts: tuple[float, float], name: str) -> str:
    """Draw counts over equal bins of [0, 1]; bars below, between and above the cuts are hard, frontier and easy.

    Parameters
    ----------
    counts : (n,) int
    cuts : tuple of float
        Lie on bin edges.
    """
    inner, n = WIDTH - LEFT - RIGHT, len(counts)
    highest = max(int(counts.max(initial=0)), 1)
    parts = [_count_axis(highest)]
    for i, count in enumerate(counts.tolist()):
        middle = (i + 0.5) / n
        style = "hard" if middle < cuts[0] else "easy" if middle > cuts[1] else "frontier"
        top = _up(count / highest)
        x, width, height = LEFT + inner * i / n, inner / n - 1, HEIGHT - BOTTOM - top
        parts.append(
            f'<rect class="bar {style}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}">'
            f"<title>{i / n:.2f} to {(i + 1) / n:.2f}: {count}</title></rect>"
        )
    for cut in cuts:
        x = LEFT + inner * cut
        parts.append(f'<line class="cut" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    for tick in (0, cuts[0], 0.5, cuts[1], 1):
        parts.append(_text(LEFT + inner * tick, HEIGHT - BOTTOM + 14, f"{tick:g}", "tick mid"))
    parts.append(_text(LEFT + inner / 2, HEIGHT - 4, "confidence in the ground truth", "axis mid"))
    return _svg("".join(parts), f"{name}: {int(counts.sum())} training questions by confidence")


def stacked_bars(rows: Mapping[str, Mapping[str, int]], *, styles: Sequence[str], name: str) -> str:
    """Draw one horizontal bar of 100% per row, cut into the parts that `styles` names, with their shares."""
    step, left, width = 30, 56, WIDTH + 40
    inner, height = width - left - RIGHT, step * len(rows) + 20
    parts: list[str] = []
    for i, (label, counts) in enumerate(rows.items()):
        total, start, y = sum(counts.values()) or 1, 0.0, i * step + 2
        parts.append(_text(left - 8, y + 16, label, "tick end"))
        for style in styles:
            share = counts.get(style, 0) / total
            if share == 0:
                continue
            x = left + inner * start
            parts.append(
                f'<rect class="bar {style}" x="{x:.1f}" y="{y}" width="{max(inner * share - 1, 0.5):.1f}" height="22">'
                f"<title>{escape(style)}: {counts[style]} of {total}</title></rect>"
            )
            if share > 0.06:
                parts.append(_text(x + inner * share / 2, y + 15, f"{100 * share:.0f}%", f"share mid on-{style}"))
            start += share
    parts.append(_text(left + inner / 2, height - 4, "share of the round's training questions", "axis mid"))
    return _svg("".join(parts), name, width=width, height=height)


def _line(series: Series, at: Callable[[float, float], tuple[float, float]]) -> str:
    places = [at(p.x, p.y) for p in series.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline class="line {series.style}" points="{path}"/>']
    for point, (x, y) in zip(series.points, places, strict=True):
        if point.low is not None and point.high is not None:
            parts.append(f'<path class="whisker {series.style}" d="{_whisker(x, _up(point.low), _up(point.high))}"/>')
        parts.append(
            f'<circle class="dot {series.style}" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
            f"<title>{escape(series.label)}: {_said(point)}</title></circle>"
        )
    return "".join(parts)


def _level(series: Series) -> str:
    """Draw a value that has no round: a dashed line with its interval as a band."""
    point = series.points[0]
    x1, x2, y = LEFT, WIDTH - RIGHT, _up(point.y)
    band = ""
    if point.low is not None and point.high is not None:
        top, bottom = _up(point.high), _up(point.low)
        band = (
            f'<rect class="band {series.style}" x="{x1}" y="{top:.1f}" width="{x2 - x1}" height="{bottom - top:.1f}"/>'
        )
    title = f"<title>{escape(series.label)}: {_said(point)}</title>"
    return (
        f'{band}<line class="line dashed {series.style}" x1="{x1}" x2="{x2}" y1="{y:.1f}" y2="{y:.1f}">{title}</line>'
    )


def _said(point: Point) -> str:
    text = f"{100 * point.y:.1f}%"
    if point.low is None or point.high is None:
        return text
    return f"{text}, 95% interval {100 * point.low:.1f} to {100 * point.high:.1f}"


def _whisker(x: float, bottom: float, top: float) -> str:
    return f"M{x - 3:.1f},{bottom:.1f}h6M{x:.1f},{bottom:.1f}V{top:.1f}M{x - 3:.1f},{top:.1f}h6"


def _up(share: float) -> float:
    """Place a value from 0 to 1 on the y axis."""
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def _score_axis() -> str:
    return "".join(_grid(_up(tick / 100), f"{tick}%") for tick in (0, 25, 50, 75, 100))


def _count_axis(highest: int) -> str:
    ticks = sorted({0, highest // 2, highest})
    return "".join(_grid(_up(tick / highest), f"{tick:,}") for tick in ticks)


def _grid(y: float, label: str) -> str:
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(LEFT - 6, y + 4, label, "tick end")


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _svg(body: str, label: str, *, width: int = WIDTH, height: int = HEIGHT) -> str:
    said = escape(label, quote=True)
    return f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{said}">{body}</svg>'
