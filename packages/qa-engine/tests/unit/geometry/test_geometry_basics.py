import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qa_engine.geometry import (
    HALVES,
    QUADRANTS,
    THIRDS,
    bearing_deg,
    box_bounds,
    box_corners,
    box_footprint,
    turn_deg,
)


def test_rows_are_axes():
    # The long axis (first row) points along world y.
    rotation = np.array([[[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]])
    bounds = box_bounds([[1, 2, 3]], [[4, 2, 1]], rotation)[0]
    assert bounds.tolist() == [[0, 0, 2.5], [2, 4, 3.5]]
    assert box_corners([[1, 2, 3]], [[4, 2, 1]], rotation).shape == (1, 8, 3)


def test_footprint_of_a_tilted_box_has_six_corners():
    c, s = np.cos(0.5), np.sin(0.5)
    about_x = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    about_y = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    outline = box_footprint([[0, 0, 0]], [[1, 1, 1]], (about_x @ about_y)[None])[0]
    assert len(outline) == 6
    x, y = outline.T
    assert (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() > 0


@pytest.mark.parametrize(
    ("sectors", "angle", "name"),
    [
        (HALVES, 0.0, "left"),
        (HALVES, 179.9, "left"),
        (HALVES, 180.0, "right"),
        (THIRDS, 134.9, "left"),
        (THIRDS, 135.0, "back"),
        (THIRDS, 225.0, "right"),
        (QUADRANTS, 89.9, "front-left"),
        (QUADRANTS, 90.0, "back-left"),
        (QUADRANTS, 180.0, "back-right"),
        (QUADRANTS, 270.0, "front-right"),
        (QUADRANTS, 359.9, "front-right"),
    ],
)
def test_sector_names(sectors, angle, name):
    assert sectors.names[int(sectors.index(angle))] == name


@given(st.floats(-180, 180), st.floats(-180, 180))
def test_mirroring_swaps_left_and_right(facing, target):
    turn, mirrored = float(turn_deg(facing, target)), float(turn_deg(-facing, -target))
    assert 0 <= turn < 360
    if HALVES.margin_deg(turn) > 1e-9:
        assert HALVES.names[int(HALVES.index(turn))] != HALVES.names[int(HALVES.index(mirrored))]


def test_bearing_ignores_height():
    assert bearing_deg([[0, 0, 5]], [[1, 1, -5]]).tolist() == [45]
