"""Fit calibrators on `confidence` tables, apply them, and relabel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from qa_confidence.arrays import Labels, check_unit
from qa_confidence.calibrators import DEFAULT, Calibrator, fit_calibrator
from qa_confidence.difficulty import (
    PROFILES,
    SUSPECT_CONFIDENCE,
    WRONG_BELOW,
    Certificate,
    certify,
    quantile_labels,
    threshold_labels,
)
from qa_confidence.errors import QAConfidenceError, unknown_name
from qa_confidence.feedback import label_basis
from qa_confidence.labelling import OWN_ANSWER, TRAIN, check_present
from qa_confidence.splits import SHARES, SceneSplit
from qa_confidence.target import EXPECTED_SCORE, target_score

INPUTS = ("raw_confidence", "gold_confidence")
"""What a calibrator reads: the probability of the model's own answer, or the likelihood of the ground truth."""

GROUPINGS: dict[str, tuple[str, ...]] = {
    "none": (),
    "question_type": ("question_type",),
    "answer_type": ("answer_type",),
    "answer_type+question_type": ("answer_type", "question_type"),
}
"""Name of a grouping to its levels, from coarse to fine."""


@dataclass(frozen=True)
class Fitted:
    """A calibrator, the rows it was fitted on or kept from it, and its certificate."""

    calibrator: Calibrator
    pairs: pl.DataFrame
    certificate: Certificate | None


def scored_pairs(confidence: pl.DataFrame, *, column: str, target: str = EXPECTED_SCORE) -> pl.DataFrame:
    """Pair a confidence with the score of the model's own answer.

    `raw_confidence` stands in the row of the answer. `gold_confidence` stands in the training row, so it is paired
    with the own answer to the same question in a clean pass of the same round.

    Returns
    -------
    DataFrame
        question_id, scene_name, question_type, round, value, score; rows without a score are left out.

    Raises
    ------
    QAConfidenceError
        No pair exists, or a question has several own answers in one round.
    """
    if column not in INPUTS:
        raise unknown_name("input", column, INPUTS)
    identity = ["question_id", "scene_name", "question_type", "round"]
    answers = confidence.filter(pl.col("phase").is_in(OWN_ANSWER) & pl.col("score").is_not_null())
    if column == "raw_confidence":
        pairs = answers.filter(pl.col(column).is_not_null()).select(*identity, value=pl.col(column), score="score")
    else:
        key = ["question_id", "round"]
        twice = answers.filter(answers.select(pl.struct(key).is_duplicated()).to_series())
        if len(twice):
            raise QAConfidenceError(f"Question {twice['question_id'][0]} has several scored answers in one round.")
        trained = confidence.filter(pl.col("phase") == TRAIN).select(*identity, value=pl.col(column))
        pairs = trained.join(answers.select(*key, "score"), on=key, how="inner", maintain_order="left")
    if pairs.is_empty():
        raise QAConfidenceError(
            f"No row has both {column} and a score. Score the predictions ('qa-eval score') and pass --scores."
        )
    check_present(pairs, identity)
    ids = pairs["question_id"]
    check_unit(column, pairs["value"].to_numpy(), ids=ids)
    check_unit("score", pairs["score"].to_numpy(), ids=ids)
    return pairs.with_columns(target_score(target))


def degenerate(pairs: pl.DataFrame) -> list[str]:
    """Say what cannot be learnt or measured on these pairs, because a column holds one value only."""
    notes = []
    if pairs["score"].n_unique() == 1:
        score = pairs["score"][0]
        notes.append(f"All {len(pairs)} scores are {score:g}: nothing can be ranked, and a fit rests on its prior.")
    if pairs["value"].n_unique() == 1:
        notes.append(f"All {len(pairs)} confidences are {pairs['value'][0]:g}: they do not order the answers.")
    return notes


def target_of(calibrator: Calibrator | None) -> str:
    """Name the target that a calibrator was fitted to."""
    return EXPECTED_SCORE if calibrator is None else calibrator.context.get("target", EXPECTED_SCORE)


