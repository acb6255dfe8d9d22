"""A clean pass to rows of `confidence`: what the model is expected to score, with and without frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from qa_contract.tableio import with_every_column
from qa_contract.tables import CONFIDENCE

from qa_confidence.calibrating import suspects
from qa_confidence.calibrators import DEFAULT, Calibrator
from qa_confidence.difficulty import WRONG_BELOW, threshold_labels
from qa_confidence.errors import QAConfidenceError
from qa_confidence.labelling import OWN_ANSWER, TRAIN, reject_rows
from qa_confidence.signal.chance import chance, corrected
from qa_confidence.signal.crossfit import cross_fit
from qa_confidence.signal.scenes import scene_evidence

PROFILE = "calibrated"

REASONS = {
    "unknown_question": "the question is not in the questions table",
    "no_score": "the answer has no score",
}
"""Reject codes of `signal` and what they mean."""

ABOUT = ("question_id", "answer_type", "options", "cell")
"""Columns of `questions` that are needed."""


@dataclass(frozen=True)
class Signal:
    """The outcome of `signal_rows`.

    Attributes
    ----------
    confidence, rejects : DataFrame
        Rows of the tables of those names.
    calibrator : Calibrator
        Of the answers with frames, fitted on all rows.
    """

    confidence: pl.DataFrame
    rejects: pl.DataFrame
    calibrator: Calibrator


def signal_rows(
    clean: pl.DataFrame,
    questions: pl.DataFrame,
    *,
    blind: pl.DataFrame | None = None,
    panel: pl.Series | None = None,
    previous: pl.DataFrame | None = None,
    method: str = DEFAULT,
    seed: int = 0,
) -> Signal:
    """Turn the answers of one frozen model into expected scores, headroom and labels.

    Parameters
    ----------
    clean : DataFrame
        Rows of `confidence` with the model's own answers and their scores.
    questions : DataFrame
        The columns `ABOUT` of all that was asked.
    blind : DataFrame, optional
        The same model's answers to the same questions without frames, likewise.
    panel : Series of str, optional
        Question ids of the panel.
    previous : DataFrame, optional
        `confidence` of the signals of earlier rounds, that of the round before among them: answers that are sure and
        wrong in both rounds are suspect, and so are those below 0.5 about scenes that all rounds together name.
    method : str
        A name in `CALIBRATORS`.
    seed : int

    Raises
    ------
    QAConfidenceError
        No answer can be used, or the rounds are not consecutive.
    """
    rows, rejects = _usable(clean, questions)
    fitted = cross_fit(rows, method=method, seed=seed)
    rows = rows.with_columns(
        confidence=pl.Series(fitted.expected, dtype=pl.Float64),
        calibrator_id=pl.lit(fitted.calibrator.id),
        group=fitted.group,
        profile=pl.lit(PROFILE),
        panel=pl.col("question_id").is_in(panel.implode()) if panel is not None else pl.lit(False),
    ).with_columns(corrected=corrected("confidence"))
    if blind is not None:
        rows = _with_blind(rows, _usable(blind, questions)[0], method, seed)
    rows = rows.with_columns(label=labels(rows))
    if previous is not None:
        sure = pl.col("question_id").is_in(suspects(rows, previous).implode())
        scenes = scene_evidence([previous, rows]).select("scene_name", scene_doubt="doubt", scene_suspect="suspect")
        rows = rows.drop("scene_doubt", "scene_suspect", strict=False)
        rows = rows.join(scenes, on="scene_name", how="left", maintain_order="left")
        wrong = pl.col("scene_suspect") & (pl.col("score") < WRONG_BELOW)
        rows = rows.with_columns(label=pl.when(sure | wrong).then(pl.lit("suspect")).otherwise("label"))
    return Signal(with_every_column(rows, CONFIDENCE), rejects, fitted.calibrator)


def expected_of_training(
    trained: pl.DataFrame,
    signal: pl.DataFrame,
    questions: pl.DataFrame,
    *,
    method: str = DEFAULT,
    seed: int = 0,
) -> tuple[pl.DataFrame, Calibrator]:
    """Fill the expected score of every row that was trained on, from the likelihood of its ground truth.

    The map from `gold_confidence` to the score of the model's own answer is learned from the questions that are in
    both: trained on in this round and answered in its clean pass, by the model as it was before it saw them.

    Parameters
    ----------
    trained : DataFrame
        Rows of `confidence`, phase train.
    signal : DataFrame
        `confidence` of the signal of the same round.
    questions : DataFrame
        The columns `ABOUT` of what was trained on.

    Raises
    ------
    QAConfidenceError
        No question is in both.
    """
    scores = signal.filter(pl.col("score").is_not_null()).select("question_id", "round", "score")
    rows = trained.filter(pl.col("phase") == TRAIN).drop("score", "chance", "cell", strict=False)
    rows = rows.join(scores, on=["question_id", "round"], how="left", maintain_order="left")
    if rows["score"].null_count() == len(rows):
        raise QAConfidenceError(
            "No question was both trained on and answered in the clean pass of its round, so nothing says what a "
            "likelihood of the ground truth is worth. Let the clean pass answer a sample of the round's questions."
        )
    rows = rows.join(_about(questions), on="question_id", how="left", maintain_order="left")
    fitted = cross_fit(rows, column="gold_confidence", method=method, seed=seed)
    rows = rows.with_columns(
        confidence=pl.Series(fitted.expected, dtype=pl.Float64),
        calibrator_id=pl.lit(fitted.calibrator.id),
        group=fitted.group,
        profile=pl.lit(PROFILE),
        score=pl.lit(None, pl.Float64),  # of an answer, which a training row is not
        panel=pl.lit(False),
        chance=pl.col("chance").fill_null(0.0),
    ).with_columns(corrected=corrected("confidence"))
    rows = rows.with_columns(label=labels(rows))
    return with_every_column(rows, CONFIDENCE), fitted.calibrator


def labels(rows: pl.DataFrame) -> pl.Series:
    """Cut the corrected confidence at the published thresholds: above 0.9 easy, below 0.1 hard."""
    return pl.Series(threshold_labels(rows["corrected"].to_numpy()).tolist(), dtype=pl.String)


def _about(questions: pl.DataFrame) -> pl.DataFrame:
    """Say of every question what a guess scores and which cell it is of."""
    about = questions.select(ABOUT).unique("question_id", keep="first", maintain_order=True)
    return about.select("question_id", "cell", chance())


def _usable(answers: pl.DataFrame, questions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep scored answers to known questions; the others are rejects."""
    own = answers.filter(pl.col("phase").is_in(OWN_ANSWER)).drop("chance", "cell", strict=False).with_row_index("row")
    known = own.join(_about(questions), on="question_id", how="left", maintain_order="left").with_columns(
        reason=pl.when(pl.col("chance").is_null())
        .then(pl.lit("unknown_question"))
        .when(pl.col("score").is_null())
        .then(pl.lit("no_score"))
    )
    bad = reject_rows(known.filter(pl.col("reason").is_not_null()), stage="signal", reasons=REASONS)
    good = known.filter(pl.col("reason").is_null()).drop("row", "reason")
    if good.is_empty():
        counts = ", ".join(f"{reason} {n}" for reason, n in bad["reason"].value_counts(sort=True).iter_rows())
        raise QAConfidenceError(f"The clean pass has no answer to learn from ({counts or 'no rows'}).")
    twice = good.filter(good["question_id"].is_duplicated())
    if len(twice):
        raise QAConfidenceError(f"Question {twice['question_id'][0]} has several answers; pass one clean pass.")
    return good, bad


def _with_blind(rows: pl.DataFrame, blind: pl.DataFrame, method: str, seed: int) -> pl.DataFrame:
    """Attach what the model is expected to score without frames."""
    expected = cross_fit(blind, method=method, seed=seed).expected
    beside = blind.select(
        "question_id",
        blind_confidence=pl.Series(np.asarray(expected), dtype=pl.Float64),
        blind_score=pl.col("score"),
    )
    joined = rows.drop("blind_confidence", "blind_score", strict=False).join(
        beside, on="question_id", how="left", maintain_order="left"
    )
    return joined.with_columns(headroom=pl.col("corrected") - corrected("blind_confidence"))
