"""The report as a page of the kit: sections in order of importance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from qa_contract.pages import (
    LABEL_TONES,
    Axis,
    Cell,
    Column,
    Columns,
    Note,
    Section,
    Table,
    line_chart,
    number_cell,
    percent_axis,
    reliability_diagram,
    share_bars,
)
from qa_contract.pages.text import number, number_interval

from qa_confidence.drift import GroupDrift, RefitVerdict
from qa_confidence.metrics import Estimate
from qa_confidence.report.analysis import Analysis

METRIC_NOTES = {
    "ece": "10 equal-width bins, last one closed",
    "debiased_ece": "ece less what noise adds",
    "adaptive_ece": "10 equal-mass bins, ties together",
    "smooth_ece": "reflected Gaussian kernel",
    "mce": "largest bin gap",
    "brier": "mean squared error",
    "cross_entropy": "nats",
    "auroc": "of score >= 0.5; higher is better",
    "aurc": "area under risk-coverage",
    "e_aurc": "aurc less the best order's",
    "augrc": "generalised risk",
    "coverage_at_risk_0.05": "share kept at mean loss 0.05; higher is better",
    "coverage_at_risk_0.1": "share kept at mean loss 0.1; higher is better",
    "coverage_at_risk_0.2": "share kept at mean loss 0.2; higher is better",
}
OFFENDER_TEXTS = {"question": "question", "ground_truth": "truth", "completion": "answer"}
"""Columns that word the worst offenders, with their headings."""


def sections(analysis: Analysis, *, notes: Sequence[str]) -> list[Section]:
    """Lay the figures out in order of importance."""
    parts = [_summary(analysis, notes), _reliability(analysis)]
    if analysis.methods:
        parts.append(_methods(analysis))
    parts += [_groups(analysis), _risk(analysis), _labels(analysis)]
    if analysis.drift:
        texts = [] if analysis.verdict is None else [verdict_text(analysis.verdict)]
        parts.append(Section("Drift since the round before", [*texts, drift_table(analysis.drift)]))
    parts.append(_offenders(analysis.offenders))
    return parts


def estimate_cell(estimate: Estimate) -> Cell:
    """Make the cell of a value with its interval."""
    return number_cell(estimate.value, estimate.low, estimate.high)


def verdict_text(verdict: RefitVerdict) -> str:
    """Say whether to fit again."""
    advice = {True: "Refit.", False: "Keep the calibrator.", None: "Too few scenes to say."}[verdict.refit]
    gain = number_interval(verdict.gain.value, verdict.gain.low, verdict.gain.high)
    return f"{advice} Cross-entropy of the old map less that of a refitted one on held-out scenes: {gain}."


def drift_table(groups: Sequence[GroupDrift]) -> Table:
    """Lay out the comparison of two rounds."""
    columns = ["group", "answers", "confidence", "score", "gap before", "gap after", "ece", "anchors", "PSI", "KS"]
    rows = [
        [
            group.group,
            _change(*group.n, digits=0),
            _change(*group.mean_confidence),
            _change(*group.mean_score),
            estimate_cell(group.gap[0]),
            estimate_cell(group.gap[1]),
            _change(*group.ece),
            group.anchors,
            group.psi,
            group.ks,
        ]
        for group in groups
    ]
    return Table(columns, rows)


def _summary(analysis: Analysis, notes: Sequence[str]) -> Section:
    after = analysis.after
    columns = ["metric", "before", *(["after"] if after else []), "constant", Column("meaning", "prose")]
    rows = [
        [
            name,
            estimate_cell(before),
            *([] if after is None else [estimate_cell(after[name])]),
            analysis.constant[name],
            METRIC_NOTES[name],
        ]
        for name, before in analysis.before.items()
    ]
    text = (
        f"{analysis.n} answers about {analysis.n_scenes} scenes. Below each value its 95% percentile interval over "
        "resampled scenes. 'before' is the identity, 'constant' gives every answer the mean score: it is calibrated "
        "and useless, so read calibration together with AUROC."
    )
    return Section("Before and after", [text, *map(Note, notes), Table(columns, rows)])


def _reliability(analysis: Analysis) -> Section:
    text = (
        "Line: kernel estimate of the mean score with its pointwise 95% band over scenes. Bins: ten, area by rows. "
        "Grey bars: how many answers have which confidence."
    )
    charts = [reliability_diagram(data, title=name).figure() for name, data in analysis.reliability]
    return Section("Reliability", [Note(text), Columns(charts)])


def _methods(analysis: Analysis) -> Section:
    names = list(next(iter(analysis.methods.values())))
    rows = [[method, *(estimate_cell(values[name]) for name in names)] for method, values in analysis.methods.items()]
    text = "Every method fitted on this table's fit scenes with the calibrator's grouping, measured on the rows above."
    return Section("Calibration methods", [Note(text), Table(["method", *names], rows)])


def _groups(analysis: Analysis) -> Section:
    is_mapped = analysis.after is not None
    errors = ["ece before", "ece after"] if is_mapped else ["ece"]
    rows = [
        [
            group.name,
            group.n,
            group.n_scenes,
            group.mean_score,
            estimate_cell(group.before),
            *([estimate_cell(group.after)] if is_mapped else []),
            group.auroc,
        ]
        for group in analysis.groups
    ]
    charts = [
        reliability_diagram(group.chart, title=f"{group.name} (n = {group.n:,})").figure() for group in analysis.groups
    ]
    text = "The charts show the confidence after calibration." if is_mapped else "The charts show the confidence."
    columns = ["question type", "answers", "scenes", "mean score", *errors, "auroc"]
    return Section("Question types", [Table(columns, rows), Note(text), Columns(charts)])


def _risk(analysis: Analysis) -> Section:
    highest = max(float(np.max(line.y, initial=0.0)) for line in analysis.risk)
    top = max(math.ceil(highest * 10) / 10, 0.1)
    chart = line_chart(
        analysis.risk,
        title="risk by coverage",
        x=percent_axis("share of answers kept"),
        y=Axis("mean loss", low=0.0, high=top),
    )
    text = "Keeping only the most confident answers: mean loss (1 - score) of what is kept."
    return Section("Risk and coverage", [Note(text), chart.figure()])


def _labels(analysis: Analysis) -> Section:
    tones = {kind: LABEL_TONES[kind] for kind in ("easy", "frontier", "hard")}
    rows = [
        [figures.profile, *(Cell(figures.n[kind], note=number(figures.mean_score[kind])) for kind in tones)]
        for figures in analysis.labels
    ]
    texts = ["Answers per label, and below their mean score."]
    if analysis.certificate is not None:
        texts.append(f"risk-control: {analysis.certificate.describe()}.")
    chart = share_bars({one.profile: one.n for one in analysis.labels}, tones=tones, title="labels by profile")
    return Section("Difficulty labels", [*map(Note, texts), Table(["profile", *tones], rows), chart.figure()])


def _offenders(rows: pl.DataFrame) -> Section:
    worded = [name for name in OFFENDER_TEXTS if name in rows.columns]
    columns = [
        *(Column(name, "text") for name in ("question id", "scene", "type")),
        *("confidence", "score"),
        *(Column(OFFENDER_TEXTS[name], "prose") for name in worded),
    ]
    identity = ("question_id", "scene_name", "question_type", "confidence", "score")
    table = [[row[name] for name in (*identity, *worded)] for row in rows.iter_rows(named=True)]
    text = "Answers whose confidence exceeds their score the most."
    return Section("Worst offenders", [Note(text), Table(columns, table)])


def _change(before: float, after: float, *, digits: int = 3) -> Cell:
    return Cell(after, f"{number(before, digits)} → {number(after, digits)}")
