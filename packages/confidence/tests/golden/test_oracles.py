"""Agreement with independent libraries on inputs where the definitions agree; skipped where they are not installed."""

import numpy as np
import pytest
from qa_confidence import auroc, brier, cross_entropy, ece, fit_calibrator, mce, smooth_ece
from qa_confidence.calibrators.base import logit
from qa_confidence.calibrators.isotonic import pool_adjacent_violators


def sample(*, soft):
    rng = np.random.default_rng(0)
    c = rng.beta(2, 1, 3000)
    if soft:
        return c, np.clip(c**1.5 + rng.normal(0, 0.2, 3000), 0, 1).round(1)
    return c, (rng.random(3000) < c**1.5).astype(float)


@pytest.mark.parametrize("soft", [False, True])
def test_relplot(soft):
    metrics = pytest.importorskip("relplot.metrics")
    c, s = sample(soft=soft)
    assert ece(c, s, bins=15) == pytest.approx(metrics.binnedECE(c, s, nbins=15), abs=1e-12)
    ours = smooth_ece(c, s)
    assert ours == pytest.approx(metrics.smECE(c, s), abs=1e-3)  # relplot stops at a width known to 0.001
    assert ours == pytest.approx(metrics.smECE_sigma(c, s, ours), abs=1e-3)


def test_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    isotonic = pytest.importorskip("sklearn.isotonic")
    linear = pytest.importorskip("sklearn.linear_model")
    c, s = sample(soft=False)
    assert auroc(c, s) == pytest.approx(metrics.roc_auc_score(s, c), abs=1e-12)
    assert brier(c, s) == pytest.approx(metrics.brier_score_loss(s, c), abs=1e-12)
    assert cross_entropy(c, s) == pytest.approx(metrics.log_loss(s, c), abs=1e-9)
    model = linear.LogisticRegression(C=1e10).fit(logit(c)[:, None], s)
    ours = fit_calibrator(c, s).pooled.parameters()
    assert ours["slope"] == pytest.approx(model.coef_[0, 0], abs=2e-3)
    assert ours["intercept"] == pytest.approx(model.intercept_[0], abs=2e-3)
    for soft in (False, True):
        c, s = sample(soft=soft)
        order = np.argsort(c)
        value, _, start = pool_adjacent_violators(s[order], np.ones(3000))
        theirs = isotonic.IsotonicRegression().fit(c, s).predict(c[order])
        np.testing.assert_allclose(np.repeat(value, np.diff(np.append(start, 3000))), theirs, atol=1e-9)


def test_mapie():
    calibration = pytest.importorskip("mapie.metrics.calibration")
    c, s = sample(soft=False)
    # MAPIE's num_bins counts borders: 11 borders make 10 bins
    assert ece(c, s) == pytest.approx(calibration.expected_calibration_error(s.astype(int), c, num_bins=11), abs=1e-9)


def test_netcal():
    metrics = pytest.importorskip("netcal.metrics")
    scaling = pytest.importorskip("netcal.scaling")
    c, s = sample(soft=False)
    right = s.astype(int)
    assert ece(c, s, bins=15) == pytest.approx(metrics.ECE(15).measure(c, right), abs=1e-12)
    assert mce(c, s) == pytest.approx(metrics.MCE(10).measure(c, right), abs=1e-12)
    edge = np.repeat([0.95, 1.0], 1000), np.repeat([1, 1, 0], [1000, 900, 100])
    assert ece(*edge) == pytest.approx(metrics.ECE(10).measure(*edge), abs=1e-12)  # 1.0 shares the last bin
    oracles = {"temperature": "TemperatureScaling", "platt": "LogisticCalibration", "beta": "BetaCalibration"}
    for method, oracle in oracles.items():
        theirs = getattr(scaling, oracle)()
        theirs.fit(c, right)
        np.testing.assert_allclose(fit_calibrator(c, s, method=method).predict(c), theirs.transform(c), atol=2e-4)
