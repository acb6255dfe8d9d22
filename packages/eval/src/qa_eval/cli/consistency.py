"""The command `consistency`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson, Seed, close


def consistency(
    runs: Annotated[list[Path], typer.Argument(help="One run folder, or two runs of the same questions.")],
    questions: Annotated[Path, typer.Option(help="Questions table (folder or file).")],
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Rows with a, b (ids) and relation (same, inverse).", show_default="questions of one signature"
        ),
    ] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Tell how often answers fit together: one question in two views, or a question and its inverse."""
    from qa_eval.errors import QAEvalError
    from qa_eval.scoring.consistency import run_consistency
    from qa_eval.scoring.formats import consistency_table

    started = time.perf_counter()
    if len(runs) > 2:
        raise QAEvalError(f"{len(runs)} runs are named. Pass one run, or two runs of the same questions.")
    found = run_consistency(runs, questions, pairs=pairs, seed=seed)
    typer.echo(json.dumps(found, indent=1) if as_json else consistency_table(found))
    close(since=started, headline=f"Compared {sum(cell['n'] for cell in found.values()):,} pairs of answers")
