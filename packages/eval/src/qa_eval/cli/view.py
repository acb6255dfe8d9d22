"""The command `view`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import Force, Wrote, close, shell


def view(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, scores tables, or rows of 'score --out'; two are compared.")
    ],
    out: Annotated[Path, typer.Option(help="Page to write (.html); frames are linked from their store.")],
    questions: Annotated[
        Path | None, typer.Option(help="Questions of scored files.", show_default="those of the run")
    ] = None,
    store: Annotated[Path | None, typer.Option(help="Store with the frames.", show_default="that of the run")] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Every answer",
    force: Force = False,
) -> None:
    """Write a page with every answer: frames, options, what was said, how it was read, its score, the explanation.

    It filters by type, by right, wrong, unreadable, and by what changed between two runs; it searches, and the keyboard
    goes through the questions.
    """
    from qa_contract.files import check_output_file

    from qa_eval.report.view import write_view
    from qa_eval.report.write import run_names

    started = time.perf_counter()
    check_output_file(out, force=force)
    n = write_view(runs, run_names(runs), out, questions=questions, store=store, title=title)
    close(Wrote(out, n, "questions"), since=started, next=shell("open", out))
