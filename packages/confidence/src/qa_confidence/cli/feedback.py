"""`qa-confidence feedback`."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson, Force, Out, Wrote, close, shell

from qa_confidence.cli.shared import (
    Confidence,
    by_reason,
    input_ids,
    read_confidence,
    write,
    write_manifest,
)


class Phase(StrEnum):
    """Passes that predictions come from."""

    train = "train"
    score = "score"
    eval = "eval"


def feedback(
    confidence: Confidence,
    questions: Annotated[list[Path], typer.Option(help="Tables 'questions' that were asked.")],
    out: Out,
    scores: Annotated[Path | None, typer.Option(help="Table 'scores' of the models' own answers.")] = None,
    phase: Annotated[Phase | None, typer.Option(help="Count this phase only.")] = None,
    signal: Annotated[
        list[Path] | None, typer.Option(help="Folders of 'qa-confidence signal', the newest first.")
    ] = None,
    previous: Annotated[
        Path | None, typer.Option(help="Signal before the newest: what has the panel learned since?")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Count labels and average confidence per round, scene, question type and cell.

    With --signal what the clean pass tells of every cell is added: chance-corrected confidence, headroom, progress.
    """
    import polars as pl
    from qa_contract.files import check_output_folder, output_folder
    from qa_contract.tableio import read_table
    from qa_contract.tables import CONFIDENCE, QUESTIONS, SCORES

    from qa_confidence.feedback import feedback_rows
    from qa_confidence.signal.progress import learning_progress

    started = time.perf_counter()
    check_output_folder(out, force=force)
    frame = read_table(confidence, "confidence", CONFIDENCE)
    tables = [read_table(path, "questions", QUESTIONS, columns=["question_id", "cell"]) for path in questions]
    asked = pl.concat(tables).unique(maintain_order=True)
    scored = None if scores is None else read_table(scores, "scores", SCORES)
    only = None if phase is None else phase.value
    clean = read_confidence(signal) if signal else None
    gained = None
    if previous is not None:
        newest = read_confidence(signal[:1]) if signal else frame
        gained = learning_progress(newest, read_confidence([previous]))
    result = feedback_rows(frame, asked, scores=scored, phase=only, signal=clean, progress=gained)
    inputs = [(confidence, "confidence"), *((path, "questions") for path in questions), (scores, "scores")]
    inputs += [*((path, "confidence") for path in signal or ()), (previous, "confidence")]
    config = {"phase": only, "inputs": [input_ids([one]) for one in inputs]}
    with output_folder(out, force=force) as folder:
        write(result.feedback, folder, "feedback", "qa-confidence feedback", config)
        write(result.rejects, folder, "rejects", "qa-confidence feedback", config)
        write_manifest(folder, "feedback", config, started)
    counted = int(result.feedback["n"].sum())
    close(
        Wrote(out / "feedback.parquet", len(result.feedback)),
        since=started,
        notes=[f"{counted:,} predictions counted"],
        rejects=by_reason(result.rejects),
        lost=len(result.rejects),
        next=shell("qa-engine", "generate", "STORE", "--feedback", out, "--out", "DIR"),
        summary={"predictions": counted},
        as_json=as_json,
    )
