"""Two rounds side by side, for the terminal."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import polars as pl
from qa_contract.pages import Page, Section, to_markdown
from qa_contract.pages.text import number_interval

from qa_confidence.calibrating import group_names, scored_pairs, target_of
from qa_confidence.calibrators import Calibrator
from qa_confidence.drift import drift, order_bias, refit_verdict
from qa_confidence.errors import QAConfidenceError
from qa_confidence.labelling import TRAIN
from qa_confidence.report.build import json_text
from qa_confidence.report.page import drift_table, verdict_text
from qa_confidence.target import target_text


@dataclass(frozen=True)
class Comparison:
    """The comparison as text."""

    markdown: str
    json: str


def compare_rounds(
    before: pl.DataFrame,
    after: pl.DataFrame,
    *,
    calibrator: Calibrator | None,
    questions: pl.DataFrame | None,
    resamples: int,
    seed: int,
) -> Comparison:
    """Compare confidence and score of two rounds per question type."""
    column = "raw_confidence" if calibrator is None else str(calibrator.context.get("input"))
    target = target_of(calibrator)
    first, second = (scored_pairs(frame, column=column, target=target) for frame in (before, after))
    groups = drift(first, second, resamples=resamples, seed=seed)
    texts, verdict = [], None
    if calibrator is not None:
        verdict = refit_verdict(
            calibrator,
            second["value"].to_numpy(),
            second["score"].to_numpy(),
            cluster=second["scene_name"].to_numpy(),
            group=group_names(second, calibrator.context["grouping"], questions),
            resamples=resamples,
            seed=seed,
        )
        texts.append(verdict_text(verdict))
    page = Page(
        "Two rounds", [Section("Drift", [*texts, drift_table(groups)])], f"{column}, target: {target_text(target)}"
    )
    value = {"drift": [asdict(group) for group in groups], "refit": None if verdict is None else asdict(verdict)}
    return Comparison(to_markdown(page), json_text(value))


def compare_order(
    training: pl.DataFrame, frozen: pl.DataFrame, steps: pl.DataFrame, *, resamples: int, seed: int
) -> Comparison:
    """Measure order bias between training-time and frozen likelihood of the same ground truths."""
    key = ["question_id", "round"]
    first_step = steps.filter(pl.col("phase") == TRAIN).group_by(key).agg(pl.col("step").min())
    timed = training.filter(pl.col("gold_confidence").is_not_null()).join(first_step, on=key, maintain_order="left")
    still = frozen.filter(pl.col("gold_confidence").is_not_null()).select("question_id", frozen="gold_confidence")
    first = still.unique("question_id", keep="first", maintain_order=True)
    rows = timed.join(first, on="question_id", maintain_order="left")
    if rows.is_empty():
        raise QAConfidenceError(
            "No question has a training step, a training-time gold_confidence and one of the frozen pass."
        )
    result = order_bias(
        rows["step"].to_numpy(),
        rows["gold_confidence"].to_numpy(),
        rows["frozen"].to_numpy(),
        cluster=rows["scene_name"].to_numpy(),
        resamples=resamples,
        seed=seed,
    )
    found = result.slope_per_100_steps
    slope = number_interval(found.value, found.low, found.high)
    text = (
        f"{result.n} questions: training-time less frozen confidence is {result.mean_difference:.4f} on average and "
        f"changes by {slope} per 100 steps."
    )
    page = Page("Order bias", [Section("Slope", [text])], "gold_confidence")
    return Comparison(to_markdown(page), json_text(asdict(result)))
