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


def test_certificates_break_their_promise_at_most_as_often_as_stated():
    rng = np.random.default_rng(0)
    alpha, delta, broken, found = 0.1, 0.1, 0, 0
    for _ in range(400):
        c = rng.choice([0.55, 0.7, 0.8, 0.9, 0.95], 300)
        # the risk at confidence >= 0.8 is just above alpha, so certifying 0.8 or lower is a mistake
        risk = np.select([c >= 0.95, c >= 0.9, c >= 0.8], [0.04, 0.08, 0.21], 0.4)
        s = (rng.random(300) >= risk).astype(float)
        certificate = certify(c, s, alpha=alpha, delta=delta)
        found += certificate.easy is not None
        broken += certificate.easy is not None and certificate.easy <= 0.8
    assert found > 40
    assert broken / 400 <= delta


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
