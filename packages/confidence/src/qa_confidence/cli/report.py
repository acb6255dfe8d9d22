"""`qa-confidence report`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson, Force, Out, Wrote, close, shell

from qa_confidence.cli.shared import Asked, BootstrapSeed, Input, Previous, Resamples, Tables, read_confidence

QUESTION_TEXT = ("question_id", "answer_type", "question", "ground_truth")
ANSWER_TEXT = ("question_id", "round", "phase", "completion")


def report(
    confidence: Tables,
    out: Out,
    calibrator: Annotated[Path | None, typer.Option(help="Folder of 'qa-confidence fit'.")] = None,
    column: Annotated[
        Input | None, typer.Option("--input", help="Column to report on. Default: the calibrator's, or raw_confidence.")
    ] = None,
    questions: Asked = None,
    predictions: Annotated[Path | None, typer.Option(help="Table 'predictions', for the answers' text.")] = None,
    previous: Previous = None,
    allow_in_sample: Annotated[
        bool, typer.Option("--allow-in-sample", help="Report on the fitted rows too; the page says so.")
    ] = False,
    resamples: Resamples = 1000,
    seed: BootstrapSeed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write report.html, report.md and metrics.json about calibration, labels and drift."""
    import json

    from qa_contract.files import check_output_folder, output_folder
    from qa_contract.tableio import read_table
    from qa_contract.tables import PREDICTIONS, QUESTIONS

    from qa_confidence.calibrators import Calibrator
    from qa_confidence.report.build import Texts, build_report

    started = time.perf_counter()
    check_output_folder(out, force=force)
    asked = None if questions is None else read_table(questions, "questions", QUESTIONS, columns=QUESTION_TEXT)
    answers = None
    if predictions is not None:
        answers = read_table(predictions, "predictions", PREDICTIONS, columns=ANSWER_TEXT)
    built = build_report(
        read_confidence(confidence),
        calibrator=None if calibrator is None else Calibrator.load(calibrator),
        column=None if column is None else column.value,
        previous=None if previous is None else read_confidence([previous]),
        texts=Texts(asked, answers),
        allow_in_sample=allow_in_sample,
        resamples=resamples,
        seed=seed,
    )
    with output_folder(out, force=force) as folder:
        for name, text in (("report.html", built.html), ("report.md", built.markdown), ("metrics.json", built.metrics)):
            (folder / name).write_text(text, encoding="utf-8")
    close(
        Wrote(out / "report.html", built.n, "answers"),
        since=started,
        next=shell("xdg-open", out / "report.html"),
        summary=json.loads(built.metrics),
        as_json=as_json,
    )
