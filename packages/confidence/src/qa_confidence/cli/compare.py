"""`qa-confidence compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson

from qa_confidence.cli.shared import Asked, BootstrapSeed, Resamples, read_confidence, read_questions


def compare(
    before: Annotated[Path, typer.Argument(help="Table 'confidence' of the earlier round.")],
    after: Annotated[Path, typer.Argument(help="Table 'confidence' of the later round.")],
    calibrator: Annotated[Path | None, typer.Option(help="The calibrator in use: should it be fitted again?")] = None,
    steps: Annotated[
        Path | None, typer.Option(help="Table 'predictions' with the training steps of BEFORE: measure order bias.")
    ] = None,
    questions: Asked = None,
    resamples: Resamples = 1000,
    seed: BootstrapSeed = 0,
    as_json: AsJson = False,
) -> None:
    """Compare two rounds, or (--steps) a round's training-time confidence with a frozen pass; a table on stdout."""
    from qa_contract.tableio import read_table
    from qa_contract.tables import PREDICTIONS

    from qa_confidence.calibrators import Calibrator
    from qa_confidence.report.comparison import compare_order, compare_rounds

    frames = read_confidence([before]), read_confidence([after])
    if steps is not None:
        order = read_table(steps, "predictions", PREDICTIONS, columns=["question_id", "round", "phase", "step"])
        result = compare_order(*frames, order, resamples=resamples, seed=seed)
    else:
        used = None if calibrator is None else Calibrator.load(calibrator)
        asked = read_questions(questions)
        result = compare_rounds(*frames, calibrator=used, questions=asked, resamples=resamples, seed=seed)
    typer.echo(result.json if as_json else result.markdown, nl=False)
