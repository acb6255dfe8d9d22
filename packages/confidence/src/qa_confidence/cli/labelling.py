"""Commands that turn predictions into labelled confidence and feedback."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from qa_confidence.cli.shared import (
    AsJson,
    Calibrators,
    Force,
    Out,
    Previous,
    Profile,
    Questions,
    calibrated,
    check_profile,
    close,
    finish,
    input_ids,
    write,
    write_manifest,
)


def label(
    predictions: Annotated[Path, typer.Argument(help="Table 'predictions': a Parquet file or its folder.")],
    out: Out,
    profile: Profile = "paper",
    score: Annotated[str, typer.Option(help="Confidence score; see docs/confidence.md.")] = "geometric_mean",
    scores: Annotated[Path | None, typer.Option(help="Table 'scores' of these predictions.")] = None,
    calibrator: Calibrators = None,
    questions: Questions = None,
    previous: Previous = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Compute the confidence of every prediction and label it easy, frontier, hard or suspect."""
    from qa_contract.files import check_output_folder, output_folder
    from qa_contract.tableio import read_table
    from qa_contract.tables import PREDICTIONS, SCORES

    from qa_confidence.labelling import LATER, READ, label_predictions

    started = time.perf_counter()
    check_profile(profile)
    check_output_folder(out, force=force)
    frame = read_table(predictions, "predictions", PREDICTIONS, columns=READ, optional=LATER)
    scored = None if scores is None else read_table(scores, "scores", SCORES)
    result = label_predictions(frame, score=score, scores=scored)
    table, used = calibrated(result.confidence, profile, calibrator, questions, previous)
    inputs = [(predictions, "predictions"), (scores, "scores"), (previous, "confidence")]
    config = {"profile": profile, "score": score, "calibrators": [c.id for c in used], "inputs": input_ids(inputs)}
    with output_folder(out, force=force) as folder:
        write(table, folder, "confidence", "qa-confidence label", config)
        write(result.rejects, folder, "rejects", "qa-confidence label", config)
        write_manifest(folder, "label", config, started)
    counts = dict(table["label"].value_counts().sort("label").iter_rows())
    summary = {
        "rows": len(table),
        "labels": counts,
        "rejects": len(result.rejects),
        "skipped_without_model": result.skipped,
        "repeated_training_rows": result.repeated,
    }
    notes = [f"{name} {count}" for name, count in counts.items()]
    notes += [f"{result.skipped} rows of runners without a model skipped"] if result.skipped else []
    notes += [f"{result.repeated} later trainings of a question left out"] if result.repeated else []
    close(out / "confidence.parquet", len(table), notes, started, result.rejects, summary, as_json=as_json)
    typer.echo(f"next: qa-confidence feedback {out} --questions QUESTIONS --out DIR", err=True)
    finish(result.rejects)


def feedback(
    confidence: Annotated[Path, typer.Argument(help="Table 'confidence': a Parquet file or its folder.")],
    questions: Annotated[Path, typer.Option(help="Table 'questions' that was asked.")],
    out: Out,
    scores: Annotated[Path | None, typer.Option(help="Table 'scores' of the models' own answers.")] = None,
    phase: Annotated[str | None, typer.Option(help="Count this phase only: train, score, eval.")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Count labels and average confidence per round, scene, question type and cell."""
    from qa_contract.files import check_output_folder, output_folder
    from qa_contract.tableio import read_table
    from qa_contract.tables import CONFIDENCE, QUESTIONS, SCORES

    from qa_confidence.feedback import feedback_rows

    started = time.perf_counter()
    check_output_folder(out, force=force)
    frame = read_table(confidence, "confidence", CONFIDENCE)
    asked = read_table(questions, "questions", QUESTIONS, columns=["question_id", "cell"])
    scored = None if scores is None else read_table(scores, "scores", SCORES)
    result = feedback_rows(frame, asked, scores=scored, phase=phase)
    inputs = [(confidence, "confidence"), (questions, "questions"), (scores, "scores")]
    config = {"phase": phase, "inputs": input_ids(inputs)}
    with output_folder(out, force=force) as folder:
        write(result.feedback, folder, "feedback", "qa-confidence feedback", config)
        write(result.rejects, folder, "rejects", "qa-confidence feedback", config)
        write_manifest(folder, "feedback", config, started)
    counted = int(result.feedback["n"].sum())
    summary = {"rows": len(result.feedback), "predictions": counted, "rejects": len(result.rejects)}
    notes = [f"{counted} predictions counted"]
    close(out / "feedback.parquet", len(result.feedback), notes, started, result.rejects, summary, as_json=as_json)
    typer.echo(f"next: qa-engine generate STORE --feedback {out} --out DIR", err=True)
    finish(result.rejects)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (label, feedback):
        app.command()(command)
