"""The command `export-lmms-eval`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import Force, Out, Questions, Wrote, close, shell


def export_lmms_eval(
    questions: Questions,
    out: Out,
    store: Annotated[Path | None, typer.Option(help="Store with the frames.")] = None,
    name: Annotated[str, typer.Option(help="Name of the task.")] = "spatial_questions",
    force: Force = False,
) -> None:
    """Write a questions table as a task folder of lmms-eval: same frames, prompt and score."""
    from qa_eval.bridges import write_lmms_task

    started = time.perf_counter()
    n = write_lmms_task(questions, store, out, name=name, force=force)
    next = shell("lmms-eval", "--include_path", out, "--tasks", name, "--model", "MODEL")
    close(Wrote(out, n, "questions"), since=started, next=next)
