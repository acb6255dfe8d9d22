import numpy as np
import pytest
from qa_confidence import (
    InputError,
    adaptive_ece,
    augrc,
    aurc,
    auroc,
    bootstrap,
    brier,
    cross_entropy,
    debiased_ece,
    e_aurc,
    ece,
    mce,
    smooth_ece,
)
from qa_confidence.metrics import (
    METRICS,
    brier_parts,
    coverage_at_risk,
    paired_bootstrap,
    reliability_bins,
    risk_coverage,
    somers_d,
    spiegelhalter,
)

ALL = {
    "ece": ece,
    "adaptive_ece": adaptive_ece,
    "debiased_ece": debiased_ece,
    "smooth_ece": smooth_ece,
    "mce": mce,
    "brier": brier,
    "cross_entropy": cross_entropy,
    "auroc": auroc,
    "aurc": aurc,
    "e_aurc": e_aurc,
    "augrc": augrc,
}


def sample(n=400, seed=0, soft=True):
    rng = np.random.default_rng(seed)
    c = rng.beta(2, 1, n)
    s = np.clip(c**1.5 + rng.normal(0, 0.2, n), 0, 1).round(1) if soft else (rng.random(n) < c**1.5).astype(float)
    return c, s


def test_confidence_one_shares_the_last_bin():
    c = [0.95] * 1000 + [1.0] * 1000
    s = [1] * 1000 + [1] * 900 + [0] * 100
    assert ece(c, s) == pytest.approx(0.025)
    assert reliability_bins(c, s).n.tolist() == [2000]


def test_ece_by_hand():
    # bins [0.1, 0.2), [0.5, 0.6), [0.9, 1.0]: gaps |0.3-0.15|, |0.5-0.55|, |0.4-0.95| with 2, 1, 1 rows
    assert ece([0.1, 0.2 - 1e-12, 0.55, 0.95], [0.0, 0.6, 0.5, 0.4]) == pytest.approx((2 * 0.15 + 0.05 + 0.55) / 4)
    assert mce([0.1, 0.2 - 1e-12, 0.55, 0.95], [0.0, 0.6, 0.5, 0.4]) == pytest.approx(0.55)


def test_fractional_scores_are_used_as_they_are():
    assert ece([0.4] * 10, [0.4] * 10) == pytest.approx(0, abs=1e-12)
    assert ece([0.9] * 10, [0.4] * 10) == pytest.approx(0.5)
    assert smooth_ece([0.4] * 10, [0.4] * 10) < 1e-6


def test_perfectly_calibrated_grid_has_no_error():
    c = np.repeat(np.arange(0.05, 1, 0.1), 20)
    s = np.concatenate([[1.0] * round(20 * p) + [0.0] * (20 - round(20 * p)) for p in np.arange(0.05, 1, 0.1)])
    for name in ("ece", "adaptive_ece", "mce", "debiased_ece"):
        assert ALL[name](c, s) == pytest.approx(0, abs=1e-9), name
    assert smooth_ece(c, s) < 1e-6


def test_constant_prediction_is_calibrated_and_useless():
    s = np.array([1.0, 0.0, 0.0, 1.0])
    c = np.full(4, s.mean())
    assert ece(c, s) == 0
    assert auroc(c, s) == 0.5
    assert e_aurc(c, s) > 0.2


def test_one_row_and_one_class():
    assert ece([0.3], [1.0]) == pytest.approx(0.7)
    assert aurc([0.3], [1.0]) == 0
    assert np.isnan(auroc([0.3, 0.4], [1, 1]))
    assert np.isnan(somers_d([0.3, 0.4], [1, 1]))
    assert debiased_ece([0.3], [1.0]) >= 0
    assert np.isnan(bootstrap([0.3, 0.4], [1, 0], cluster=["a", "a"]).low)


def test_all_equal_confidence_is_one_block():
    assert aurc([0.5] * 4, [1, 1, 0, 0]) == pytest.approx(0.5)
    assert augrc([0.5] * 4, [1, 1, 0, 0]) == pytest.approx(0.5 * 2.5 / 4)
    assert adaptive_ece([0.5] * 4, [1, 1, 0, 0]) == 0


def test_ties_are_averaged_over_all_orders():
    import itertools

    c, s = [0.9, 0.5, 0.5, 0.5, 0.1], [1.0, 0.3, 0.9, 0.0, 0.4]
    losses = [1 - x for x in s]
    curves = [
        np.cumsum([losses[0], *(losses[i] for i in order), losses[4]]) for order in itertools.permutations([1, 2, 3])
    ]
    assert aurc(c, s) == pytest.approx(np.mean([np.mean(x / np.arange(1, 6)) for x in curves]))
    assert augrc(c, s) == pytest.approx(np.mean([np.mean(x) / 5 for x in curves]))


def test_ranks_alone_decide_selective_metrics():
    c, s = sample()
    for name in ("auroc", "aurc", "e_aurc", "augrc"):
        assert ALL[name](c, s) == ALL[name](c / 2, s) == ALL[name](c**3, s), name


def test_e_aurc_of_the_best_order_is_zero():
    _, s = sample()
    assert e_aurc(s, s) == pytest.approx(0, abs=1e-12)


def test_integer_weights_repeat_rows():
    c, s = sample(60)
    w = np.random.default_rng(1).integers(0, 4, 60)
    for name, metric in ALL.items():
        weighted, repeated = metric(c, s, sample_weight=w), metric(np.repeat(c, w), np.repeat(s, w))
        assert weighted == pytest.approx(repeated, abs=1e-9), name


