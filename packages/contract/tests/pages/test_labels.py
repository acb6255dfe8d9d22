"""Labels keep apart."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qa_contract import pages as kit
from qa_contract.pages.labels import Wanted, place_labels, shorten, text_width

BOUNDS = (0.0, 0.0, 460.0, 400.0)
WANTED = st.builds(
    Wanted,
    text=st.sampled_from(["chair", "tv", "potted plant", "whiteboard", "a"]),
    x=st.floats(0, 460),
    y=st.floats(0, 400),
    reach_x=st.floats(0, 90),
    reach_y=st.floats(0, 90),
    must=st.booleans(),
)


def overlaps(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@settings(max_examples=60, deadline=None)
@given(st.lists(WANTED, max_size=40))
def test_no_two_labels_overlap_and_all_are_inside(wanted):
    placed = [place.bounds for place in place_labels(wanted, BOUNDS) if place is not None]
    assert not [pair for pair in itertools.combinations(placed, 2) if overlaps(*pair)]
    for left, top, right, bottom in placed:
        assert left >= -1e-6
        assert top >= -1e-6
        assert right <= 460 + 1e-6
        assert bottom <= 400 + 1e-6


def test_labels_that_must_be_placed_are_placed_in_a_crowd():
    wanted = [Wanted(f"chair {i}", 200 + i % 5, 200 + i % 7, 4, 4, must=i % 2 == 0) for i in range(60)]
    placed = place_labels(wanted, BOUNDS)
    assert all(place is not None for place in placed[::2])
    far = [place for place in placed if place is not None and place.leader is not None]
    assert len(far) > 10
    assert all(np.hypot(place.leader[0][0] - 200, place.leader[0][1] - 200) < 12 for place in far)


def test_leader_lines_do_not_run_through_labels():
    wanted = [Wanted(f"lamp {i}", 200 + 20 * (i % 4), 190 + 12 * (i // 4), 4, 4, must=True) for i in range(12)]
    placed = [place for place in place_labels(wanted, BOUNDS) if place is not None]
    for place in placed:
        if place.leader is None:
            continue
        along = np.linspace(*np.array(place.leader), 60)
        for other in placed:
            if other is not place:
                left, top, right, bottom = other.bounds
                inside = (along > [left, top]).all(axis=1) & (along < [right, bottom]).all(axis=1)
                assert not inside.any()


def test_a_label_keeps_off_a_line():
    line = np.array([[[0.0, 200.0], [460.0, 200.0]]])
    (place,) = place_labels([Wanted("2.431 m", 230, 200, 3, 3, must=True)], BOUNDS, lines=line)
    assert place.bounds[3] <= 200 or place.bounds[1] >= 200


def test_a_sheet_without_room_leaves_labels_out():
    assert place_labels([Wanted("a very long label", 5, 5)], (0, 0, 20, 20)) == [None]


def test_text_is_shortened_to_its_width():
    cut = shorten("object_rel_direction", 12, 60)
    assert cut.endswith("…")
    assert text_width(cut, 12) <= 60
    assert shorten("lamp", 12, 60) == "lamp"


def labels_of(drawing):
    """Boxes of the labels of a drawing."""
    found = []
    for shape in drawing.shapes:
        if "label" in shape.css.split():
            half, (x, base) = text_width(shape.text, shape.size) / 2, shape.points[0]
            found.append((x - half, base - 0.8 * shape.size, x + half, base + 0.2 * shape.size))
    return found


def test_labels_of_all_real_scenes_keep_apart():
    data = os.environ.get("SPATIAL_QA_DATA")
    source = Path(data or "") / "vsi_bench" / "meta_info.json"
    if data is None or not source.is_file():
        pytest.skip("SPATIAL_QA_DATA does not name the folder with vsi_bench/meta_info.json.")
    n_labels = 0
    for name, scene in json.loads(source.read_text(encoding="utf-8")).items():
        boxes = [(kind, box) for kind, found in scene["object_bbox"].items() for box in found]
        objects = [
            kit.PlanObject(i, kind, box["centroid"], box["axesLengths"], box["normalizedAxes"])
            for i, (kind, box) in enumerate(boxes)
        ]
        drawing = kit.Room(objects).above(title=name)
        labels = labels_of(drawing)
        assert not [pair for pair in itertools.combinations(labels, 2) if overlaps(*pair)], name
        n_labels += len(labels)
        assert len(labels) >= 0.9 * len(objects), name
    assert n_labels > 900
