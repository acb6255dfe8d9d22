import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qa_eval.metrics.mra import mean_relative_accuracy


# Errors on the edges of the thresholds, as the benchmark's own code scores them.
@pytest.mark.parametrize(
    ("prediction", "truth", "expected"),
    [
        (9, 10, 0.9),
        (110, 100, 0.9),
        (115, 100, 0.8),
        (120, 100, 0.6),
        (125, 100, 0.6),
        (130, 100, 0.5),
        (135, 100, 0.4),
        (140, 100, 0.3),
        (145, 100, 0.1),
        (150, 100, 0.1),
        (29, 20, 0.1),
        (1, 2, 0.1),
        (3, 2, 0.1),
        (0, 2, 0.0),
        (float("nan"), 2, 0.0),
        (float("inf"), 2, 0.0),
    ],
)
def test_edges(prediction, truth, expected):
    assert mean_relative_accuracy(prediction, truth) == expected


def loop(prediction: float, truth: float) -> float:
    passed = [abs(prediction - truth) / truth <= 1 - t for t in np.linspace(0.5, 0.95, 10)]
    return float(np.array(passed).mean())


@given(
    st.lists(
        st.tuples(st.integers(-50, 4000).map(lambda v: v / 10), st.integers(1, 2000).map(lambda v: v / 10)),
        min_size=1,
        max_size=30,
    )
)
def test_equals_the_definition_bit_for_bit(pairs):
    prediction, truth = np.array(pairs).T
    assert mean_relative_accuracy(prediction, truth).tolist() == [loop(p, t) for p, t in pairs]


@given(st.floats(0.1, 1e4), st.floats(0, 2), st.floats(0, 2))
def test_larger_error_never_scores_more(truth, a, b):
    small, large = sorted([a, b])
    near, far = mean_relative_accuracy([truth * (1 + small), truth * (1 + large)], truth)
    assert 0 <= far <= near <= 1


def test_zero_ground_truth_is_undefined_unless_asked_for():
    assert np.isnan(mean_relative_accuracy([0.0, 5.0], [0.0, 0.0])).all()
    assert mean_relative_accuracy([0.0, 0.3, 5.0], [0.0] * 3, zero_is_absolute=True).tolist() == [1.0, 0.5, 0.0]
