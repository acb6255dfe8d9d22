"""`qa-loop report`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import Wrote, close, shell

from qa_loop.cli.shared import Folder


def report(
    folder: Folder,
    others: Annotated[
        bool,
        typer.Option(
            "--pages/--no-pages", help="Make the pages of 'qa-eval report' and 'qa-confidence report' that it links."
        ),
    ] = True,
    truth: Annotated[
        Path | None,
        typer.Option(help="Questions with true answers, of scenes that were spoilt on purpose: are suspects wrong?"),
    ] = None,
) -> None:
    """Write the run's report.html again, from what is there."""
    from qa_loop.report import write_report

    started = time.perf_counter()
    path = write_report(folder, others=others, truth=truth)
    close(Wrote(path, path.stat().st_size, "bytes"), since=started, next=shell("xdg-open", path))
