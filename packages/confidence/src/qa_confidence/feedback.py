"""The `confidence` table to the `feedback` table: evidence per round, scene, question type and cell."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from qa_contract.tableio import with_every_column
from qa_contract.tables import CONFIDENCE, FEEDBACK

from qa_confidence.arrays import check_unit
from qa_confidence.difficulty import LABELS
from qa_confidence.errors import InputError, QAConfidenceError
from qa_confidence.intervals import wilson_interval
from qa_confidence.labelling import OWN_ANSWER, check_present, check_scores, reject_rows

EXEMPLARS_PER_LABEL = 2
_KEY = ["round", "scene_name", "question_type", "cell"]

REASONS = {
    "unknown_question": "the question is not in the questions table",
}
"""Reject codes of `feedback` and what they mean."""


@dataclass(frozen=True)
class Feedback:
    """Rows of the `feedback` table, and of `rejects` for what could not be counted."""

    feedback: pl.DataFrame
    rejects: pl.DataFrame


def feedback_rows(
    confidence: pl.DataFrame,
    questions: pl.DataFrame,
    *,
    scores: pl.DataFrame | None = None,
    phase: str | None = None,
    signal: pl.DataFrame | None = None,
    progress: pl.DataFrame | None = None,
) -> Feedback:
    """Count labels and average confidence per round x scene x question type x cell; a null cell is a group of its own.

    `mean_confidence` is the mean of the value that the labels were cut on: `gold_confidence` for phase train, the
    model's own for the others; the calibrated one for every profile but `paper`. `ci_low` and `ci_high` are the 95%
    Wilson score interval of that mean (`wilson_interval`). `exemplars` holds up to two question ids per label, easy
    (most confident first), frontier (nearest to 0.5), hard (least confident), suspect (most confident).

    Parameters
    ----------
    confidence, questions : DataFrame
        The tables; of `questions`, question_id and cell.
    scores : DataFrame, optional
        The `scores` table of the models' own answers; overrides the score stored in `confidence`.
    phase : str, optional
        Count this phase only; needed where the table holds training rows and own answers.
    signal : DataFrame, optional
        `confidence` of signals of this round and the next. What they hold beside the rows counted, the panel and
        questions that were not trained on, is counted too, and the columns of the clean pass are their means. Default:
        the rows themselves, as far as they are a signal.
    progress : DataFrame, optional
        Of `qa_confidence.signal.progress.learning_progress`.

    Raises
    ------
    QAConfidenceError
        A row lacks its identity, has an unknown label or a confidence outside [0, 1]; the table mixes phases, a
        question is twice in `questions`, or several scores belong to one row.
    """
    rows = _one_phase(with_every_column(confidence, CONFIDENCE), phase).with_row_index("row")
    check_present(rows, ("question_id", "round", "scene_name", "question_type"))
    check_scores(rows)
    basis = rows.select(label_basis()).to_series()
    check_unit("the confidence of the label", basis.to_numpy(), ids=rows["question_id"])
    unknown = rows.filter(~pl.col("label").is_in(LABELS).fill_null(False))
    if len(unknown):
        found = unknown["label"].unique().to_list()
        ids = unknown["question_id"].head(5).to_list()
        raise InputError(f"label is none of {', '.join(LABELS)} in {len(unknown)} rows ({found}): {ids}.")
    cells = questions.select("question_id", "cell")
    twice = cells.filter(cells["question_id"].is_duplicated())
    if len(twice):
        raise QAConfidenceError(f"Questions are there twice: {twice['question_id'].unique().sort().head(5).to_list()}.")
    known = pl.lit(True).alias("known")
    asked = cells.select("question_id", known, asked_cell="cell")
    rows = rows.join(asked, on="question_id", how="left", maintain_order="left").with_columns(
        reason=pl.when(pl.col("known").is_null()).then(pl.lit("unknown_question")).otherwise(pl.lit(None, pl.String))
    )
    rejects = reject_rows(rows.filter(pl.col("reason").is_not_null()), stage="feedback", reasons=REASONS)
    # A table of a signal says itself of which cell a question is.
    rows = rows.filter(pl.col("reason").is_null()).with_columns(cell=pl.coalesce("asked_cell", "cell"))
    if scores is not None:
        rows = _with_scores(rows, scores)
    clean = rows.filter(pl.col("phase").is_in(OWN_ANSWER) & pl.col("corrected").is_not_null())
    if signal is not None:
        clean = signal.filter(pl.col("label").is_not_null())
        beside = clean.join(rows, on=["question_id", "round"], how="anti", maintain_order="left").select(
            list(CONFIDENCE)
        )
        rows = pl.concat([rows.select(list(CONFIDENCE)), beside])
    counted = _with_clean(_count(rows.with_columns(basis=label_basis())), clean, progress)
    low, high = wilson_interval(counted["mean_confidence"].to_numpy(), counted["n"].to_numpy())
    counted = counted.with_columns(ci_low=pl.Series(low, dtype=pl.Float64), ci_high=pl.Series(high, dtype=pl.Float64))
    return Feedback(counted.select(list(FEEDBACK)), rejects)


def label_basis() -> pl.Expr:
    """Give the value that a row's label was cut on: raw or gold for profile paper, else calibrated where known."""
    uncalibrated = pl.coalesce("gold_confidence", "raw_confidence")
    return pl.when(pl.col("profile") == "paper").then(uncalibrated).otherwise(pl.coalesce("confidence", uncalibrated))


