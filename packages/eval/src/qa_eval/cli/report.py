"""The command `report`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import Force, Out, Wrote, close, shell


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, scores tables, or rows of 'score --out'; the first one foremost.")
    ],
    out: Out,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Spatial questions",
    force: Force = False,
) -> None:
    """Write a page that opens offline: scores, intervals, confidence, degradation curves, examples.

    The folder holds report.html, report.md, report.json, model_card.md, and the scores in the columns of the
    benchmark's paper as table.csv, table.tex and table.md.
    """
    from qa_eval.report import write_report

    started = time.perf_counter()
    write_report(runs, out, title=title, force=force)
    close(
        Wrote(out, len(runs), "run" if len(runs) == 1 else "runs"),
        since=started,
        next=shell("open", out / "report.html"),
    )
