"""The command that shows a store: view."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(view)


def view(
    store: Annotated[Path, typer.Argument(help="Folder of the store.")],
    scenes: Annotated[
        list[str] | None, typer.Argument(help="Scenes to show; the first ones where none is named.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder for the pages.")],
    questions: Annotated[Path | None, typer.Option(help="File or folder of questions to show.")] = None,
    frame_set: Annotated[str | None, typer.Option(help="Frames to show; some at even steps where not given.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Scenes to show where none is named.")] = 50,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing folder.")] = False,
) -> None:
    """Write HTML pages that open offline: plan, boxes, cameras, frames with projected boxes, questions."""
    from qa_engine.gallery import write_gallery
    from qa_engine.store import Store

    report = write_gallery(
        Store(store), out, scenes=scenes or (), questions=questions, frame_set=frame_set, limit=limit, force=force
    )
    typer.echo(
        f"Wrote {out}: {report.n_scenes} scenes, {report.n_frames} frames, {report.n_questions} questions in "
        f"{report.seconds:.1f} s. Next: open {out / 'index.html'} in a browser",
        err=True,
    )
