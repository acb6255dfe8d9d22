import numpy as np
import polars as pl
import pytest
from qa_confidence import fit_calibrator
from qa_confidence.calibrators.base import logit, sigmoid
from qa_confidence.drift import drift, kolmogorov_smirnov, order_bias, population_stability, refit_verdict


def round_of(seed, *, shift, n=1200):
    rng = np.random.default_rng(seed)
    c = sigmoid(rng.normal(0.5, 1, n))
    s = (rng.random(n) < sigmoid(logit(c) + shift)).astype(float)
    scene = np.arange(n) % 40
    return pl.DataFrame(
        {
            "question_id": [f"q{i}" for i in range(n)],
            "scene_name": [f"s{i}" for i in scene],
            "question_type": [("size", "count")[i % 2] for i in range(n)],
            "value": c,
            "score": s,
        }
    )


def test_shift_measures():
    rng = np.random.default_rng(0)
    a, b = rng.random(500), rng.random(500)
    assert population_stability(a, b) < 0.1 < 0.25 < population_stability(a, a**3)
    both = np.sort(np.concatenate([a, b]))
    slow = max(abs((a <= x).mean() - (b <= x).mean()) for x in both)
    assert kolmogorov_smirnov(a, b) == pytest.approx(slow)


def test_drift_reports_the_gap_with_its_sign():
    groups = drift(round_of(0, shift=-1.0), round_of(1, shift=0.0), resamples=200)
    assert [group.group for group in groups] == ["all", "count", "size"]
    overall = groups[0]
    assert overall.gap[0].low > 0.1
    assert overall.gap[1].low < 0 < overall.gap[1].high
    assert overall.anchors == 1200
    assert overall.gap[0].value == pytest.approx(overall.mean_confidence[0] - overall.mean_score[0])


def test_refit_is_advised_only_when_the_old_map_is_worse():
    first, moved, same = round_of(0, shift=-1.0), round_of(1, shift=1.0), round_of(2, shift=-1.0)
    old = fit_calibrator(first["value"], first["score"], cluster=first["scene_name"])
    for frame, expected in ((moved, True), (same, False)):
        verdict = refit_verdict(old, frame["value"], frame["score"], cluster=frame["scene_name"], resamples=300)
        assert verdict.refit is expected
    lonely = refit_verdict(old, [0.5, 0.6], [1, 0], cluster=["a", "a"])
    assert lonely.refit is None


def test_order_bias_is_the_slope_of_the_difference():
    rng = np.random.default_rng(0)
    step = rng.integers(0, 100, 600)
    frozen = rng.uniform(0.3, 0.6, 600)
    biased = order_bias(step, frozen + 0.002 * step, frozen, cluster=np.arange(600) // 20)
    assert biased.slope_per_100_steps.value == pytest.approx(0.2)
    noise = rng.normal(0, 0.05, 600)
    honest = order_bias(step, np.clip(frozen + noise, 0, 1), frozen, cluster=np.arange(600) // 20)
    assert honest.slope_per_100_steps.low < 0 < honest.slope_per_100_steps.high
