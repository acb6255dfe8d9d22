"""Plans and overlays: things are where they are."""

import numpy as np
import pytest
from PIL import Image as Picture
from qa_contract import pages as kit
from qa_contract.pages.floor_plan import outlines
from sample_page import cameras, room

EYE = [1, 0, 0, 0, 1, 0, 0, 0, 1]


def box(number, center, size=(1, 1, 1), **more):
    return kit.PlanObject(number, f"box {number}", center, size, EYE, **more)


def shape_of(drawing, number):
    return next(s for s in drawing.shapes if s.instance == number)


def test_north_is_up_and_metres_are_equal_both_ways():
    plan = kit.Room([box(1, [0, 0, 0]), box(2, [3, 0, 0]), box(3, [0, 2, 0])]).above(title="t")
    a, b, c = (shape_of(plan, i).points.mean(axis=0) for i in (1, 2, 3))
    scale = (b - a)[0] / 3
    assert (b - a) == pytest.approx([3 * scale, 0])
    assert (c - a) == pytest.approx([0, -2 * scale])
    assert np.ptp(shape_of(plan, 1).points, axis=0) == pytest.approx([scale, scale])


def test_everything_is_on_the_sheet():
    marks = [kit.Arrow([-3, -3], [9, 9]), kit.Sector([0, 0], 0, 90, 7)]
    plan = kit.Room(room(), [(0, 0), (6, 0), (6, 5)], cameras(), marks).above(title="t")
    points = np.concatenate([s.points for s in plan.shapes if s.kind in ("polygon", "line") and "view" not in s.css])
    assert (points >= -1e-6).all()
    assert (points <= [plan.width + 1e-6, plan.height + 1e-6]).all()


@pytest.mark.parametrize("origin", [-4.0, 0.0, 7.5])
def test_the_floor_seen_from_the_side_is_under_the_lowest_box(origin):
    side = kit.Room([box(1, [0, 0, origin + 0.5]), box(2, [3, 0, origin + 2.5])]).side([1, 0, 0], title="t")
    floor = next(s for s in side.shapes if s.kind == "line")
    assert floor.points[:, 1] == pytest.approx([shape_of(side, 1).points[:, 1].max()] * 2)


def test_what_covers_the_room_is_an_outline_unless_it_is_asked_about():
    small, floor = box(1, [0, 0, 0]), box(2, [0, 0, 0], (9, 3, 0.1))  # wide: the sheet is mostly empty
    plan = kit.Room([small, floor]).above(title="t")
    assert not shape_of(plan, 2).fill
    assert shape_of(plan, 1).fill
    asked = kit.Room(kit.with_operands([small, floor], ["s1"], [[2]])).above(title="t")
    assert shape_of(asked, 2).fill == "s1"


def test_a_turned_box_has_a_turned_outline():
    turned = kit.PlanObject(0, "table", [0, 0, 0], [2, 2, 1], [[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]])
    (outline,) = outlines([turned])
    assert outline.area == pytest.approx(4)
    assert outline.bounds == pytest.approx((-1.4, -1.4, 1.4, 1.4))


def test_the_side_view_shows_heights():
    side = kit.Room([box(1, [0, 0, 0.5]), box(2, [3, 0, 2.5])]).side([1, 0, 0], title="t")
    a, b = (shape_of(side, i).points.mean(axis=0) for i in (1, 2))
    assert (b - a)[1] / (b - a)[0] == pytest.approx(-2 / 3)


def test_hover_tells_category_instance_and_size():
    assert shape_of(kit.Room([box(7, [0, 0, 0], note="seen in 3 frames")]).above(title="t"), 7).tip == (
        "box 7 #7, 1.00 × 1.00 × 1.00 m\nseen in 3 frames"
    )


