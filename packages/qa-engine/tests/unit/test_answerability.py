import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qa_engine import answerability as check
from qa_engine.answerability import Evidence, answerable, evidence, evidence_frames


def table(rows):
    names = ("frame_id", "instance_id", "visible_px", "visible_fraction")
    schema = dict(zip(names, (pl.String, pl.Int64, pl.Int64, pl.Float64), strict=True))
    return pl.DataFrame(rows, schema=schema, orient="row")


PX = 640 * 480


@pytest.mark.parametrize(
    ("px", "fraction", "image", "seen"),
    [
        (check.MIN_VISIBLE_PX, 1.0, 1000, True),
        (check.MIN_VISIBLE_PX - 1, 1.0, 1000, False),
        (154, 1.0, PX, True),
        (153, 1.0, PX, False),
        (9999, check.MIN_VISIBLE_FRACTION, PX, True),
        (9999, check.MIN_VISIBLE_FRACTION - 0.01, PX, False),
        (9999, None, PX, True),
    ],
)
def test_what_counts_as_seen(px, fraction, image, seen):
    found = evidence(table([("a", 4, px, fraction)]), np.array([4]), ["a"], [image])
    assert found.seen.tolist() == [seen]


def test_frames_that_were_not_chosen_show_nothing():
    rows = table([("a", 1, 500, 1.0), ("c", 1, 300, 1.0), ("b", 2, 900, 1.0)])
    found = evidence(rows, np.array([1, 2]), ["c"], [PX])
    assert (found.best.tolist(), found.first.tolist()) == ([0, -1], [0, -1])


def test_of_equal_views_the_first_frame_is_the_evidence():
    found = evidence(table([("b", 1, 500, 1.0), ("a", 1, 500, 1.0)]), np.array([1]), ["a", "b"], [PX, PX])
    assert found.best.tolist() == [0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_against_loops(seed):
    rng = np.random.default_rng(seed)
    n, n_frames, n_questions = 6, 4, 7
    best = rng.integers(-1, n_frames, n)
    found = Evidence(tuple("abcd"), best, best)
    rows, question = rng.integers(0, n, 15), rng.integers(0, n_questions, 15)
    ok = answerable(found, rows, question, n_questions)
    frames = evidence_frames(found, rows, question, n_questions)
    for i in range(n_questions):
        own = [best[row] for row, q in zip(rows, question, strict=True) if q == i]
        assert ok[i] == all(place >= 0 for place in own)
        assert frames[i] == [found.frame_ids[p] for p in sorted(set(own)) if p >= 0]
