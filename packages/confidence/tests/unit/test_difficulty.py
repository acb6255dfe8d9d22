import math

import numpy as np
import pytest
from qa_confidence.difficulty import certify, hoeffding_bentkus, quantile_labels
from qa_confidence.errors import InputError


def test_quantile_labels_within_groups_and_ties_together():
    labels = quantile_labels([0.1, 0.2, 0.3, 0.4, 0.9, 0.9, 0.9, 0.9], group=["a"] * 4 + ["b"] * 4)
    assert labels.tolist() == ["hard", "frontier", "frontier", "easy", *["frontier"] * 4]


def test_p_value_is_the_binomial_tail_and_hoeffding_bound():
    n, k, bound = 50, 3, 0.2
    tail = sum(math.comb(n, i) * bound**i * (1 - bound) ** (n - i) for i in range(k + 1))
    mean = k / n
    kl = mean * math.log(mean / bound) + (1 - mean) * math.log((1 - mean) / (1 - bound))
    assert hoeffding_bentkus(mean, n, bound) == pytest.approx(min(math.e * tail, math.exp(-n * kl)))
    assert hoeffding_bentkus(0.3, n, bound) == 1.0
    assert hoeffding_bentkus(0.0, 0, bound) == 1.0


@pytest.mark.parametrize("graded", [False, True])
def test_certificates_break_their_promise_at_most_as_often_as_stated(graded):
    rng = np.random.default_rng(0)
    n, simulations, alpha, beta, delta = 800, 2000, 0.1, 0.3, 0.1
    broken, found = {"easy": 0, "hard": 0}, {"easy": 0, "hard": 0}
    for _ in range(simulations):
        c = rng.choice([0.05, 0.2, 0.3, 0.55, 0.8, 0.9, 0.95], n)
        # mean loss at confidence >= 0.8 and mean score at confidence <= 0.3 are just above their bounds,
        # so certifying a threshold there or beyond is a mistake
        score = np.select(
            [c >= 0.95, c >= 0.9, c >= 0.8, c > 0.3, c > 0.2, c > 0.05], [0.99, 0.92, 0.775, 0.5, 0.6, 0.2], 0.11
        )
        s = rng.binomial(10, score) / 10 if graded else (rng.random(n) < score).astype(float)
        certificate = certify(c, s, alpha=alpha, beta=beta, delta=delta)
        found["easy"] += certificate.easy is not None
        found["hard"] += certificate.hard is not None
        broken["easy"] += certificate.easy is not None and certificate.easy <= 0.8
        broken["hard"] += certificate.hard is not None and certificate.hard >= 0.3
    for kind in ("easy", "hard"):
        assert found[kind] > 100
        assert broken[kind] / simulations <= delta


def test_nothing_certifies_is_said():
    certificate = certify([0.9, 0.2], [1.0, 0.0])
    assert (certificate.easy, certificate.hard) == (None, None)
    assert "no threshold certifies 'easy'" in certificate.describe()
    assert certificate.labels([0.99, 0.01]).tolist() == ["frontier", "frontier"]


def test_scenes_as_units_certify_less():
    c, s, scene = np.full(600, 0.95), np.ones(600), np.arange(600) // 30
    assert certify(c, s).easy is not None
    by_scene = certify(c, s, cluster=scene)
    assert by_scene.easy is None
    assert by_scene.n == 20
    with pytest.raises(InputError, match="alpha"):
        certify(c, s, alpha=0.0)
