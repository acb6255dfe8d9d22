"""Choose the rows of a report, compute it, and write it as text."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace

import polars as pl
from qa_contract.pages import Page, to_markdown

from qa_confidence.calibrating import degenerate, part_of_rows, scored_pairs, target_of
from qa_confidence.calibrators import Calibrator
from qa_confidence.errors import QAConfidenceError
from qa_confidence.labelling import OWN_ANSWER
from qa_confidence.metrics.bootstrap import MAX_CLUSTERS
from qa_confidence.metrics.cells import MAX_RANK_CELLS
from qa_confidence.report.analysis import Analysis, analyse
from qa_confidence.report.page import sections
from qa_confidence.target import target_text

TITLE = "Calibration report"
IN_SAMPLE = "In-sample: the calibrator was fitted on some of these rows, so the figures after calibration flatter it."


@dataclass(frozen=True)
class Texts:
    """Tables that give the worst offenders their wording."""

    questions: pl.DataFrame | None = None
    predictions: pl.DataFrame | None = None


@dataclass(frozen=True)
class Report:
    """A finished report."""

    html: str
    markdown: str
    metrics: str
    n: int


def build_report(
    confidence: pl.DataFrame,
    *,
    calibrator: Calibrator | None = None,
    column: str | None = None,
    previous: pl.DataFrame | None = None,
    texts: Texts = Texts(),
    allow_in_sample: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> Report:
    """Report on the scenes that the calibrator was not fitted on.

    Raises
    ------
    QAConfidenceError
        No scene was kept for the report and `allow_in_sample` is false, or the column is not the calibrator's.
    """
    fitted_on = None if calibrator is None else str(calibrator.context.get("input"))
    if column is not None and fitted_on is not None and column != fitted_on:
        raise QAConfidenceError(f"The calibrator reads {fitted_on}, not {column}.")
    used = column or fitted_on or "raw_confidence"
    target = target_of(calibrator)
    pairs = scored_pairs(confidence, column=used, target=target)
    fit_pairs, notes = None, [f"Confidence: {used}. Target: {target_text(target)}."]
    if calibrator is not None:
        part = part_of_rows(pairs, calibrator)
        if not allow_in_sample:
            fit_pairs = pairs.filter(part == "fit")
            pairs = pairs.filter(part == "report")
            notes.append("Only scenes of part 'report' are shown; the fit and the thresholds used others.")
        if pairs.is_empty():
            raise QAConfidenceError(
                "No scene was kept for the report. Fit with a part for it (--split 0.5,0.2,0.3), report on other "
                "predictions, or pass --allow-in-sample."
            )
    notes += degenerate(pairs)
    if pairs["value"].n_unique() > MAX_RANK_CELLS:
        notes.append(f"Intervals of ranking metrics tell {MAX_RANK_CELLS} ranks apart; the values tell all apart.")
    if pairs["scene_name"].n_unique() > MAX_CLUSTERS:
        notes.append(f"Scenes are resampled in {MAX_CLUSTERS} random bundles.")
    analysis = analyse(
        pairs,
        calibrator=calibrator,
        fit_pairs=fit_pairs,
        previous=None if previous is None else scored_pairs(previous, column=used, target=target),
        questions=texts.questions,
        resamples=resamples,
        seed=seed,
    )
    analysis = replace(analysis, offenders=_worded(analysis.offenders, texts))
    rounds = ", ".join(map(str, pairs["round"].unique().sort()))
    subtitle = f"round {rounds}"
    if calibrator is not None:
        subtitle += f", {calibrator.method} by {calibrator.context['grouping']}, calibrator {calibrator.id}"
    warning = IN_SAMPLE if calibrator is not None and allow_in_sample else None
    page = Page(TITLE, sections(analysis, notes=notes), subtitle, warnings=[] if warning is None else [warning])
    return Report(
        html=page.html(),
        markdown=to_markdown(page),
        metrics=_metrics(analysis, in_sample=warning is not None),
        n=analysis.n,
    )


def _worded(offenders: pl.DataFrame, texts: Texts) -> pl.DataFrame:
    """Add question, truth and answer to the few rows that are shown."""
    if texts.questions is not None:
        wording = texts.questions.select("question_id", "question", "ground_truth").unique("question_id", keep="first")
        offenders = offenders.join(wording, on="question_id", how="left", maintain_order="left")
    if texts.predictions is not None:
        own = texts.predictions.filter(pl.col("phase").is_in(OWN_ANSWER))
        answers = own.select("question_id", "round", "completion").unique(["question_id", "round"], keep="first")
        offenders = offenders.join(answers, on=["question_id", "round"], how="left", maintain_order="left")
    return offenders


def _metrics(analysis: Analysis, *, in_sample: bool) -> str:
    """Write the figures as JSON."""
    value = {
        "n": analysis.n,
        "n_scenes": analysis.n_scenes,
        "in_sample": in_sample,
        "before": {name: asdict(estimate) for name, estimate in analysis.before.items()},
        "after": {name: asdict(estimate) for name, estimate in (analysis.after or {}).items()},
        "constant": analysis.constant,
        "methods": {m: {name: asdict(e) for name, e in row.items()} for m, row in analysis.methods.items()},
        "groups": {
            g.name: {"n": g.n, "ece_before": asdict(g.before), "ece_after": asdict(g.after), "auroc": g.auroc}
            for g in analysis.groups
        },
        "labels": [asdict(figures) for figures in analysis.labels],
        "risk_control": None if analysis.certificate is None else asdict(analysis.certificate),
        "drift": [asdict(group) for group in analysis.drift],
        "refit": None if analysis.verdict is None else asdict(analysis.verdict),
    }
    return json_text(value)


def json_text(value: object) -> str:
    """Write JSON with null for NaN."""
    return json.dumps(_finite(value), indent=1, sort_keys=True) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
