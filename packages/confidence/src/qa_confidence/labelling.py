"""The `predictions` table to the `confidence` table: one score per answer, and a difficulty label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.tableio import with_every_column
from qa_contract.tables import CONFIDENCE, REJECTS

from qa_confidence.difficulty import threshold_labels
from qa_confidence.errors import InputError, QAConfidenceError, unknown_name
from qa_confidence.scores import POSITIVE_TOLERANCE, SCORES, Tokens, self_consistency

TRAIN = "train"
OWN_ANSWER = ("score", "eval")
"""Phases in which the completion is the model's own answer; in phase train it is the ground truth."""

TOKENLESS_RUNNERS = ("majority", "oracle")
"""Runners that answer without a model, so that their rows have no confidence."""

REASONS = {
    "missing_identity": "question_id, scene_name, question_type, model_id or round is null",
    "unknown_phase": "phase is none of train, score, eval",
    "no_tokens": "token_logprobs is null or empty",
    "mask_mismatch": "token_mask is null or differs in length from token_logprobs",
    "no_counted_token": "token_mask keeps no token",
    "nan_logprob": "a counted log-probability is NaN or null",
    "positive_logprob": "a counted log-probability is above 0",
    "undefined_score": "the chosen confidence score is not defined for this answer",
}
"""Reject codes of `label` and what they mean."""

READ = (
    "question_id",
    "scene_name",
    "question_type",
    "run_id",
    "model_id",
    "runner",
    "round",
    "step",
    "phase",
    "completion",
    "token_logprobs",
    "token_mask",
    "option_logprobs",
)
"""Columns of `predictions` that `label` reads; `LATER` may be absent from older files."""

LATER = ("option_logprobs",)


@dataclass(frozen=True)
class Labelled:
    """The outcome of `label_predictions`.

    Attributes
    ----------
    confidence, rejects : DataFrame
        Rows of the tables of those names.
    skipped : int
        Rows of runners without a model.
    repeated : int
        Later rows of a question that was trained on twice in one round: the model had seen it by then.
    """

    confidence: pl.DataFrame
    rejects: pl.DataFrame
    skipped: int
    repeated: int


def label_predictions(
    predictions: pl.DataFrame, *, score: str = "geometric_mean", scores: pl.DataFrame | None = None
) -> Labelled:
    """Compute the confidence of every prediction and label it by the published cuts.

    Rows of phase train get `gold_confidence`, the likelihood of the ground truth; rows of phases score and eval get
    `raw_confidence`, the probability of the model's own answer. The other column stays null: the two are never mixed.

    Parameters
    ----------
    predictions : DataFrame
        The columns `READ` of the table.
    score : str
        A name in `SCORES`, or `self_consistency`: several samples of a question in one run become one row, the first
        one's, with its agreement with the others.
    scores : DataFrame, optional
        The `scores` table; fills `score` of phases score and eval.

    Raises
    ------
    QAConfidenceError
        Unknown score, or scores that do not fit the predictions.
    """
    if score not in SCORES and score != SAMPLED:
        raise unknown_name("confidence score", score, [*SCORES, SAMPLED])
    if predictions.is_empty():
        raise QAConfidenceError("The predictions have no rows.")
    rows = predictions.with_row_index("row")
    without_tokens = pl.col("token_logprobs").list.len().fill_null(0) == 0
    without_model = pl.col("runner").is_in(TOKENLESS_RUNNERS).fill_null(False) & without_tokens
    kept = rows.filter(~without_model).with_columns(reason=_structure_reason(sampled=score == SAMPLED))
    good, repeated = _first_training(kept.filter(pl.col("reason").is_null()))
    good = _sampled(good) if score == SAMPLED else _scored(good, score)
    bad = pl.concat([frame.filter(pl.col("reason").is_not_null()).select(_BAD) for frame in (kept, good)])
    good = good.filter(pl.col("reason").is_null())
    own = pl.col("phase").is_in(OWN_ANSWER)
    good = good.with_columns(
        gold_confidence=pl.when(~own).then("value"),
        raw_confidence=pl.when(own).then("value"),
        confidence=pl.lit(None, pl.Float64),
        score=pl.lit(None, pl.Float64),
        label=pl.Series(threshold_labels(good["value"].to_numpy()).tolist(), dtype=pl.String),
        profile=pl.lit("paper"),
        calibrator_id=pl.lit(None, pl.String),
        group=pl.lit(None, pl.String),
    )
    if scores is not None:
        good = _with_scores(good, scores)
    return Labelled(
        confidence=with_every_column(good, CONFIDENCE),
        rejects=reject_rows(bad.sort("row"), stage="label", reasons=REASONS),
        skipped=len(rows) - len(kept),
        repeated=repeated,
    )


