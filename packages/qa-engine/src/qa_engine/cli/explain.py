"""The command that draws one question: explain."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import App


def register(app: App) -> None:
    """Add the command of this module to the command line."""
    app.command(topic="Pictures")(explain)


def explain(
    store: Annotated[Path, typer.Argument(help="Folder of the store.")],
    questions: Annotated[Path, typer.Argument(help="Table 'questions', or JSONL or Parquet in VSI-Bench's schema.")],
    *,
    question_id: Annotated[str, typer.Option("--id", help="Id of the question.")],
    out: Annotated[Path, typer.Option(help="Picture (.png) or page (.html).")],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Draw how one question is answered: plan and side view, operands, what is measured, margin."""
    from qa_contract.cli import Wrote, close
    from qa_contract.files import check_output_file

    from qa_engine.scenes.store import Store
    from qa_engine.show.explain import explain as run

    started = time.perf_counter()
    check_output_file(out, force=force)
    question = run(Store(store), questions, question_id, out)
    about = f"{question['question_type']} in {question['scene_name']}"
    close(Wrote(out, 1, "question"), since=started, notes=[about], next=f"open {out}")
