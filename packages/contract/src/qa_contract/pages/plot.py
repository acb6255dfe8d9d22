"""A plot: axes, grid and legend on a sheet, and the marks of series that are put on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_contract.pages.axes import Axis, Scale, scale_of
from qa_contract.pages.drawing import FONT_PX, Drawing
from qa_contract.pages.labels import shorten, text_width
from qa_contract.pages.palette import series_tone

Array = NDArray[np.float64]

WIDTH, PLOT_HEIGHT = 440.0, 210.0
"""Of a chart; a page shows it 330 to 560 pixels wide, a phone about 350."""
RIGHT_PX, LEGEND_PX, TICKS_PX = 12.0, 18.0, 20.0
MARKED = 40
"""Lines of more points have no markers, and as many places that answer to the pointer."""
MANY = 2_000
"""Lines of more points are drawn by the lowest and highest of each pixel, scatters as tinted cells."""
CELL_PX = 4.0
DASH_ORDER = ("solid", "dashed", "dash-dot", "dotted")
MARKERS = ("circle", "square", "triangle", "diamond")


@dataclass(frozen=True)
class Series:
    """Values over an axis.

    Attributes
    ----------
    label : str
    x, y : (n,) array
        Rows that are not finite break the line.
    low, high : (n,) array, optional
        Intervals of y.
    interval : str
        Drawn as a `band` or as `whiskers`.
    tone, dash, marker : str
        By the position of the series where empty; marker `none` for none.
    notes : sequence of str
        A further hover text per row.
    """

    label: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    interval: str = "band"
    tone: str = ""
    dash: str = ""
    marker: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Level:
    """One value across the whole width, such as the score of a baseline."""

    label: str
    y: float
    low: float | None = None
    high: float | None = None
    tone: str = "muted"
    dash: str = "dashed"


class Plot:
    """Axes, a grid and a legend on a sheet, and the marks that are put on them.

    Attributes
    ----------
    x, y : Scale
    top : float
        Upper end of the plot, pixels.
    drawing : Drawing
    """

    def __init__(
        self,
        series: Sequence[Series],
        levels: Sequence[Level],
        *,
        title: str,
        x: Axis,
        y: Axis,
        zero: bool = False,
        legend: Sequence[tuple[str, str]] = (),
        lines: bool = True,
        height: float = PLOT_HEIGHT,
    ) -> None:
        self.drawing = Drawing(WIDTH, 0, title=title, css="chart")
        down = [one.y for one in series] + [v for one in series for v in (one.low, one.high) if v is not None]
        down += [[v for v in (level.y, level.low, level.high) if v is not None] for level in levels]
        across = _joined([one.x for one in series])
        keys = [(one.label, one.tone, one.dash if lines else "", one.marker) for one in series if one.label]
        keys += [(level.label, level.tone, level.dash, "none") for level in levels]
        keys = keys if len(keys) > 1 else []
        keys += [(text, tone, "", "square") for text, tone in legend]
        self.top = draw_legend(self.drawing, keys, WIDTH) + (24 if y.label else 10)
        bottom = self.top + height
        vertical = scale_of(y, _joined(down), bottom, self.top, zero=zero)
        ticks = [(tick, y.format(tick)) for tick in vertical.ticks()]
        left = 10 + max((text_width(text, FONT_PX) for _, text in ticks), default=0)
        self.y: Scale = vertical
        pad = 0.0 if zero or not lines or x.log else 12.0
        self.x: Scale = scale_of(x, across, left + pad, WIDTH - RIGHT_PX - pad)
        self._left = left
        if y.label:
            self.drawing.text((0, self.top - 10), y.label, "soft")
        for tick, text in ticks:
            at = self.y.at(tick)
            self.drawing.line([(left, at), (WIDTH - RIGHT_PX, at)], "grid", width=1)
            self.drawing.text((left - 6, at + 4), text, "soft", align="end")
        self._across(x, bottom)
        self.drawing.height = bottom + TICKS_PX + (16 if x.label else 0)
        if series and not len(across):
            self.drawing.text((WIDTH / 2, (self.top + bottom) / 2), "no data", "soft", align="middle")
        names = ", ".join(label for label, *_ in keys)
        self.drawing.desc = " ".join(
            p for p in (f"{y.label} over {x.label}." if x.label and y.label else "", names) if p
        )

    def _across(self, axis: Axis, bottom: float) -> None:
        """Draw the ticks of the x axis that have room, and its label."""
        free = -np.inf
        for tick in self.x.ticks(6):
            at, text = self.x.at(tick), axis.format(tick)
            half = text_width(text, FONT_PX) / 2
            at_text = min(max(at, half), WIDTH - half)
            self.drawing.line([(at, bottom), (at, bottom + 4)], "muted", width=1)
            if at_text - half > free:
                self.drawing.text((at_text, bottom + 16), text, "soft", align="middle")
                free = at_text + half + 6
        self.drawing.line([(self._left, bottom), (WIDTH - RIGHT_PX, bottom)], "muted", width=1)
        if axis.label:
            middle = (self._left + WIDTH - RIGHT_PX) / 2
            self.drawing.text((middle, bottom + 32), axis.label, "soft", align="middle")

    def level(self, level: Level) -> None:
        """Draw a value across the whole width."""
        left, right = self._left, WIDTH - RIGHT_PX
        if level.low is not None and level.high is not None:
            low, high = self.y.clipped([level.low, level.high]).tolist()
            self.drawing.rectangle(left, high, right - left, low - high, level.tone, opacity=0.12)
        at, said = self.y.at(level.y), self._said(level.y, level.low, level.high)
        tip = f"{level.label}: {said}"
        self.drawing.line([(left, at), (right, at)], level.tone, dash=level.dash, width=1.8, tip=tip)

    def band(self, series: Series) -> None:
        """Draw the intervals of a series as a band."""
        if series.low is None or series.high is None:
            return
        x, low, high = self.x(series.x), self.y.clipped(series.low), self.y.clipped(series.high)
        for start, end in runs(np.isfinite(x) & np.isfinite(low) & np.isfinite(high)):
            here = _thinned(x[start:end], high[start:end])
            outline = np.concatenate(
                [
                    np.column_stack([x[start:end], high[start:end]])[here],
                    np.column_stack([x[start:end], low[start:end]])[here][::-1],
                ]
            )
            self.drawing.polygon(outline, series.tone, opacity=0.16)

    def line(self, series: Series, *, shift: float = 0.0) -> None:
        """Draw a line with its markers and whiskers, moved sideways by `shift` pixels."""
        x, y = self.x(series.x) + shift, self.y.clipped(series.y)
        y = np.where(np.isfinite(np.asarray(series.y, dtype=np.float64)), y, np.nan)
        good = np.isfinite(x) & np.isfinite(y)
        for start, end in runs(good):
            here = _thinned(x[start:end], y[start:end])
            path = np.column_stack([x[start:end], y[start:end]])[here]
            if len(path) > 1:
                self.drawing.line(path, series.tone, dash=series.dash or "solid", width=2)
        rows = np.flatnonzero(good)
        ghost = len(rows) > MARKED or series.marker == "none"
        if len(rows) > MARKED:
            rows = rows[np.linspace(0, len(rows) - 1, MARKED).round().astype(int)]
        if series.interval == "whiskers" and series.low is not None and series.high is not None:
            ends = np.column_stack([self.y.clipped(series.low), self.y.clipped(series.high)])
            for i in rows[np.isfinite(ends[rows]).all(axis=1)].tolist():
                self._whisker(float(x[i]), float(ends[i, 0]), float(ends[i, 1]), series.tone)
        for i in rows.tolist():
            marker = "circle" if series.marker in ("", "none") else series.marker
            draw_marker(
                self.drawing, (x[i], y[i]), marker, series.tone, tip=self._tip(series, i), css="ghost" if ghost else ""
            )

    def points(self, series: Series) -> None:
        """Draw a marker for each row."""
        x, y = self.x(series.x), self.y(series.y)
        for i in np.flatnonzero(self._inside(x, y)).tolist():
            draw_marker(self.drawing, (x[i], y[i]), series.marker or "circle", series.tone, tip=self._tip(series, i))

    def cells(self, series: Series) -> None:
        """Draw how many rows lie where, in four tints."""
        x, y = self.x(series.x), self.y(series.y)
        inside = self._inside(x, y)
        cells, n = np.unique(
            np.floor(np.column_stack([x, y])[inside] / CELL_PX).astype(np.int64), axis=0, return_counts=True
        )
        if not len(n):
            return
        steps = np.minimum(np.floor(4 * np.log(n) / np.log(max(int(n.max()), 2))), 3).astype(int)
        for step, opacity in enumerate((0.25, 0.45, 0.7, 1.0)):
            if (steps == step).any():
                self.drawing.squares(cells[steps == step] * CELL_PX, CELL_PX, series.tone, opacity=opacity)

    def _inside(self, x: Array, y: Array) -> NDArray[np.bool_]:
        left, right = sorted((self.x.start, self.x.end))
        with np.errstate(invalid="ignore"):
            return (x >= left - 1e-6) & (x <= right + 1e-6) & (y >= self.top - 1e-6) & (y <= self.y.start + 1e-6)

    def _whisker(self, x: float, low: float, high: float, tone: str) -> None:
        for path in ([(x, low), (x, high)], [(x - 3, low), (x + 3, low)], [(x - 3, high), (x + 3, high)]):
            self.drawing.line(path, tone, width=1.3)

    def _said(self, value: float, low: float | None, high: float | None) -> str:
        text = self.y.axis.format(value)
        if low is None or high is None or not np.isfinite([low, high]).all():
            return text
        return f"{text} ({self.y.axis.format(low)} to {self.y.axis.format(high)})"

    def _tip(self, series: Series, i: int) -> str:
        """Write the hover text of a row."""
        x, y = float(np.asarray(series.x)[i]), float(np.asarray(series.y)[i])
        low, high = (
            None if v is None else float(np.asarray(v, dtype=np.float64)[i]) for v in (series.low, series.high)
        )
        name = f"{series.label}: " if series.label else ""
        where = f" at {self.x.axis.label} {self.x.axis.format(x)}".replace("  ", " ")
        note = f"\n{series.notes[i]}" if len(series.notes) else ""
        return f"{name}{self._said(y, low, high)}{where}{note}"


def draw_legend(drawing: Drawing, keys: Sequence[tuple[str, str, str, str]], width: float) -> float:
    """Draw labels with their tone, dash and marker in rows from the top; give the height that they take."""
    x, row = 0.0, 0
    for label, tone, dash, marker in keys:
        sample = 26.0 if dash else 12.0
        label = shorten(label, FONT_PX, width - sample - 6)
        long = sample + 6 + text_width(label, FONT_PX)
        if x and x + long > width:
            x, row = 0.0, row + 1
        y = LEGEND_PX * row + 9
        if dash:
            drawing.line([(x, y), (x + sample, y)], tone, dash=dash, width=2)
        if marker != "none":
            draw_marker(drawing, (x + sample / 2, y), marker or "square", tone, radius=4.0)
        drawing.text((x + sample + 5, y + 4), label)
        x += long + 16
    return LEGEND_PX * (row + 1) if keys else 0.0


def draw_marker(
    drawing: Drawing,
    place: tuple[float, float],
    marker: str,
    tone: str,
    *,
    radius: float = 3.6,
    tip: str = "",
    css: str = "",
) -> None:
    """Draw a marker of a series."""
    x, y, r = float(place[0]), float(place[1]), radius
    match marker:
        case "square":
            drawing.rectangle(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r, tone, tip=tip, css=css)
        case "triangle":
            corners = [(x, y - 1.2 * r), (x + 1.15 * r, y + 0.9 * r), (x - 1.15 * r, y + 0.9 * r)]
            drawing.polygon(corners, tone, tip=tip, css=css)
        case "diamond":
            corners = [(x, y - 1.35 * r), (x + 1.35 * r, y), (x, y + 1.35 * r), (x - 1.35 * r, y)]
            drawing.polygon(corners, tone, tip=tip, css=css)
        case _:
            drawing.circle((x, y), r, tone, tip=tip, css=css)


def runs(good: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end of the stretches of true values.

    Examples
    --------
    >>> runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    padded = np.concatenate([[False], good, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _thinned(x: Array, y: Array) -> NDArray[np.int64]:
    """Rows that are drawn: the first, last, lowest and highest of each pixel where there are many."""
    if len(x) <= MANY:
        return np.arange(len(x))
    pixel = np.floor(x).astype(np.int64)
    starts = np.flatnonzero(np.concatenate([[True], pixel[1:] != pixel[:-1]]))
    order = np.lexsort([y, np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(x))))])
    ends = np.append(starts[1:], len(x)) - 1
    return np.unique(np.concatenate([starts, ends, order[starts], order[ends]]))


def styled(series: Sequence[Series]) -> list[Series]:
    """Give each series the tone, dash and marker of its position, and its values as arrays."""
    found = []
    for i, one in enumerate(series):
        values = {
            name: None if value is None else np.asarray(value, dtype=np.float64)
            for name, value in (("x", one.x), ("y", one.y), ("low", one.low), ("high", one.high))
        }
        style = {
            "tone": one.tone or series_tone(i),
            "dash": one.dash or DASH_ORDER[i % len(DASH_ORDER)],
            "marker": one.marker or MARKERS[i % len(MARKERS)],
        }
        found.append(replace(one, **values, **style))
    return found


def _joined(values: Sequence[ArrayLike]) -> Array:
    arrays = [np.asarray(value, dtype=np.float64).ravel() for value in values]
    joined = np.concatenate(arrays) if arrays else np.zeros(0)
    return joined[np.isfinite(joined)]
