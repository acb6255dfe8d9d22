import json

import numpy as np
import pytest
from qa_confidence import CALIBRATORS, Calibrator, InputError, QAConfidenceError, ece, fit_calibrator
from qa_confidence.arrays import labels_of
from qa_confidence.calibrators.base import logit, sigmoid
from qa_confidence.calibrators.grouped import MIN_GROUP_ROWS
from qa_confidence.calibrators.isotonic import pool_adjacent_violators

PARAMETRIC = ("temperature", "platt", "beta")


def drawn(n, *, slope=1.0, intercept=0.0, seed=0, soft=False):
    rng = np.random.default_rng(seed)
    c = sigmoid(rng.normal(1, 1.5, n))
    p = sigmoid(slope * logit(c) + intercept)
    return c, np.clip(p, 0, 1) if soft else (rng.random(n) < p).astype(float)


def test_temperature_recovers_the_truth():
    for t in (0.5, 1.0, 2.5):
        c, s = drawn(20000, slope=1 / t)
        found = fit_calibrator(c, s, method="temperature").pooled
        assert np.exp(found.theta[0]) == pytest.approx(t, rel=0.06)


def test_platt_recovers_slope_and_intercept_from_fractional_scores():
    c, s = drawn(2000, slope=0.6, intercept=-0.4, soft=True)
    found = fit_calibrator(c, s, method="platt").pooled.parameters()
    assert found["slope"] == pytest.approx(0.6, abs=5e-3)
    assert found["intercept"] == pytest.approx(-0.4, abs=5e-3)


def test_fractional_scores_are_not_rounded_to_right():
    fitted = fit_calibrator([0.9] * 200, [0.3] * 200, method="platt")
    assert fitted.predict([0.9])[0] == pytest.approx(0.3, abs=0.01)


def test_centred_isotonic_by_hand():
    fitted = fit_calibrator([0.1, 0.4, 0.6, 0.9], [0.0, 0.6, 0.4, 1.0], method="isotonic")
    # 0.4 and 0.6 pool to 0.5 at their centre 0.5
    assert fitted.pooled.parameters() == {"x": [0.1, 0.5, 0.9], "y": [0.0, 0.5, 1.0]}
    np.testing.assert_allclose(fitted.predict([0.0, 0.3, 0.5, 0.7, 1.0]), [0.0, 0.25, 0.5, 0.75, 1.0])


def test_pooling_is_the_least_squares_monotone_fit():
    rng = np.random.default_rng(0)
    for _ in range(5):
        y, w = rng.random(15), rng.integers(1, 4, 15).astype(float)
        value, mass, start = pool_adjacent_violators(y, w)
        assert np.all(np.diff(value) > 0)
        fitted = np.repeat(value, np.diff(np.append(start, 15)))
        slow = [
            max(min(np.average(y[i : k + 1], weights=w[i : k + 1]) for k in range(j, 15)) for i in range(j + 1))
            for j in range(15)
        ]
        np.testing.assert_allclose(fitted, slow)
        assert mass.sum() == w.sum()


def test_histogram_is_the_mean_score_of_a_bin():
    fitted = fit_calibrator([0.2] * 99 + [0.8] * 99, [0.0] * 99 + [1.0] * 99, method="histogram")
    np.testing.assert_allclose(fitted.predict([0.1, 0.9]), [0.5 / 100, 99.5 / 100])


