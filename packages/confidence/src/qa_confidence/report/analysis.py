"""The figures of a report, computed from pairs of confidence and score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from qa_contract.pages import Reliability, Series

from qa_confidence.arrays import Floats, check_rows
from qa_confidence.calibrating import column_labels, group_names
from qa_confidence.calibrators import CALIBRATORS, Calibrator, fit_calibrator
from qa_confidence.difficulty import LABELS, Certificate, quantile_labels, threshold_labels
from qa_confidence.drift import GroupDrift, RefitVerdict, drift, refit_verdict
from qa_confidence.metrics import METRICS, Estimate, reliability_bins, risk_coverage, smooth_curve
from qa_confidence.metrics.bootstrap import ClusterBootstrap, Evaluator
from qa_confidence.metrics.smooth_ece import curves

SHOWN_METRICS = (
    "ece",
    "debiased_ece",
    "adaptive_ece",
    "smooth_ece",
    "mce",
    "brier",
    "cross_entropy",
    "auroc",
    "aurc",
    "e_aurc",
    "augrc",
    "coverage_at_risk_0.05",
    "coverage_at_risk_0.1",
    "coverage_at_risk_0.2",
)
METHOD_METRICS = ("ece", "smooth_ece", "brier", "cross_entropy", "auroc")
OFFENDERS = 12
HISTOGRAM = 40
BAND_RESAMPLES = 300


@dataclass(frozen=True)
class GroupFigures:
    """Figures of one question type."""

    name: str
    n: int
    n_scenes: int
    mean_score: float
    before: Estimate
    after: Estimate
    auroc: float
    chart: Reliability


@dataclass(frozen=True)
class LabelFigures:
    """Rows and mean score per label under one profile."""

    profile: str
    n: dict[str, int]
    mean_score: dict[str, float]


@dataclass(frozen=True)
class Analysis:
    """All figures of a report.

    Attributes
    ----------
    n, n_scenes : int
    before, after : dict of str to Estimate
        Metrics of the uncalibrated and the calibrated confidence.
    constant : dict of str to float
        Metrics of the mean score given as everyone's confidence.
    methods : dict of str to dict of str to Estimate
        Held-out metrics of every calibration method, fitted on the rows that the calibrator was fitted on.
    """

    n: int
    n_scenes: int
    before: dict[str, Estimate]
    after: dict[str, Estimate] | None
    constant: dict[str, float]
    methods: dict[str, dict[str, Estimate]]
    reliability: list[tuple[str, Reliability]]
    groups: list[GroupFigures]
    risk: list[Series]
    labels: list[LabelFigures]
    certificate: Certificate | None
    drift: list[GroupDrift]
    verdict: RefitVerdict | None
    offenders: pl.DataFrame


def analyse(
    pairs: pl.DataFrame,
    *,
    calibrator: Calibrator | None = None,
    fit_pairs: pl.DataFrame | None = None,
    previous: pl.DataFrame | None = None,
    questions: pl.DataFrame | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Analysis:
    """Compute every figure of the report.

    Parameters
    ----------
    pairs : DataFrame
        Rows to report on: question_id, scene_name, question_type, round, value, score.
    calibrator : Calibrator, optional
        Applied to `value`; without it the report has no "after".
    fit_pairs : DataFrame, optional
        Rows that the calibrator was fitted on; every method is fitted on them for comparison.
    previous : DataFrame, optional
        Pairs of the round before, for drift.
    questions : DataFrame, optional
        For groupings by answer type.
    """
    value, score = pairs["value"].to_numpy(), pairs["score"].to_numpy()
    scene = column_labels(pairs["scene_name"])
    boot = ClusterBootstrap(scene, n=len(pairs), resamples=resamples, seed=seed)
    grouping = "none" if calibrator is None else calibrator.context.get("grouping", "none")
    group = group_names(pairs, grouping, questions)
    mapped = None if calibrator is None else calibrator.predict(value, group=group)
    best = value if mapped is None else mapped
    constant = check_rows(np.full(len(score), score.mean()), score)
    lines = [_risk_line("before", value, score, "s1")]
    lines += [] if mapped is None else [_risk_line("after", mapped, score, "s0")]
    lines.append(_risk_line("best order", score, score, "muted"))
    figures = [("before calibration", reliability(value, score, boot))]
    if mapped is not None:
        figures.append(("after calibration", reliability(mapped, score, boot)))
    before = _estimates(value, score, boot, SHOWN_METRICS)
    after = None if mapped is None else _estimates(mapped, score, boot, SHOWN_METRICS)
    known = [(value, before), *([] if mapped is None or after is None else [(mapped, after)])]
    return Analysis(
        n=len(pairs),
        n_scenes=boot.n_found,
        before=before,
        after=after,
        constant={name: METRICS[name].of(constant) for name in SHOWN_METRICS},
        methods=_methods(pairs, fit_pairs, grouping, questions, boot, known=known, seed=seed),
        reliability=figures,
        groups=_groups(pairs, value, best, resamples=resamples, seed=seed),
        risk=lines,
        labels=_labels(pairs, value, mapped, _certificate(calibrator)),
        certificate=_certificate(calibrator),
        drift=[] if previous is None else drift(previous, pairs, resamples=resamples, seed=seed),
        verdict=None
        if previous is None or calibrator is None
        else refit_verdict(calibrator, value, score, cluster=scene, group=group, resamples=resamples, seed=seed),
        offenders=worst_offenders(pairs, best),
    )


def reliability(confidence: Floats, score: Floats, boot: ClusterBootstrap) -> Reliability:
    """Compute a reliability diagram; the band is pointwise over resampled scenes."""
    bins = reliability_bins(confidence, score)
    curve = smooth_curve(confidence, score)
    low = high = np.full(len(curve.score), np.nan)
    if boot.n_clusters > 1:
        sampled = curves(confidence, score, boot.codes, boot.draws[:BAND_RESAMPLES], width=curve.width)
        shown = np.isfinite(curve.score) & np.isfinite(sampled).all(axis=0)
        low, high = np.full((2, len(shown)), np.nan)
        low[shown], high[shown] = np.quantile(sampled[:, shown], [0.025, 0.975], axis=0)
    codes = np.minimum((confidence * HISTOGRAM).astype(np.int64), HISTOGRAM - 1)
    histogram = np.bincount(codes, minlength=HISTOGRAM) / len(confidence)
    return Reliability(bins.confidence, bins.score, bins.n, curve.confidence, curve.score, low, high, histogram)


def worst_offenders(pairs: pl.DataFrame, confidence: Floats) -> pl.DataFrame:
    """Rows with the largest confidence less score, ties by question id."""
    frame = pairs.with_columns(confidence=pl.Series(confidence))
    return (
        frame.with_columns(excess=pl.col("confidence") - pl.col("score"))
        .top_k(OFFENDERS * 20, by="excess")
        .sort(["excess", "question_id"], descending=[True, False])
        .head(OFFENDERS)
    )


def _estimates(confidence: Floats, score: Floats, boot: ClusterBootstrap, names: Sequence[str]) -> dict[str, Estimate]:
    evaluator = Evaluator(check_rows(confidence, score), boot)
    return {name: evaluator.estimate(METRICS[name]) for name in names}


def _methods(
    pairs: pl.DataFrame,
    fit_pairs: pl.DataFrame | None,
    grouping: str,
    questions: pl.DataFrame | None,
    boot: ClusterBootstrap,
    *,
    known: list[tuple[Floats, dict[str, Estimate]]],
    seed: int,
) -> dict[str, dict[str, Estimate]]:
    """Fit every method on the fit rows and measure it on the rows reported on; `known` maps are measured already."""
    if fit_pairs is None or fit_pairs.is_empty():
        return {}
    result = {}
    train, test = group_names(fit_pairs, grouping, questions), group_names(pairs, grouping, questions)
    scene = column_labels(fit_pairs["scene_name"])
    for method in CALIBRATORS:
        fitted = fit_calibrator(
            fit_pairs["value"].to_numpy(),
            fit_pairs["score"].to_numpy(),
            method=method,
            group=train,
            cluster=scene,
            seed=seed,
        )
        mapped = fitted.predict(pairs["value"].to_numpy(), group=test)
        measured = next((figures for values, figures in known if np.array_equal(values, mapped)), None)
        if measured is None:
            measured = _estimates(mapped, pairs["score"].to_numpy(), boot, METHOD_METRICS)
        result[method] = {name: measured[name] for name in METHOD_METRICS}
    return result


def _groups(pairs: pl.DataFrame, value: Floats, best: Floats, *, resamples: int, seed: int) -> list[GroupFigures]:
    figures = []
    types, scene = column_labels(pairs["question_type"]), column_labels(pairs["scene_name"])
    scores = pairs["score"].to_numpy()
    for i, name in enumerate(types.names):
        here = np.flatnonzero(types.code == i)
        score = scores[here]
        boot = ClusterBootstrap(scene.take(here), n=len(here), resamples=resamples, seed=seed)
        before, after = (Evaluator(check_rows(c[here], score), boot) for c in (value, best))
        figures.append(
            GroupFigures(
                name=name,
                n=len(here),
                n_scenes=boot.n_found,
                mean_score=float(score.mean()),
                before=before.estimate(METRICS["ece"]),
                after=after.estimate(METRICS["ece"]),
                auroc=after.value(METRICS["auroc"]),
                chart=reliability(best[here], score, boot),
            )
        )
    return figures


def _risk_line(label: str, confidence: Floats, score: Floats, tone: str) -> Series:
    curve = risk_coverage(confidence, score, points=200)
    return Series(label, curve.coverage, curve.risk, tone=tone)


def _certificate(calibrator: Calibrator | None) -> Certificate | None:
    stored = None if calibrator is None else calibrator.context.get("risk_control")
    return None if stored is None else Certificate(**stored)


def _labels(
    pairs: pl.DataFrame, value: Floats, mapped: Floats | None, certificate: Certificate | None
) -> list[LabelFigures]:
    score = pairs["score"].to_numpy()
    best = value if mapped is None else mapped
    sets = {
        "paper": threshold_labels(value),
        "quantile": quantile_labels(best, group=column_labels(pairs["question_type"])),
    }
    if mapped is not None:
        sets["calibrated-paper"] = threshold_labels(mapped)
        if certificate is not None:
            sets["risk-control"] = certificate.labels(mapped)
    figures = []
    for profile, labels in sets.items():
        inside = {name: labels == name for name in LABELS if name != "suspect"}
        n = {name: int(rows.sum()) for name, rows in inside.items()}
        means = {name: float(score[rows].mean()) if n[name] else float("nan") for name, rows in inside.items()}
        figures.append(LabelFigures(profile, n, means))
    return figures
