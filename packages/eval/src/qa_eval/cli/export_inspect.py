"""The command `export-inspect`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import Force, Wrote, close, shell


def export_inspect(
    run: Annotated[Path, typer.Argument(help="Run folder, scores table, or rows of 'score --out'.")],
    out: Annotated[Path, typer.Option(help="Log to write (.json).")],
    questions: Annotated[
        Path | None, typer.Option(help="Questions of scored files.", show_default="those of the run")
    ] = None,
    force: Force = False,
) -> None:
    """Write a run as a log of inspect_ai, which 'inspect view' opens."""
    from qa_contract.files import check_output_file

    from qa_eval.bridges.inspect_log import write_inspect_log
    from qa_eval.errors import QAEvalError

    started = time.perf_counter()
    if out.suffix != ".json":
        raise QAEvalError(f"{out}: --out needs a name that ends in .json; inspect_ai finds logs by it.")
    check_output_file(out, force=force)
    n = write_inspect_log(run, out, questions=questions)
    close(Wrote(out, n, "samples"), since=started, next=shell("inspect", "view", "--log-dir", out.parent))