def _one_phase(confidence: pl.DataFrame, phase: str | None) -> pl.DataFrame:
    """Select the rows of one phase, so that no question counts twice."""
    found = confidence["phase"].unique().sort().to_list()
    if phase is not None:
        if phase not in found:
            raise QAConfidenceError(f"No row has phase '{phase}'; found {', '.join(map(str, found)) or 'no rows'}.")
        return confidence.filter(pl.col("phase") == phase)
    if len(found) > 1:
        raise QAConfidenceError(f"The table holds the phases {', '.join(map(str, found))}; choose one with --phase.")
    return confidence


def _with_scores(rows: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """Attach the score of each question's answer in the same round; scores of several models need the model too."""
    check_scores(scores)
    own = rows["phase"].is_in(OWN_ANSWER).any()
    key = ["question_id", "round", *(["model_id"] if own else [])]
    twice = scores.filter(scores.select(pl.struct(key)).to_series().is_duplicated())
    if len(twice):
        raise QAConfidenceError(
            f"Several scores belong to one {' x '.join(key)}, first question {twice['question_id'][0]}; "
            "pass the scores of one run."
        )
    found = scores.select(*key, pl.col("score").alias("_score"))
    joined = rows.join(found, on=key, how="left", maintain_order="left")
    return joined.with_columns(score=pl.coalesce("_score", "score")).drop("_score")


def _with_clean(counted: pl.DataFrame, clean: pl.DataFrame, progress: pl.DataFrame | None) -> pl.DataFrame:
    """Attach the means of the clean pass, and the learning progress of the type and cell."""
    blind = pl.col("corrected") - pl.col("headroom")
    means = clean.group_by(_KEY).agg(
        n_clean=pl.len().cast(pl.Int64),
        mean_corrected=pl.col("corrected").mean(),
        mean_learnability=(pl.col("corrected") * (1 - pl.col("corrected"))).mean(),
        mean_blind=blind.mean(),
        mean_headroom=pl.col("headroom").mean(),
    )
    counted = counted.join(means, on=_KEY, how="left", maintain_order="left", nulls_equal=True)
    if progress is not None:
        of_cell = ["question_type", "cell"]
        counted = counted.join(progress, on=of_cell, how="left", maintain_order="left", nulls_equal=True)
    return with_every_column(counted, FEEDBACK)


def _count(rows: pl.DataFrame) -> pl.DataFrame:
    """Group by round x scene x question type x cell."""
    order = {
        "easy": -pl.col("basis"),
        "frontier": (pl.col("basis") - 0.5).abs(),
        "hard": pl.col("basis"),
        "suspect": -pl.col("basis"),
    }
    label = pl.col("label")
    exemplars = pl.concat_list(
        pl.col("question_id")
        .filter(label == name)
        .sort_by(order[name].filter(label == name), pl.col("question_id").filter(label == name))
        .head(EXEMPLARS_PER_LABEL)
        .implode()
        for name in LABELS
    )
    return (
        rows.group_by(_KEY)
        .agg(
            n=pl.len().cast(pl.Int64),
            **{f"n_{name}": (label == name).sum().cast(pl.Int64) for name in LABELS},
            mean_confidence=pl.col("basis").mean(),
            mean_score=pl.col("score").mean(),
            exemplars=exemplars,
        )
        .sort(_KEY)
    )