def test_row_order_does_not_matter():
    c, s = sample(200)
    order = np.random.default_rng(2).permutation(200)
    for name, metric in ALL.items():
        assert metric(c, s) == pytest.approx(metric(c[order], s[order]), abs=1e-12), name


def test_debiased_ece_is_nearer_the_truth():
    rng = np.random.default_rng(0)
    plain, debiased = [], []
    for _ in range(200):
        c = rng.random(200)
        s = (rng.random(200) < c).astype(float)
        plain.append(ece(c, s))
        debiased.append(debiased_ece(c, s))
    assert np.mean(debiased) < 0.7 * np.mean(plain)


def test_brier_parts_add_up():
    c, s = sample()
    parts = brier_parts(c, s)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bin
    assert total == pytest.approx(parts.brier) == pytest.approx(brier(c, s))
    assert parts.within_row == pytest.approx(np.mean(s * (1 - s)))


def test_cross_entropy_is_finite_at_certainty():
    assert cross_entropy([1.0], [0.0]) == pytest.approx(-np.log(1e-6))


def test_somers_d_is_auroc_for_two_classes_and_counts_pairs_otherwise():
    c, s = sample(100, soft=False)
    assert somers_d(c, s) == pytest.approx(2 * auroc(c, s) - 1)
    c, s = sample(60)
    c = c.round(1)
    sign = np.sign(c[:, None] - c[None, :]) * np.sign(s[:, None] - s[None, :])
    assert somers_d(c, s) == pytest.approx(sign.sum() / (s[:, None] != s[None, :]).sum())


def test_spiegelhalter_rejects_miscalibration_and_fractions():
    c, s = sample(2000, soft=False)
    assert spiegelhalter(c, s).p_value < 0.01
    rng = np.random.default_rng(0)
    assert spiegelhalter(c, rng.random(2000) < c).p_value > 0.01
    with pytest.raises(InputError, match="0 or 1"):
        spiegelhalter([0.5], [0.5])


def test_coverage_keeps_ties_whole():
    assert coverage_at_risk([0.9, 0.8, 0.8], [1, 1, 0], risk=0.1) == pytest.approx(1 / 3)
    assert coverage_at_risk([0.9], [0], risk=0.1) == 0
    assert risk_coverage([0.9, 0.8, 0.8], [1, 1, 0]).coverage.tolist() == pytest.approx([1 / 3, 1])


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize(
    ("c", "s", "message"),
    [
        ([0.5, np.nan], [1, 1], r"confidence is NaN in 1 of 2 rows: \[1\]"),
        ([0.5, 0.5], [np.nan, 1], r"score is NaN in 1 of 2 rows: \[0\]"),
        ([1.2, 0.5], [1, 1], r"confidence is outside \[0, 1\]"),
        ([0.5], [1, 1], "1 rows, score has 2"),
        ([], [], "no rows"),
        (["x"], [1], "not numeric"),
    ],
)
def test_bad_input_names_the_rows(name, c, s, message):
    with pytest.raises(InputError, match=message):
        ALL[name](c, s)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_bootstrap_is_seeded_and_contains_the_value_for_smooth_metrics(name):
    c, s = sample(300)
    scene = np.arange(300) // 10
    first = bootstrap(c, s, metric=name, cluster=scene, resamples=200, seed=3)
    assert first == bootstrap(c, s, metric=name, cluster=scene, resamples=200, seed=3)
    assert first.n_clusters == 30
    assert first.low < first.high
    if name in ("brier", "cross_entropy", "auroc", "mean_score", "augrc"):
        assert first.low < first.value < first.high


def test_bootstrap_covers_the_truth():
    rng = np.random.default_rng(0)
    hits = {"percentile": 0, "bca": 0}
    for trial in range(150):
        effect = np.repeat(rng.normal(0, 0.1, 60), 5)
        s = np.clip(0.5 + effect + rng.normal(0, 0.1, 300), 0, 1)
        for interval in hits:
            result = bootstrap(
                np.full(300, 0.5),
                s,
                metric="mean_score",
                cluster=np.repeat(np.arange(60), 5),
                resamples=400,
                interval=interval,
                seed=trial,
            )
            hits[interval] += result.low <= 0.5 <= result.high
    assert all(0.90 <= count / 150 <= 0.99 for count in hits.values()), hits


def test_scenes_that_differ_widen_the_interval():
    rng = np.random.default_rng(0)
    scene = np.repeat(np.arange(40), 20)
    s = (rng.random(800) < np.repeat(rng.beta(1, 1, 40), 20)).astype(float)
    by_scene = bootstrap(np.full(800, 0.5), s, metric="brier", cluster=scene)
    by_scene_score = bootstrap(np.full(800, 0.5), s, metric="mean_score", cluster=scene)
    by_row_score = bootstrap(np.full(800, 0.5), s, metric="mean_score")
    assert by_scene.value == pytest.approx(0.25)
    assert by_scene_score.high - by_scene_score.low > 1.8 * (by_row_score.high - by_row_score.low)


def test_paired_bootstrap_sees_what_separate_intervals_hide():
    rng = np.random.default_rng(0)
    s = (rng.random(400) < 0.7).astype(float)
    result = paired_bootstrap(np.full(400, 0.75), np.full(400, 0.7), s, metric="brier", cluster=np.arange(400) // 8)
    assert result.high - result.low < 0.01
    assert result.value == pytest.approx(brier([0.75] * 400, s) - brier([0.7] * 400, s))