def test_what_is_asked_about_is_on_top_with_its_label():
    plan = kit.Room(kit.with_operands([box(i, [i, 0, 0]) for i in range(4)], ["s0"], [[1]])).above(
        title="t", labels="asked"
    )
    objects = [s.instance for s in plan.shapes if s.instance is not None]
    assert objects[-1] == 1
    assert [s.text for s in plan.shapes if "label" in s.css] == ["box 1"]
    assert shape_of(plan, 1).fill == "s0"


@pytest.mark.parametrize(
    "objects",
    [[], [box(0, [0, 0, 0], (0, 0, 0))], [box(0, [0, 0, 0], (1, 0, 1))], [box(0, [np.nan, 0, 0]), box(1, [1, 1, 1])]],
    ids=["none", "a point", "flat", "not finite"],
)
def test_odd_rooms_are_drawn(objects):
    svg = kit.Room(objects).above(title="t").svg()
    assert "nan" not in svg
    assert svg.startswith("<svg")
    assert "nan" not in kit.Room(objects).side([0, 0], title="t").svg()


def test_an_unknown_tone_is_named():
    with pytest.raises(ValueError, match="'red' is no tone"):
        kit.Room([box(0, [0, 0, 0], tone="red")]).above(title="t")


def test_a_camera_that_looks_down_has_no_wedge():
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    plan = kit.Room([box(0, [0, 0, 0])], cameras=[kit.PlanCamera(pose, "1")]).above(title="t")
    assert not [s for s in plan.shapes if s.css == "view"]
    assert [s for s in plan.shapes if s.css == "camera"]


def test_a_wedge_points_where_the_camera_looks():
    look_along_y = [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]]
    plan = kit.Room([box(0, [0, 4, 0])], cameras=[kit.PlanCamera(look_along_y, "1")]).above(title="t")
    (wedge,) = [s for s in plan.shapes if s.css == "view"]
    way = wedge.points[1:].mean(axis=0) - wedge.points[0]
    assert way[1] < 0
    assert abs(way[0]) < 1e-6


def test_a_measured_line_is_as_long_as_it_says():
    plan = kit.Room(
        [box(1, [0, 0, 0]), box(2, [4, 0, 0])], marks=[kit.Distance([0.5, 0, 0], [3.5, 0, 0], "3 m")]
    ).above(title="t")
    scale = np.ptp(shape_of(plan, 1).points[:, 0])
    (line,) = [s for s in plan.shapes if s.tip == "3 m"]
    assert np.ptp(line.points[:, 0]) == pytest.approx(3 * scale)


def test_an_overlay_is_in_pixels_of_the_image_and_says_what_is_there():
    svg = kit.overlay([kit.Outline(kit.rectangle([10, 20, 60, 80]), 4, "<chair>")], 640, 480)
    assert 'viewBox="0 0 640 480"' in svg
    assert 'points="10,20 60,20 60,80 10,80 10,20"' in svg
    assert "&lt;chair&gt; #4" in svg
    assert 'data-id="4"' in svg


def test_an_overlay_of_a_crowd_leaves_labels_out_but_never_what_is_asked():
    boxes = [
        kit.Outline(kit.rectangle([300 + i, 200 + i, 340 + i, 240 + i]), i, f"chair {i}", asked=i == 9)
        for i in range(30)
    ]
    svg = kit.overlay(boxes, 640, 480)
    assert ">chair 9</text>" in svg
    assert svg.count('class="f-ink halo label"') < 30


def test_images_are_embedded_small_and_what_is_none_is_left_out(tmp_path):
    rng = np.random.default_rng(0)
    Picture.fromarray(rng.integers(0, 255, (900, 1200, 3), dtype=np.uint8)).save(tmp_path / "large.png")
    Picture.new("RGB", (40, 30)).save(tmp_path / "small.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    assert kit.data_url(tmp_path / "small.png").startswith("data:image/png;base64,")
    large = kit.data_url(tmp_path / "large.png", side_px=100)
    assert large.startswith("data:image/jpeg;base64,")
    assert len(large) < 40_000
    assert kit.data_url(tmp_path / "broken.png") is None
    assert kit.data_url(tmp_path / "missing.png") is None
