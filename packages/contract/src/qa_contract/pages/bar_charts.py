"""Bars and dots per category, and bars of shares, with room for long names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qa_contract.pages.axes import Axis, Scale, scale_of
from qa_contract.pages.charts import PLAIN, Chart
from qa_contract.pages.drawing import FONT_PX, Drawing
from qa_contract.pages.labels import shorten, text_width
from qa_contract.pages.palette import series_tone
from qa_contract.pages.plot import MARKERS, WIDTH, draw_legend, draw_marker
from qa_contract.pages.table import Cell, Column, Table
from qa_contract.pages.text import percent

LABEL_PX, BAR_PX, GROUP_PX = 17.0, 15.0, 9.0


@dataclass(frozen=True)
class BarSeries:
    """Values per category.

    Attributes
    ----------
    label : str
    values : (n,) array
        NaN where a category has none.
    low, high : (n,) array, optional
        Intervals.
    tone : str
        By the position of the series where empty.
    """

    label: str
    values: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    tone: str = ""


def bar_chart(
    categories: Sequence[str],
    series: Sequence[BarSeries],
    *,
    title: str,
    x: Axis = PLAIN,
    dots: bool = False,
    reference: float | None = None,
) -> Chart:
    """Draw a horizontal bar per category and series, with intervals and values.

    Parameters
    ----------
    categories : (n,) sequence of str
    series : sequence of BarSeries
    title : str
    x : Axis
        Of the values; bars begin at zero, so an axis with `log` needs `dots`.
    dots : bool
        Draw dots in place of bars: for ratios, and where zero is far away.
    reference : float, optional
        Draw a line at this value, such as a ratio of 1.

    Raises
    ------
    ValueError
        Bars on a logarithmic axis.

    Examples
    --------
    >>> chart = bar_chart(["<size>"], [BarSeries("run", [0.5], [0.4], [0.6])], title="score")
    >>> chart.drawing.svg().count("&lt;size&gt;") > 0
    True
    """
    if x.log and not dots:
        raise ValueError("A bar begins at zero, which a logarithmic axis does not have: pass dots=True.")
    series = [_styled(one, i) for i, one in enumerate(series)]
    sheet = Drawing(WIDTH, 0, title=title, css="chart")
    keys = [(one.label, one.tone, "", MARKERS[i % 4] if dots else "square") for i, one in enumerate(series)]
    top = draw_legend(sheet, keys if len(keys) > 1 else [], WIDTH) + 4
    every = np.concatenate([v for one in series for v in (one.values, one.low, one.high) if v is not None])
    every = every if reference is None else np.append(every, reference)
    room = max((text_width(x.format(float(v)), FONT_PX) for v in every[np.isfinite(every)]), default=0) + 10
    scale = scale_of(x, every, 4, WIDTH - room, zero=not dots)
    bottom = top + len(categories) * (LABEL_PX + BAR_PX * len(series) + GROUP_PX)
    _grid(sheet, scale, top, bottom)
    if reference is not None:
        sheet.line([(scale.at(reference), top), (scale.at(reference), bottom)], "ink", dash="dashed", width=1.2)
    y, rows = top, []
    for i, category in enumerate(categories):
        sheet.text((0, y + 13), shorten(category, FONT_PX, WIDTH), halo=True)
        y += LABEL_PX
        row: list[Cell | str] = [category]
        for k, one in enumerate(series):
            bar = _Bar(category, one, i, scale)
            row.append(Cell(bar.value, bar.text, bar.limits))
            bar.draw(sheet, y + BAR_PX / 2, marker=MARKERS[k % 4] if dots else "")
            y += BAR_PX
        rows.append(row)
        y += GROUP_PX
    if x.label:
        sheet.text((WIDTH / 2, bottom + 31), x.label, "soft", align="middle")
    sheet.height = bottom + (36 if x.label else 20)
    sheet.desc = f"{x.label} per category." if x.label else ""
    heads = [Column("", "text"), *(Column(one.label or x.label or "value") for one in series)]
    return Chart(sheet, Table(heads, rows))


class _Bar:
    """One bar or dot with its interval and its value."""

    def __init__(self, category: str, series: BarSeries, i: int, scale: Scale) -> None:
        self.value, self.low, self.high = (
            float(np.asarray(v)[i]) for v in (series.values, series.low, series.high) if v is not None
        )
        self.scale, self.tone, write = scale, series.tone, scale.axis.format
        self.has_limits = bool(np.isfinite([self.low, self.high]).all())
        self.text = write(self.value) if np.isfinite(self.value) else None
        self.limits = f"{write(self.low)} to {write(self.high)}" if self.has_limits else ""
        name = f"{category}, {series.label}" if series.label else category
        self.tip = f"{name}: {self.text}" + (f" ({self.limits})" if self.limits else "")

    def draw(self, sheet: Drawing, y: float, *, marker: str) -> None:
        """Draw it around a height; a `marker` in place of a bar."""
        if self.text is None:
            return
        end, stop = float(self.scale.clipped(self.value)), float(self.scale.clipped(self.value))
        if not marker:
            zero = float(self.scale.clipped(0.0))
            left, length = min(zero, end), max(abs(end - zero), 0.8)
            sheet.rectangle(left, y - BAR_PX / 2 + 1.5, length, BAR_PX - 3, self.tone, tip=self.tip)
        if self.has_limits:
            a, b = self.scale.clipped([self.low, self.high]).tolist()
            for path in ([(a, y), (b, y)], [(a, y - 3), (a, y + 3)], [(b, y - 3), (b, y + 3)]):
                sheet.line(path, self.tone if marker else "ink", width=1.4)
            stop = max(stop, b)
        if marker:
            draw_marker(sheet, (end, y), marker, self.tone, radius=4.2, tip=self.tip)
        sheet.text((stop + 6, y + 4), self.text, "soft", halo=True)


def _styled(series: BarSeries, i: int) -> BarSeries:
    """Give a series its tone, and its values as arrays."""
    values = np.asarray(series.values, dtype=np.float64)
    none = np.full(len(values), np.nan)
    low, high = (none if v is None else np.asarray(v, dtype=np.float64) for v in (series.low, series.high))
    return BarSeries(series.label, values, low, high, series.tone or series_tone(i))


def _grid(sheet: Drawing, scale: Scale, top: float, bottom: float) -> None:
    """Draw the ticks of the values, those whose text has room."""
    free = -np.inf
    for tick in scale.ticks():
        at, text = scale.at(tick), scale.axis.format(tick)
        half = text_width(text, FONT_PX) / 2
        middle = min(max(at, half), WIDTH - half)
        sheet.line([(at, top), (at, bottom)], "grid", width=1)
        if middle - half > free:
            sheet.text((middle, bottom + 15), text, "soft", align="middle")
            free = middle + half + 6


def share_bars(
    rows: Mapping[str, Mapping[str, float]], *, tones: Mapping[str, str], title: str, label: str = ""
) -> Chart:
    """Draw one bar of 100% per row, cut into its parts.

    Parameters
    ----------
    rows : mapping of str to mapping of str to float
        Name to the amount of each part.
    tones : mapping of str to str
        The parts in their order, with their tones.
    title : str
    label : str
        Below the bars.
    """
    sheet = Drawing(WIDTH, 0, title=title, css="chart", desc=label)
    y = draw_legend(sheet, [(part, tone, "", "square") for part, tone in tones.items()], WIDTH) + 6
    left = min(max((text_width(name, FONT_PX) for name in rows), default=0) + 10, 150)
    inner, cells = WIDTH - left - 2, []
    for name, amounts in rows.items():
        total, x = sum(amounts.get(part, 0) for part in tones), left
        sheet.text((0, y + 15), shorten(name, FONT_PX, left - 8))
        for part, tone in tones.items():
            share = amounts.get(part, 0) / total if total else 0.0
            if share:
                tip = f"{name}, {part}: {percent(share)} ({amounts[part]:,} of {total:,})"
                sheet.rectangle(x, y, max(inner * share - 1, 0.5), 21, tone, tip=tip)
                if inner * share > 38:
                    sheet.text(
                        (x + inner * share / 2, y + 15), percent(share, 0), "page", align="middle", bold=True, css="on"
                    )
            x += inner * share
        cells.append(
            [
                name,
                *(
                    Cell(amounts.get(part, 0), note=percent(amounts.get(part, 0) / total, 0) if total else "")
                    for part in tones
                ),
            ]
        )
        y += 29
    if label:
        sheet.text(((left + WIDTH) / 2, y + 12), label, "soft", align="middle")
    sheet.height = y + (18 if label else 0)
    return Chart(sheet, Table([Column("", "text"), *(Column(part) for part in tones)], cells))
