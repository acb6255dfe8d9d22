"""Scores of answers in JSON: laws, an independent overlap, and what is no answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qa_contract.scoring import metric_of, score_answer
from qa_contract.structures import FORMS, form_of, read_json
from qa_contract.structures.boxes import Box, overlap
from shapely import affinity
from shapely.geometry import box as rectangle

number = st.floats(-4, 4).map(lambda value: round(value, 2))
length = st.floats(0.1, 5).map(lambda value: round(value, 2))
boxes = st.builds(
    lambda center, size, yaw: {"center": center, "size": size, "yaw": yaw},
    st.lists(number, min_size=3, max_size=3),
    st.lists(length, min_size=3, max_size=3),
    st.integers(-180, 180),
)
name = st.sampled_from("ABCD")
cells = st.dictionaries(name, st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=1)
triplets = st.lists(st.tuples(name, st.sampled_from(["left of", "near"]), name).map(list), min_size=1, max_size=6)


@given(st.one_of(st.tuples(boxes, boxes), st.tuples(cells, cells), st.tuples(triplets, triplets)))
def test_the_truth_scores_1_and_all_else_0_to_1(pair):
    answer, truth = map(json.dumps, pair)
    assert metric_of(truth, None) == "json"
    assert score_answer(truth, truth) == pytest.approx(1)
    assert -1e-9 <= score_answer(answer, truth) <= 1 + 1e-9
    if (
        form_of(truth) != "box"
    ):  # an error counts as a part of the true distance, which is not the same from either side
        assert score_answer(answer, truth) == score_answer(truth, answer)


@given(boxes, boxes)
def test_overlap_is_that_of_shapely(one, two):
    def plan(box):
        (x, y, _), (along, across, _) = box["center"], box["size"]
        outline = rectangle(x - along / 2, y - across / 2, x + along / 2, y + across / 2)
        return affinity.rotate(outline, box["yaw"], origin=(x, y))

    low = max(box["center"][2] - box["size"][2] / 2 for box in (one, two))
    high = min(box["center"][2] + box["size"][2] / 2 for box in (one, two))
    shared = plan(one).intersection(plan(two)).area * max(0.0, high - low)
    volumes = sum(box["size"][0] * box["size"][1] * box["size"][2] for box in (one, two))
    assert overlap(Box(**one), Box(**two)) == pytest.approx(shared / (volumes - shared), abs=1e-6)


BOX = '{"center": [0, 2, 1], "size": [1, 1, 2], "yaw": 0}'


@pytest.mark.parametrize(
    ("said", "truth"),
    [
        ("", '{"A": [1, 2]}'),
        ("null", '{"A": [1, 2]}'),
        ('{"A": [1, 2]', '{"A": [1, 2]}'),
        ('It is {"A": [1, 2]}', '{"A": [1, 2]}'),
        ('{"A": [1, true]}', '{"A": [1, 2]}'),
        ('{"A": [1, NaN]}', '{"A": [1, 2]}'),
        ('{"A": [1, 1e999]}', '{"A": [1, 2]}'),
        ('{"A": [1, ' + "9" * 400 + "]}", '{"A": [1, 2]}'),
        ("[" * 20_000, '{"A": [1, 2]}'),
        ("9" * 5_000, '{"A": [1, 2]}'),
        ('{"A": [1, 2]}' + " " * 8 + "x" * 30_000, '{"A": [1, 2]}'),
        ('{"A": [1, 2]}', BOX),
        (BOX.replace("2]", "0]"), BOX),
        (BOX.replace('"yaw": 0', '"yaw": "0"'), BOX),
        ('[["A", "left of"]]', '[["A", "left of", "B"]]'),
        ('[["A", "left of", 3]]', '[["A", "left of", "B"]]'),
    ],
)
def test_what_is_no_answer_scores_0(said, truth):
    assert score_answer(said, truth) == 0
    form = FORMS[form_of(truth)]
    assert read_json(said) is None or form.read(read_json(said)) is None


def test_a_score_worked_out_by_hand():
    truth = '{"center": [0, 4, 0], "size": [2, 1, 1], "yaw": 0}'
    # Moved by half its length it shares 1 of 3 m3, and its centre is off by 1 m of 4: 0.25 passes 6 of 10 thresholds.
    assert score_answer('{"center": [1, 4, 0], "size": [2, 1, 1], "yaw": 180}', truth) == pytest.approx(
        (1 / 3 + 0.6) / 2
    )
    # One cell of two is 3 and 4 cells off, which is worth nothing.
    assert score_answer('{"A": [0, 0], "b": [3, 4]}', '{"A": [0, 0], "B": [0, 0]}') == 0.5
    assert score_answer('[["a", "Left  of", "b"], ["b", "left of", "a"]]', '[["A", "left of", "B"]]') == pytest.approx(
        2 / 3
    )