def fit_table(
    confidence: pl.DataFrame,
    *,
    method: str = DEFAULT,
    column: str = "raw_confidence",
    target: str = EXPECTED_SCORE,
    grouping: str = "question_type",
    questions: pl.DataFrame | None = None,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
    alpha: float = 0.1,
    beta: float = 0.3,
    delta: float = 0.1,
    unit: str = "row",
) -> Fitted:
    """Fit on the scenes of part fit, certify thresholds on those of part threshold, and leave part report alone."""
    if grouping not in GROUPINGS:
        raise unknown_name("grouping", grouping, GROUPINGS)
    if unit not in ("row", "scene"):
        raise unknown_name("unit", unit, ("row", "scene"))
    pairs = scored_pairs(confidence, column=column, target=target)
    split = SceneSplit.choose(pairs["scene_name"].to_list(), shares, seed=seed)
    pairs = pairs.with_columns(part=_parts(pairs, split))
    used = pairs.filter(pl.col("part") == "fit")
    context = {"input": column, "target": target, "grouping": grouping, "split": split.to_dict()}
    fitted = fit_calibrator(
        used["value"].to_numpy(),
        used["score"].to_numpy(),
        method=method,
        group=group_names(used, grouping, questions),
        cluster=column_labels(used["scene_name"]),
        seed=seed,
        context=context,
    )
    held = pairs.filter(pl.col("part") == "threshold")
    certificate = None
    if len(held):
        certificate = certify(
            fitted.predict(held["value"].to_numpy(), group=group_names(held, grouping, questions)),
            held["score"].to_numpy(),
            alpha=alpha,
            beta=beta,
            delta=delta,
            cluster=column_labels(held["scene_name"]) if unit == "scene" else None,
        )
        context = {**context, "risk_control": asdict(certificate)}
        fitted = Calibrator(fitted.method, fitted.pooled, fitted.levels, fitted.data, context)
    return Fitted(fitted, pairs, certificate)


