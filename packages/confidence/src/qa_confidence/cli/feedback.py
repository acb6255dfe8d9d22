"""`qa-confidence feedback`."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson, Force, Out, Wrote, close, shell

from qa_confidence.cli.shared import Confidence, by_reason, input_ids, write, write_manifest


class Phase(StrEnum):
    """Passes that predictions come from."""

    train = "train"
    score = "score"
    eval = "eval"


def feedback(
    confidence: Confidence,
    questions: Annotated[Path, typer.Option(help="Table 'questions' that was asked.")],
    out: Out,
    scores: Annotated[Path | None, typer.Option(help="Table 'scores' of the models' own answers.")] = None,
    phase: Annotated[Phase | None, typer.Option(help="Count this phase only.")] = None,
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
    only = None if phase is None else phase.value
    result = feedback_rows(frame, asked, scores=scored, phase=only)
    inputs = [(confidence, "confidence"), (questions, "questions"), (scores, "scores")]
    config = {"phase": only, "inputs": input_ids(inputs)}
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
