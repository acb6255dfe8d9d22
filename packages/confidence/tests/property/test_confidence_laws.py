"""Laws that hold for any confidences and scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qa_confidence import CALIBRATORS, aurc, auroc, brier, ece, fit_calibrator, smooth_ece
from qa_confidence.difficulty import LABELS, threshold_labels

UNIT = st.floats(0, 1, allow_nan=False, width=32)
ROWS = st.lists(st.tuples(UNIT, UNIT), min_size=2, max_size=60).map(lambda rows: np.array(rows).T)
GRID = np.linspace(0, 1, 201)


@pytest.mark.parametrize("method", [name for name in CALIBRATORS if name != "histogram"])
@given(rows=ROWS)
@settings(max_examples=40, deadline=None)
def test_monotone_calibrators_keep_order_and_stay_in_the_unit_interval(method, rows):
    mapped = fit_calibrator(*rows, method=method).predict(GRID)
    assert np.all((mapped >= 0) & (mapped <= 1))
    assert np.all(np.diff(mapped) >= -1e-12)


@given(rows=ROWS)
@settings(max_examples=60, deadline=None)
def test_errors_lie_in_the_unit_interval_and_vanish_for_the_score_itself(rows):
    c, s = rows
    for metric in (ece, smooth_ece, brier):
        assert 0 <= metric(c, s) <= 1 + 1e-9
        assert metric(s, s) <= 1e-6


@given(rows=ROWS)
@settings(max_examples=60, deadline=None)
def test_ranking_metrics_see_ranks_only(rows):
    c, s = rows
    ranks = np.unique(c, return_inverse=True)[1] / len(c)
    assert aurc(ranks, s) == aurc(c, s)
    np.testing.assert_equal(auroc(ranks, s), auroc(c, s))
    assert aurc(s, s) <= aurc(c, s) + 1e-9


@given(c=st.lists(UNIT, min_size=1, max_size=40), high=UNIT, low=UNIT)
@settings(max_examples=60, deadline=None)
def test_more_confidence_is_never_harder(c, high, low):
    order = {name: i for i, name in enumerate(reversed(LABELS[:3]))}
    labels = threshold_labels(np.sort(c), easy=max(high, low), hard=min(high, low))
    assert np.all(np.diff([order[label] for label in labels]) >= 0)
