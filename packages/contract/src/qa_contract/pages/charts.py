"""Charts: series of marks on axes, with a legend above and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from qa_contract.pages.axes import Axis, percent_axis
from qa_contract.pages.drawing import Drawing
from qa_contract.pages.palette import series_tone
from qa_contract.pages.parts import Figure
from qa_contract.pages.plot import CELL_PX, MANY, Level, Plot, Series, styled
from qa_contract.pages.table import Column, Table

TABLE_ROWS = 100
PLAIN, ROWS = Axis(), Axis("rows")


@dataclass(frozen=True)
class Chart:
    """A drawing and its numbers."""

    drawing: Drawing
    table: Table

    def figure(self, caption: str = "", *, note: str = "", id: str = "", wide: bool = False) -> Figure:
        """Make the figure of a page."""
        return Figure(
            self.drawing.svg(), caption or self.drawing.title, note=note, numbers=self.table, id=id, wide=wide
        )


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x: Axis = PLAIN,
    y: Axis = PLAIN,
    levels: Sequence[Level] = (),
    diagonal: bool = False,
) -> Chart:
    """Draw lines with their intervals.

    Parameters
    ----------
    series : sequence of Series
    title : str
        For readers who do not see it, and the caption.
    x, y : Axis
    levels : sequence of Level
    diagonal : bool
        Draw the line on which both axes are equal.

    Examples
    --------
    >>> chart = line_chart([Series("model", [0, 1], [0.2, 0.5])], title="score", y=percent_axis())
    >>> "50%" in chart.drawing.svg()
    True
    """
    series = styled(series)
    plot = Plot(series, levels, title=title, x=x, y=y)
    for level in levels:
        plot.level(level)
    if diagonal:
        ends = np.array([max(plot.x.low, plot.y.low), min(plot.x.high, plot.y.high)])
        plot.drawing.line(np.column_stack([plot.x(ends), plot.y(ends)]), "muted", dash="dashed", width=1.2)
    dodge = 5.0 if sum(one.interval == "whiskers" for one in series) > 1 else 0.0
    for one in series:
        if one.interval == "band":
            plot.band(one)
    for i, one in enumerate(series):
        plot.line(one, shift=dodge * (i - (len(series) - 1) / 2))
    return Chart(plot.drawing, _table(series, levels, x, y))


def scatter(series: Sequence[Series], *, title: str, x: Axis = PLAIN, y: Axis = PLAIN, diagonal: bool = False) -> Chart:
    """Draw points; more than `MANY` in all as cells, tinted by how many points they hold."""
    series = styled(series)
    plot = Plot(series, (), title=title, x=x, y=y, lines=False)
    if diagonal:
        ends = np.array([max(plot.x.low, plot.y.low), min(plot.x.high, plot.y.high)])
        plot.drawing.line(np.column_stack([plot.x(ends), plot.y(ends)]), "muted", dash="dashed", width=1.2)
    many = sum(np.size(one.x) for one in series) > MANY
    for one in series:
        (plot.cells if many else plot.points)(one)
    if many:
        plot.drawing.desc += f" Cells of {CELL_PX:g} pixels, darker where they hold more points."
    return Chart(plot.drawing, _table(series, (), x, y))


def histogram(
    counts: ArrayLike,
    edges: ArrayLike,
    *,
    title: str,
    x: Axis = PLAIN,
    y: Axis = ROWS,
    tones: Sequence[str] = (),
    cuts: Sequence[tuple[float, str]] = (),
    legend: Sequence[tuple[str, str]] = (),
) -> Chart:
    """Draw counts of bins.

    Parameters
    ----------
    counts : (n,) int
    edges : (n + 1,) float64
    tones : sequence of str
        Tone of each bar; the first tone of series where empty.
    cuts : sequence of (float, str)
        Places of dashed lines, with what they are.
    legend : sequence of (text, tone)
    """
    counts, edges = np.asarray(counts), np.asarray(edges, dtype=np.float64)
    ends = replace(
        x, low=float(edges[0]) if x.low is None else x.low, high=float(edges[-1]) if x.high is None else x.high
    )
    plot = Plot([Series("", edges[:-1], counts)], (), title=title, x=ends, y=y, zero=True, legend=legend)
    left, right, top, base = plot.x(edges[:-1]), plot.x(edges[1:]), plot.y.clipped(counts), plot.y.at(plot.y.low)
    rows = []
    for i, count in enumerate(counts.tolist()):
        where = f"{x.format(edges[i])} to {x.format(edges[i + 1])}"
        tone = tones[i] if tones else series_tone(0)
        width = max(float(right[i] - left[i]) - 1, 0.5)
        plot.drawing.rectangle(left[i], top[i], width, base - top[i], tone, tip=f"{where}: {y.format(count)}")
        rows.append((where, count))
    for place, words in cuts:
        at = plot.x.at(place)
        plot.drawing.line([(at, plot.top), (at, base)], "ink", dash="dashed", width=1.2, tip=words)
    return Chart(plot.drawing, Table([Column(x.label or "from", "text"), Column(y.label or "n")], rows, sortable=False))


@dataclass(frozen=True)
class Reliability:
    """What a reliability diagram shows; all values from 0 to 1.

    Attributes
    ----------
    bin_confidence, bin_score, bin_n : (b,) array
        Mean confidence, mean score and rows of each bin.
    x, score, low, high : (g,) array, optional
        Smooth curve with its band; NaN where there is too little data.
    histogram : (h,) array, optional
        Share of rows per interval of confidence, of equal widths.
    """

    bin_confidence: ArrayLike
    bin_score: ArrayLike
    bin_n: ArrayLike
    x: ArrayLike = ()
    score: ArrayLike = ()
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    histogram: ArrayLike = ()


def reliability_diagram(data: Reliability, *, title: str) -> Chart:
    """Draw the mean score over confidence: band, smooth curve, bins with areas by rows, and how many rows lie where."""
    confidence, score, n = (np.asarray(v, dtype=np.float64) for v in (data.bin_confidence, data.bin_score, data.bin_n))
    legend = [("bins, area by rows", "s1"), ("mean score, smoothed", "s0"), ("calibrated", "muted")]
    plot = Plot([], (), title=title, x=percent_axis("confidence"), y=percent_axis("mean score"), legend=legend)
    sheet, base = plot.drawing, plot.y.at(0)
    shares = np.asarray(data.histogram, dtype=np.float64)
    if len(shares):
        step, tallest = 1 / len(shares), max(float(shares.max()), 1e-9)
        for i, share in enumerate(shares.tolist()):
            left, height = plot.x.at(i * step), 40 * share / tallest
            tip = f"{share:.1%} of rows at confidence {100 * i * step:.0f} to {100 * (i + 1) * step:.0f}%"
            sheet.rectangle(left, base - height, plot.x.at((i + 1) * step) - left - 0.6, height, "rule", tip=tip)
    sheet.line([(plot.x.at(0), base), (plot.x.at(1), plot.y.at(1))], "muted", dash="dashed", width=1.2)
    curve = Series("smoothed", data.x, data.score, data.low, data.high, tone="s0", marker="none", dash="solid")
    plot.band(curve)
    plot.line(curve)
    largest = max(float(n.max(initial=1.0)), 1.0)
    for c, s, rows in zip(confidence.tolist(), score.tolist(), n.tolist(), strict=True):
        place, radius = (plot.x.at(c), plot.y.at(s)), 2.5 + 5.5 * (rows / largest) ** 0.5
        tip = f"confidence {c:.1%}, mean score {s:.1%}, {rows:,.0f} rows"
        sheet.circle(place, radius, "s1", opacity=0.8, stroke="page", width=1.0, tip=tip)
    heads = [Column("confidence", "number"), Column("mean score"), Column("rows", format=lambda v: f"{v:,.0f}")]
    return Chart(sheet, Table(heads, list(zip(confidence.tolist(), score.tolist(), n.tolist(), strict=True))))


def _table(series: Sequence[Series], levels: Sequence[Level], x: Axis, y: Axis) -> Table:
    """Lay the values of a chart out as a table, at most about `TABLE_ROWS` of a series."""

    def said(value: float, low: float | None, high: float | None) -> tuple[str, str]:
        limits = low is not None and high is not None and bool(np.isfinite([low, high]).all())
        return y.format(
            value
        ), f"{y.format(low)} to {y.format(high)}" if limits and low is not None and high is not None else ""

    rows: list[tuple[str, ...]] = []
    cut = False
    for one in series:
        across, up = np.asarray(one.x), np.asarray(one.y)
        every = max(1, -(-len(across) // TABLE_ROWS))
        cut |= every > 1
        for i in range(0, len(across), every):
            low, high = (None if v is None else float(np.asarray(v)[i]) for v in (one.low, one.high))
            rows.append((one.label, x.format(float(across[i])), *said(float(up[i]), low, high)))
    rows += [(level.label, "all", *said(level.y, level.low, level.high)) for level in levels]
    heads = [Column("series", "text"), Column(x.label or "x"), Column(y.label or "y"), Column("interval")]
    keep = [0, 1, 2, *([3] if any(row[3] for row in rows) else [])]
    keep = keep if any(row[0] for row in rows) else keep[1:]
    caption = "Some of the rows, at even steps." if cut else ""
    return Table(
        [heads[k] for k in keep], [tuple(row[k] for k in keep) for row in rows], caption=caption, sortable=False
    )