@pytest.mark.parametrize("method", sorted(CALIBRATORS))
def test_json_round_trip_gives_the_same_predictions(method):
    c, s = drawn(600, slope=0.5)
    group = np.array(["a", "b", "c"])[np.arange(600) % 3]
    fitted = fit_calibrator(c, s, method=method, group=group, cluster=np.arange(600) // 20, min_group_rows=100)
    again = Calibrator.from_json(fitted.to_json())
    assert again == fitted
    assert again.id == fitted.id
    np.testing.assert_array_equal(again.predict(c, group=group), fitted.predict(c, group=group))
    assert json.loads(fitted.to_json())["data"]["n"] == 600


@pytest.mark.parametrize("method", sorted(CALIBRATORS))
@pytest.mark.parametrize("scores", [[1.0] * 50, [0.0] * 50, [0.5] * 50])
def test_one_class_and_equal_confidence_stay_finite(method, scores):
    fitted = fit_calibrator([0.7] * 50, scores, method=method, group=["a"] * 25 + ["b"] * 25)
    value = fitted.predict([0.0, 0.7, 1.0], group=["a", "b", "new"])
    assert np.all((value >= 0) & (value <= 1))
    if method not in ("identity", "temperature"):
        assert value[1] == pytest.approx(scores[0], abs=0.1)


@pytest.mark.parametrize("method", sorted(CALIBRATORS))
def test_one_row(method):
    assert 0 <= fit_calibrator([1.0], [0.0], method=method).predict([1.0])[0] <= 1


def test_misleading_confidence_is_flattened_not_reversed():
    c, s = drawn(2000, slope=-1.0)
    for method in PARAMETRIC:
        value = fit_calibrator(c, s, method=method).predict(np.linspace(0, 1, 50))
        assert np.all(np.diff(value) >= 0)


@pytest.mark.parametrize("method", PARAMETRIC)
def test_shrinkage_goes_from_separate_fits_to_the_pooled_one(method):
    parts = [drawn(400, slope=a, intercept=b, seed=i) for i, (a, b) in enumerate([(0.5, -0.5), (1.5, 0.5)])]
    c, s = (np.concatenate(x) for x in zip(*parts, strict=True))
    group = np.repeat(["a", "b"], 400)
    pooled = fit_calibrator(c, s, method=method).predict(c)
    alone = np.concatenate([fit_calibrator(*part, method=method).predict(part[0]) for part in parts])
    infinite = fit_calibrator(c, s, method=method, group=group, strength=np.inf)
    np.testing.assert_allclose(infinite.predict(c, group=group), pooled)
    strong = fit_calibrator(c, s, method=method, group=group, strength=1e9).predict(c, group=group)
    np.testing.assert_allclose(strong, pooled, atol=1e-4)
    none = fit_calibrator(c, s, method=method, group=group, strength=1e-9).predict(c, group=group)
    np.testing.assert_allclose(none, alone, atol=5e-3)
    distance = [
        np.abs(fit_calibrator(c, s, method=method, group=group, strength=k).predict(c, group=group) - pooled).mean()
        for k in (1.0, 100.0, 10000.0)
    ]
    assert distance[0] > distance[1] > distance[2]


def test_held_out_scenes_choose_little_shrinkage_for_different_groups_and_much_for_equal_ones():
    rng = np.random.default_rng(0)
    c = sigmoid(rng.normal(0, 1, 3000))
    group = np.arange(3000) % 6
    scene = np.arange(3000) // 50
    different = (rng.random(3000) < sigmoid(logit(c) + np.linspace(-2, 2, 6)[group])).astype(float)
    equal = (rng.random(3000) < c).astype(float)
    strengths = [fit_calibrator(c, s, group=group, cluster=scene).levels[0].strength for s in (different, equal)]
    assert strengths[0] <= 100 < strengths[1]


def test_grouping_repairs_what_pooling_hides():
    rng = np.random.default_rng(0)
    c = np.full(4000, 0.5)
    group = np.arange(4000) % 2
    s = (rng.random(4000) < np.where(group == 0, 0.1, 0.9)).astype(float)
    fitted = fit_calibrator(c, s, group=group)
    value = fitted.predict(c, group=group)
    assert ece(value[group == 0], s[group == 0]) < 0.02
    np.testing.assert_allclose(fitted.predict([0.5], group=[7]), fitted.predict([0.5]))


def test_two_levels_fall_back_to_the_nearest_known_parent():
    rng = np.random.default_rng(0)
    outer = np.array(["number", "choice"])[np.arange(4000) % 2]
    inner = np.array(["size", "left", "room", "order"])[np.arange(4000) % 4]
    s = (rng.random(4000) < np.where(outer == "number", 0.2, 0.8)).astype(float)
    group = np.stack([outer, inner], axis=1)
    fitted = fit_calibrator(np.full(4000, 0.5), s, group=group, cluster=np.arange(4000) // 40)
    value = fitted.predict([0.5] * 3, group=[("number", "new"), ("choice", "new"), ("new", "new")])
    np.testing.assert_allclose(value, [0.2, 0.8, 0.5], atol=0.03)
    used = fitted.groups_used([("number", "new"), ("number", "size")], 2)
    assert [used.names[i] for i in used.code] == ["number", "number/size"]
    with pytest.raises(InputError, match="2 group levels"):
        fitted.predict([0.5], group=["number"])


def test_shared_labels_give_what_the_names_give():
    rng = np.random.default_rng(1)
    c, s = rng.random(600), rng.random(600).round(1)
    names = np.array(["size", "left", "room"], dtype=object)[rng.integers(0, 3, 600)]
    labels = labels_of(names, 600, name="group")
    scene = np.arange(600) % 20
    by_name = fit_calibrator(c, s, group=names, cluster=scene)
    assert fit_calibrator(c, s, group=(labels,), cluster=labels_of(scene, 600, name="cluster")) == by_name
    kept = names != "left"
    subset = fit_calibrator(c[kept], s[kept], group=(labels.take(kept),))
    assert subset.levels[0].names == ("room", "size")
    assert subset == fit_calibrator(c[kept], s[kept], group=names[kept])


def test_small_groups_get_no_isotonic_map_of_their_own():
    c, s = drawn(MIN_GROUP_ROWS + 50)
    group = np.array(["big"] * MIN_GROUP_ROWS + ["small"] * 50)
    fitted = fit_calibrator(c, s, method="isotonic", group=group)
    maps = dict(zip(fitted.levels[0].names, fitted.levels[0].maps, strict=True))
    assert maps["small"] is fitted.pooled
    assert maps["big"] is not fitted.pooled


def test_many_rows_are_compressed_without_changing_the_fit():
    c, s = drawn(30000, slope=0.7, intercept=-0.3)
    found = np.array(fit_calibrator(c, s).pooled.theta)
    x = np.stack([logit(c), np.ones(30000)], axis=1)
    theta = np.array([1.0, 0.0])
    for _ in range(30):
        p = sigmoid(x @ theta)
        theta = theta + np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x, x.T @ (s - p))
    np.testing.assert_allclose(found, theta, atol=2e-3)


def test_errors():
    with pytest.raises(QAConfidenceError, match="Did you mean 'platt'"):
        fit_calibrator([0.5], [1], method="plat")
    with pytest.raises(InputError, match="NaN"):
        fit_calibrator([np.nan], [1])
    with pytest.raises(InputError, match="group must have shape"):
        fit_calibrator([0.5, 0.6], [1, 0], group=["a"])
    with pytest.raises(InputError, match="outside"):
        fit_calibrator([0.5], [1]).predict([1.5])
    with pytest.raises(QAConfidenceError, match="not a calibrator"):
        Calibrator.from_json("{}")
    newer = fit_calibrator([0.5], [1]).to_json().replace('"version": 1', '"version": 99')
    with pytest.raises(QAConfidenceError, match="version 99"):
        Calibrator.from_json(newer)