SAMPLED = "self_consistency"
"""The score that needs several samples of a question instead of tokens."""

_BAD = ("row", "question_id", "scene_name", "question_type", "reason")


def reject_rows(bad: pl.DataFrame, *, stage: str, reasons: Mapping[str, str]) -> pl.DataFrame:
    """Turn rows with the columns row, question_id, scene_name, question_type, reason into rows of `rejects`."""
    return bad.select(
        stage=pl.lit(stage),
        item=pl.coalesce("question_id", pl.format("row {}", "row")),
        scene_name="scene_name",
        question_type="question_type",
        signature=pl.lit(None, pl.String),
        reason="reason",
        detail=pl.col("reason").replace_strict(dict(reasons), return_dtype=pl.String),
    ).select(pl.col(name).cast(dtype) for name, dtype in REJECTS.items())


def _structure_reason(*, sampled: bool) -> pl.Expr:
    """Give the reject code for what is wrong with the row's columns, or null."""
    identity = ("question_id", "scene_name", "question_type", "model_id", "round")
    logprobs, mask = pl.col("token_logprobs"), pl.col("token_mask")
    reason = (
        pl.when(pl.any_horizontal(pl.col(name).is_null() for name in identity))
        .then(pl.lit("missing_identity"))
        .when(~pl.col("phase").is_in([TRAIN, *OWN_ANSWER]).fill_null(False))
        .then(pl.lit("unknown_phase"))
    )
    if not sampled:
        reason = (
            reason.when(logprobs.list.len().fill_null(0) == 0)
            .then(pl.lit("no_tokens"))
            .when((mask.list.len() != logprobs.list.len()).fill_null(True))
            .then(pl.lit("mask_mismatch"))
        )
    return reason.otherwise(pl.lit(None, pl.String))


