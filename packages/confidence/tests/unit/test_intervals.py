import numpy as np
from qa_confidence.intervals import wilson_interval


def test_wilson_covers_bounded_values_at_small_n():
    rng = np.random.default_rng(0)
    for a, b in ((5, 1), (0.3, 0.3), (2, 2)):
        values = rng.beta(a, b, size=(4000, 5))
        low, high = wilson_interval(values.mean(axis=1), 5)
        covered = (low <= a / (a + b)) & (a / (a + b) <= high)
        assert covered.mean() >= 0.93


def test_wilson_stays_inside_the_unit_interval():
    low, high = wilson_interval([0.0, 1.0], [1, 1])
    assert low[0] == 0.0
    assert high[1] == 1.0
    assert 0.2 < low[1] < 0.21
