"""`qa-confidence apply`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson, Force, Out, Wrote, close, shell

from qa_confidence.cli.shared import (
    Asked,
    Confidence,
    Previous,
    Profile,
    calibrated,
    input_ids,
    read_confidence,
    write,
    write_manifest,
)
from qa_confidence.errors import QAConfidenceError


def apply(
    confidence: Confidence,
    calibrator: Annotated[
        list[Path], typer.Option(help="Folder of 'qa-confidence fit', one for gold, one for raw confidence.")
    ],
    out: Out,
    profile: Annotated[Profile | None, typer.Option(help="Label anew by these rules.")] = None,
    questions: Asked = None,
    previous: Previous = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Fill the calibrated confidence, and label anew where a profile is given."""
    from qa_contract.files import check_output_folder, output_folder

    from qa_confidence.calibrating import target_of
    from qa_confidence.target import target_text

    started = time.perf_counter()
    if profile is None and previous is not None:
        raise QAConfidenceError("--previous finds suspects, which are labels; pass --profile too.")
    check_output_folder(out, force=force)
    chosen = None if profile is None else profile.value
    table, used = calibrated(read_confidence([confidence]), chosen, calibrator, questions, previous)
    inputs = [(confidence, "confidence"), (previous, "confidence")]
    config = {"profile": chosen, "calibrators": [c.id for c in used], "inputs": input_ids(inputs)}
    with output_folder(out, force=force) as folder:
        write(table, folder, "confidence", "qa-confidence apply", config)
        write_manifest(folder, "apply", config, started)
    filled = len(table) - table["confidence"].null_count()
    close(
        Wrote(out / "confidence.parquet", len(table)),
        since=started,
        notes=[f"{filled:,} calibrated: {target_text(target_of(used[0]))}"],
        next=shell("qa-confidence", "feedback", out, "--questions", "QUESTIONS", "--out", "DIR"),
        summary={"calibrated": filled},
        as_json=as_json,
    )