def _first_training(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Keep the earliest training step of every question of a run and round; count the others."""
    later = (
        rows.filter(pl.col("phase") == TRAIN)
        .sort("step", "row")
        .filter(~pl.struct("question_id", "run_id", "model_id", "round").is_first_distinct())
    )
    return rows.join(later.select("row"), on="row", how="anti", maintain_order="left"), len(later)


def _scored(rows: pl.DataFrame, score: str) -> pl.DataFrame:
    """Add `value`, the confidence, and a reject code where the tokens give none."""
    read_text = score in ("leading_digits", "choice_softmax")
    tokens = Tokens(
        logprobs=rows["token_logprobs"].explode().cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        mask=rows["token_mask"].explode().fill_null(False).to_numpy(),
        lengths=rows["token_logprobs"].list.len().cast(pl.Int64).to_numpy(),
        completion=rows["completion"].to_list() if read_text else None,
        options=_options(rows["option_logprobs"]) if score == "choice_softmax" else None,
    )
    flagged = {
        "no_counted_token": tokens.counted() == 0,
        "nan_logprob": _any_counted(tokens, np.isnan(tokens.logprobs)),
        "positive_logprob": _any_counted(tokens, tokens.logprobs > POSITIVE_TOLERANCE),
    }
    value = SCORES[score](tokens)
    reason = pl.when(pl.Series(np.isnan(value))).then(pl.lit("undefined_score")).otherwise(pl.lit(None, pl.String))
    for code, rows_with in reversed(flagged.items()):
        reason = pl.when(pl.Series(rows_with)).then(pl.lit(code)).otherwise(reason)
    return rows.with_columns(value=pl.Series(value, dtype=pl.Float64), reason=reason)


def _options(stored: pl.Series) -> NDArray[np.float64]:
    """Pad lists of option log-probabilities to (n, k): -inf beyond a question's options, NaN where none are stored."""
    lengths = stored.list.len().fill_null(0).to_numpy()
    columns = [
        stored.list.get(i, null_on_oob=True).cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for i in range(max(1, int(lengths.max(initial=0))))
    ]
    padded = np.column_stack(columns)
    beyond = (np.arange(padded.shape[1]) >= lengths[:, None]) & (lengths > 0)[:, None]
    return np.where(beyond, -np.inf, padded)


def _any_counted(tokens: Tokens, flag: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say for each prediction whether a counted token carries the flag."""
    return np.bincount(tokens.row[flag & tokens.mask], minlength=len(tokens.lengths)) > 0


def _sampled(rows: pl.DataFrame) -> pl.DataFrame:
    """Reduce the samples of a question to the first one and its agreement with the others."""
    key = ("question_id", "run_id", "model_id", "round", "phase")
    names = rows.select(pl.concat_str(pl.col(key).cast(pl.String).fill_null(""), separator="\x1f"))
    value = self_consistency(names.to_series().to_list(), rows["completion"].fill_null("").to_list())
    first = rows.with_columns(value=pl.Series(value, dtype=pl.Float64)).filter(pl.struct(key).is_first_distinct())
    undefined = pl.when(pl.col("value").is_nan()).then(pl.lit("undefined_score"))
    return first.with_columns(reason=undefined.otherwise(pl.lit(None, pl.String)))


def _with_scores(rows: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """Fill `score` of the model's own answers from the same run's scores."""
    key = ["question_id", "run_id"]
    check_scores(scores)
    unique = scores.filter(pl.struct(key).is_first_distinct()).select(*key, pl.col("score").alias("_score"))
    if len(unique) < len(scores) and scores.select("benchmark", "parser").n_unique() > 1:
        found = scores.select(pl.format("{}/{}", "benchmark", "parser")).to_series().unique().sort().to_list()
        raise QAConfidenceError(f"The scores hold several scorings of one answer ({', '.join(found)}); keep one.")
    own = pl.col("phase").is_in(OWN_ANSWER)
    joined = rows.join(unique, on=key, how="left", maintain_order="left", nulls_equal=True)
    joined = joined.with_columns(score=pl.when(own).then("_score")).drop("_score")
    asked = rows.filter(own)
    if len(asked) and not len(asked.join(unique, on=key, how="semi", nulls_equal=True)):
        raise QAConfidenceError(
            "No score belongs to any of the predictions: question_id and run_id agree nowhere. "
            "Pass the scores that were computed from these predictions."
        )
    return joined


def check_present(rows: pl.DataFrame, columns: Sequence[str]) -> None:
    """Refuse null in columns that say what a row is.

    Raises
    ------
    InputError
        With the question ids, or the row numbers where the id itself is null.
    """
    for column in columns:
        empty = rows.with_row_index("_row").filter(pl.col(column).is_null())
        if len(empty):
            ids = empty.select(pl.coalesce("question_id", pl.format("row {}", "_row"))).to_series()
            raise InputError(f"{column} is null in {len(empty)} of {len(rows)} rows: {ids.head(5).to_list()}.")


def check_scores(scores: pl.DataFrame) -> None:
    """Refuse scores outside [0, 1] and NaN; null means that the row could not be scored.

    Raises
    ------
    InputError
        With the question ids.
    """
    wrong = scores.filter(~pl.col("score").is_between(0, 1) | pl.col("score").is_nan())
    if len(wrong):
        ids = wrong["question_id"].head(5).to_list()
        raise InputError(f"{len(wrong)} scores are NaN or outside [0, 1]; question ids {ids}.")
