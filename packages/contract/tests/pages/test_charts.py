"""Charts: right places, round ticks, no lost and no invented data."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture
from qa_contract import pages as kit
from qa_contract.pages.axes import Axis, log_ticks, round_ticks, scale_of
from qa_contract.pages.drawing import Drawing
from qa_contract.pages.plot import MANY, WIDTH, Plot, Series


def shapes(chart, **wanted):
    return [s for s in chart.drawing.shapes if all(getattr(s, name) == value for name, value in wanted.items())]


def tips(chart):
    return [shape.tip for shape in chart.drawing.shapes if shape.tip]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_inside_evenly_spaced_and_few(low, span):
    ticks = round_ticks(low, low + span)
    assert 1 <= len(ticks) <= 11
    assert low - 1e-6 * span <= ticks[0]
    assert ticks[-1] <= low + span * (1 + 1e-6)
    if len(ticks) > 2:
        steps = np.diff(ticks)
        assert steps.max() - steps.min() <= 1e-6 * span


@given(st.floats(1e-6, 1e6), st.floats(1.2, 1e6))
def test_logarithmic_ticks_are_inside_and_few(low, factor):
    ticks = log_ticks(low, low * factor)
    assert len(ticks) <= 12
    assert all(low * 0.999 <= tick <= low * factor * 1.001 for tick in ticks)


def test_equal_factors_are_equal_steps_on_a_logarithmic_axis():
    scale = scale_of(Axis(log=True), [1, 1000], 0, 300)
    places = scale([1, 10, 100, 1000])
    assert np.ptp(np.diff(places)) < 1e-9
    assert np.isnan(scale([0.0, -1.0])).all()


def test_all_values_lie_inside_the_plot():
    y = np.array([0.2, 0.9, -0.4, 3.0])
    plot = Plot([Series("a", np.arange(4), y)], (), title="t", x=Axis(), y=Axis())
    places = plot.y(y)
    assert places.min() >= plot.top - 1e-9
    assert places.max() <= plot.y.start + 1e-9


def test_a_gap_breaks_the_line_and_is_not_marked():
    chart = kit.line_chart([Series("a", [0, 1, 2, 3, 4], [1, 2, np.nan, 2, 1])], title="t")
    assert [len(s.points) for s in shapes(chart, kind="line", width=2)] == [2, 2]
    assert len(tips(chart)) == 4


def test_hover_texts_hold_value_interval_and_place():
    series = Series("model", [3], [0.5], [0.4], [0.6])
    chart = kit.line_chart([series], title="t", x=Axis("round"), y=kit.percent_axis("score"))
    assert tips(chart) == ["model: 50% (40% to 60%) at round 3"]


def test_the_table_holds_the_same_numbers():
    chart = kit.line_chart(
        [Series("a", [1, 2], [0.25, 0.5], [0.2, 0.4], [0.3, 0.6]), Series("b", [1], [1])],
        title="t",
        x=Axis("round"),
        y=kit.percent_axis("score"),
        levels=[kit.Level("majority", 0.3)],
    )
    assert chart.table.rows == [
        ("a", "1", "25%", "20% to 30%"),
        ("a", "2", "50%", "40% to 60%"),
        ("b", "1", "100%", ""),
        ("majority", "all", "30%", ""),
    ]


def test_legends_stand_above_the_data():
    series = [Series(f"a long name of run {i}", [0, 1], [0, 1]) for i in range(6)]
    chart = kit.line_chart(series, title="t", y=Axis("score"))
    names = [s for s in chart.drawing.shapes if s.kind == "text" and s.text.startswith("a long name")]
    assert len(names) == 6
    lines = [
        s for s in shapes(chart, kind="line", width=2) if len(s.points) == 2 and s.points[1, 0] - s.points[0, 0] > 30
    ]
    assert len(lines) == 6
    assert max(s.points[0, 1] for s in names) < min(s.points[:, 1].min() for s in lines)
    assert {s.dash for s in lines} == {"solid", "dashed", "dash-dot", "dotted"}


def test_many_points_keep_their_extremes():
    y = np.random.default_rng(0).normal(size=100_000)
    y[54_321] = 40.0
    started = time.perf_counter()
    chart = kit.line_chart([Series("loss", np.arange(100_000), y)], title="t")
    assert time.perf_counter() - started < 2
    (line,) = shapes(chart, kind="line", width=2)
    assert len(line.points) < 4 * WIDTH
    plot = Plot([Series("loss", np.arange(100_000), y)], (), title="t", x=Axis(), y=Axis())
    assert line.points[:, 1].min() == pytest.approx(plot.y.at(40.0))
    assert line.points[:, 1].max() == pytest.approx(plot.y.at(float(y.min())))
    assert len(chart.table.rows) <= 100


def test_scatter_of_many_points_is_cells_that_cover_all_of_them():
    rng = np.random.default_rng(0)
    few = kit.scatter([Series("a", [1, 2], [3, 4])], title="t")
    assert len(tips(few)) == 2
    many = kit.scatter([Series("a", *rng.uniform(0, 1, (2, MANY + 1)))], title="t")
    assert not tips(many)
    assert "darker" in many.drawing.desc
    assert {s.opacity for s in shapes(many, kind="path")} <= {0.25, 0.45, 0.7, 1.0}


def test_bars_begin_at_zero_and_a_missing_value_has_none():
    chart = kit.bar_chart(["a", "b", "c"], [kit.BarSeries("run", [0.5, np.nan, -0.25])], title="t")
    bars = [s for s in shapes(chart, kind="polygon") if s.tip]
    assert len(bars) == 2
    (left, right) = (np.ptp(bar.points[:, 0]) for bar in bars)
    assert left == pytest.approx(2 * right, rel=1e-6)
    assert bars[0].points[:, 0].min() == pytest.approx(bars[1].points[:, 0].max())
    assert [row[1].text for row in chart.table.rows] == ["0.5", None, "-0.25"]


def test_bars_on_a_logarithmic_axis_are_refused():
    with pytest.raises(ValueError, match="dots=True"):
        kit.bar_chart(["a"], [kit.BarSeries("run", [2.0])], title="t", x=Axis(log=True))


def test_histogram_bars_are_as_high_as_their_counts():
    chart = kit.histogram([1, 4, 2], [0, 1, 2, 3], title="t")
    heights = [np.ptp(s.points[:, 1]) for s in shapes(chart, kind="polygon") if s.tip]
    assert np.array(heights) / heights[0] == pytest.approx([1, 4, 2])


def test_shares_add_up_to_the_whole_width():
    chart = kit.share_bars({"round 1": {"easy": 1, "hard": 3}, "none": {}}, tones=kit.LABEL_TONES, title="t")
    widths = [np.ptp(s.points[:, 0]) for s in shapes(chart, kind="polygon") if s.tip]
    assert (widths[1] + 1) / (widths[0] + 1) == pytest.approx(3)
    assert "round 1, hard: 75.0% (3 of 4)" in tips(chart)


def test_reliability_places_bins_where_confidence_and_score_are():
    data = kit.Reliability([0.2, 0.8], [0.2, 0.8], [10, 90])
    bins = shapes(kit.reliability_diagram(data, title="t"), kind="circle", fill="s1")
    assert bins[1].radius > bins[0].radius
    slope = (bins[1].points - bins[0].points)[0]
    whole = kit.reliability_diagram(kit.Reliability([0, 1], [0, 1], [1, 1]), title="t")
    corners = shapes(whole, kind="circle", fill="s1")
    assert (corners[1].points - corners[0].points)[0] * 0.6 == pytest.approx(slope)


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_nothing_to_draw_is_said(values):
    chart = kit.line_chart([Series("a", values, values)], title="t")
    assert "no data" in [s.text for s in chart.drawing.shapes]


def test_texts_in_a_drawing_are_escaped():
    chart = kit.bar_chart(["<script>"], [kit.BarSeries("</title>", [1.0])], title='"><script>', x=Axis("<x>"))
    svg = str(chart.drawing.svg())
    assert "<script>" not in svg
    assert svg.count("<title>") == svg.count("</title>")


def test_a_drawing_is_painted_as_it_is_written(tmp_path):
    sheet = Drawing(40, 20)
    sheet.rectangle(0, 0, 20, 20, "s0")
    sheet.line([(20, 10), (40, 10)], "ink", width=2, dash="dashed")
    sheet.text((22, 8), "1 m", halo=True)
    sheet.circle((30, 15), 3, "s1")
    sheet.png(tmp_path / "a.png", scale=2)
    image = Picture.open(tmp_path / "a.png").convert("RGB")
    assert image.size == (80, 40)
    assert image.getpixel((10, 20)) == (0, 0x72, 0xB2)
    assert image.getpixel((60, 30)) == (0xD5, 0x5E, 0)
    row = [image.getpixel((x, 20))[0] < 128 for x in range(42, 80)]
    assert any(row)
    assert not all(row)