def apply_table(
    confidence: pl.DataFrame, calibrators: Sequence[Calibrator], *, questions: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Fill `confidence`, `calibrator_id` and `group` where a calibrator's input column has a value.

    A calibrator of `raw_confidence` gives the expected score of the answer that was made, one of `gold_confidence`
    the expected score of the model's answer to a question of which only the truth's likelihood is known.
    """
    columns = [calibrator.context.get("input") for calibrator in calibrators]
    if len(set(columns)) < len(columns):
        raise QAConfidenceError(f"Several calibrators read {columns[0]}; pass one per input.")
    targets = sorted({target_of(calibrator) for calibrator in calibrators})
    if len(targets) > 1:
        raise QAConfidenceError(f"The calibrators have different targets ({', '.join(targets)}); fit them to one.")
    result = confidence.with_row_index("row")
    for calibrator, column in zip(calibrators, columns, strict=True):
        if column not in INPUTS:
            raise QAConfidenceError(
                "The calibrator does not say which column it reads; fit it with 'qa-confidence fit'."
            )
        rows = result.filter(pl.col(column).is_not_null())
        check_present(rows, ("question_type",))
        group = group_names(rows, calibrator.context["grouping"], questions)
        values = check_unit(column, rows[column].to_numpy(), ids=rows["question_id"])
        used = calibrator.groups_used(group, len(rows))
        new = rows.select(
            "row",
            confidence=pl.Series(calibrator.predict(values, group=group), dtype=pl.Float64),
            calibrator_id=pl.lit(calibrator.id),
            group=pl.Series(used.names, dtype=pl.String).gather(used.code),
        )
        result = result.update(new, on="row", how="left")
    return result.drop("row")


def relabel(
    confidence: pl.DataFrame,
    profile: str,
    *,
    calibrators: Sequence[Calibrator] = (),
    previous: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Set `label` and `profile`; with the previous round's table also `suspect`.

    Raises
    ------
    QAConfidenceError
        The profile needs calibrated confidence that some row lacks, or a certificate that no calibrator holds.
    """
    if profile not in PROFILES:
        raise unknown_name("profile", profile, PROFILES)
    frame = confidence.with_columns(profile=pl.lit(profile))
    if profile in ("calibrated-paper", "risk-control"):
        missing = frame.filter(pl.col("confidence").is_null())
        if len(missing):
            phases = ", ".join(missing["phase"].unique().sort())
            raise QAConfidenceError(
                f"Profile '{profile}' needs calibrated confidence; {len(missing)} rows of phase {phases} have none, "
                f"first {missing['question_id'].head(3).to_list()}. Pass a --calibrator for them."
            )
    basis = frame.select(label_basis()).to_series().to_numpy()
    if profile == "quantile":
        group = frame.select(pl.concat_str("phase", "question_type", separator="/")).to_series().to_numpy()
        labels = quantile_labels(basis, group=group)
    elif profile == "risk-control":
        labels = _certified(frame, calibrators)
    else:
        labels = threshold_labels(basis)
    frame = frame.with_columns(label=pl.Series(labels.tolist(), dtype=pl.String))
    if previous is None:
        return frame
    doubted = suspects(frame, previous)
    return frame.with_columns(
        label=pl.when(pl.col("question_id").is_in(doubted.implode())).then(pl.lit("suspect")).otherwise("label")
    )


def suspects(current: pl.DataFrame, previous: pl.DataFrame) -> pl.Series:
    """Question ids whose ground truth is in doubt.

    In clean passes of two consecutive rounds the model's own answer scored below 0.5 although its calibrated
    confidence was at least 0.9. Low confidence is no sign of noise: an untrained model puts half of its choices
    below chance.

    Raises
    ------
    QAConfidenceError
        The tables are not of consecutive rounds.
    """
    found = []
    for frame in (current, previous):
        sure_and_wrong = (pl.col("confidence") >= SUSPECT_CONFIDENCE) & (pl.col("score") < WRONG_BELOW)
        clean = frame.filter(pl.col("phase").is_in(OWN_ANSWER) & sure_and_wrong)
        found.append(clean.select("question_id", "round").unique())
    now, before = (sorted(frame["round"].unique().to_list()) for frame in (current, previous))
    if not any(t - 1 in before for t in now):
        raise QAConfidenceError(f"Expected tables of consecutive rounds, found rounds {before} and then {now}.")
    earlier = found[1].with_columns(pl.col("round") + 1)
    return found[0].join(earlier, on=["question_id", "round"], how="semi")["question_id"].unique().sort()


def group_names(frame: pl.DataFrame, grouping: str, questions: pl.DataFrame | None) -> tuple[Labels, ...] | None:
    """Group names of every row per level, or None without groups."""
    if grouping not in GROUPINGS:
        raise unknown_name("grouping", grouping, GROUPINGS)
    levels = GROUPINGS[grouping]
    if not levels:
        return None
    if "answer_type" in levels:
        if questions is None:
            raise QAConfidenceError(f"Grouping '{grouping}' needs the questions; pass --questions.")
        types = questions.select("question_id", "answer_type").unique("question_id", maintain_order=True)
        frame = frame.join(types, on="question_id", how="left", maintain_order="left")
        unknown = frame.filter(pl.col("answer_type").is_null())
        if len(unknown):
            raise QAConfidenceError(f"Questions without an answer type: {unknown['question_id'].head(5).to_list()}.")
    return tuple(column_labels(frame[name]) for name in levels)


def column_labels(column: pl.Series) -> Labels:
    """Give numbers to the texts of a column without nulls."""
    names = column.unique().sort()
    return Labels(tuple(names.to_list()), column.cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64))


def _parts(pairs: pl.DataFrame, split: SceneSplit) -> pl.Series:
    """Part of every row."""
    scenes = pairs["scene_name"].unique().to_list()
    return pairs["scene_name"].replace_strict(
        dict(zip(scenes, split.parts(scenes), strict=True)), return_dtype=pl.String
    )


def part_of_rows(frame: pl.DataFrame, calibrator: Calibrator) -> pl.Series:
    """Part of every row under the split that the calibrator was fitted with."""
    return _parts(frame, SceneSplit.from_dict(calibrator.context["split"]))


def _certified(frame: pl.DataFrame, calibrators: Sequence[Calibrator]) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """Label each row by the certificate of the calibrator that made its confidence."""
    labels = np.full(len(frame), "frontier")
    held: dict[str | None, dict[str, Any] | None] = {c.id: c.context.get("risk_control") for c in calibrators}
    for name in frame["calibrator_id"].unique().to_list():
        certificate = held.get(name)
        if certificate is None:
            raise QAConfidenceError(
                "Profile 'risk-control' needs a calibrator with certified thresholds: fit it with a part for them "
                "(--split 0.5,0.2,0.3) and pass it as --calibrator."
            )
        rows = (frame["calibrator_id"] == name).to_numpy()
        labels[rows] = Certificate(**certificate).labels(frame["confidence"].to_numpy()[rows])
    return labels
