"""`qa-confidence label`."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import AsJson, Force, Out, Seed, Wrote, close, shell

from qa_confidence.cli.shared import (
    Asked,
    Calibrators,
    Previous,
    Profile,
    Signal,
    by_reason,
    calibrated,
    input_ids,
    read_confidence,
    write,
    write_manifest,
)
from qa_confidence.errors import QAConfidenceError

if TYPE_CHECKING:
    import polars as pl

    from qa_confidence.calibrators import Calibrator


class Score(StrEnum):
    """What makes a confidence of token log-probabilities; `qa_confidence.scores.SCORES` has the functions."""

    geometric_mean = "geometric_mean"
    sequence_probability = "sequence_probability"
    min_token = "min_token"
    first_token = "first_token"
    leading_digits = "leading_digits"
    choice_softmax = "choice_softmax"
    self_consistency = "self_consistency"


def label(
    predictions: Annotated[Path, typer.Argument(help="Table 'predictions': a Parquet file or its folder.")],
    out: Out,
    profile: Annotated[Profile, typer.Option(help="Rules of the labels.")] = Profile.paper,
    score: Annotated[Score, typer.Option(help="How token probabilities become one confidence.")] = Score.geometric_mean,
    scores: Annotated[Path | None, typer.Option(help="Table 'scores' of these predictions.")] = None,
    calibrator: Calibrators = None,
    questions: Asked = None,
    previous: Previous = None,
    signal: Signal = None,
    seed: Seed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Compute the confidence of every prediction and label it easy, frontier, hard or suspect.

    Profile calibrated takes --signal and --questions, and maps what was trained on to the score that the model is
    expected to have; --seed is of the parts of the scenes that are fitted apart.
    """
    from qa_contract.files import check_output_folder, output_folder
    from qa_contract.tableio import read_table
    from qa_contract.tables import PREDICTIONS, SCORES

    from qa_confidence.labelling import LATER, READ, label_predictions

    started = time.perf_counter()
    check_output_folder(out, force=force)
    frame = read_table(predictions, "predictions", PREDICTIONS, columns=READ, optional=LATER)
    scored = None if scores is None else read_table(scores, "scores", SCORES)
    result = label_predictions(frame, score=score.value, scores=scored)
    if profile is Profile.calibrated:
        table, used = _calibrated(result.confidence, signal, questions, seed)
    else:
        table, used = calibrated(result.confidence, profile.value, calibrator, questions, previous)
    inputs = [(predictions, "predictions"), (scores, "scores"), (previous, "confidence"), (signal, "confidence")]
    config = {
        "profile": profile.value,
        "score": score.value,
        "calibrators": [c.id for c in used],
        "inputs": input_ids(inputs),
    }
    with output_folder(out, force=force) as folder:
        write(table, folder, "confidence", "qa-confidence label", config)
        write(result.rejects, folder, "rejects", "qa-confidence label", config)
        write_manifest(folder, "label", config, started)
    counts = dict(table["label"].value_counts().sort("label").iter_rows())
    notes = [f"{name} {count:,}" for name, count in counts.items()]
    notes += [f"{result.skipped:,} rows of runners without a model skipped"] if result.skipped else []
    notes += [f"{result.repeated:,} later trainings of a question left out"] if result.repeated else []
    close(
        Wrote(out / "confidence.parquet", len(table)),
        since=started,
        notes=notes,
        rejects=by_reason(result.rejects),
        lost=len(result.rejects),
        next=shell("qa-confidence", "feedback", out, "--questions", "QUESTIONS", "--out", "DIR"),
        summary={
            "labels": counts,
            "skipped_without_model": result.skipped,
            "repeated_training_rows": result.repeated,
        },
        as_json=as_json,
    )


def _calibrated(
    table: pl.DataFrame, signal: Path | None, questions: Path | None, seed: int
) -> tuple[pl.DataFrame, list[Calibrator]]:
    """Map the likelihoods of a training pass by the clean pass of its round."""
    from qa_contract.tableio import read_table
    from qa_contract.tables import QUESTIONS

    from qa_confidence.signal.rows import ABOUT, expected_of_training

    if signal is None or questions is None:
        raise QAConfidenceError(
            "Profile 'calibrated' needs --signal, the folder of 'qa-confidence signal' of the round, and --questions."
        )
    asked = read_table(questions, "questions", QUESTIONS, columns=ABOUT)
    rows, calibrator = expected_of_training(table, read_confidence([signal]), asked, seed=seed)
    return rows, [calibrator]
