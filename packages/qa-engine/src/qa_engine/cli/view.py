"""The command that shows a store: view."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import App


def register(app: App) -> None:
    """Add the commands of this module to the command line."""
    app.command(topic="Pictures")(view)


def view(
    store: Annotated[Path, typer.Argument(help="Folder of the store.")],
    scenes: Annotated[
        list[str] | None, typer.Argument(help="Scenes to show; the first ones where none is named.")
    ] = None,
    *,
    out: Annotated[Path | None, typer.Option(help="Folder for the pages.")] = None,
    rrd: Annotated[
        Path | None, typer.Option(help="File for the rerun viewer, instead of or beside the pages; extra 'viewer'.")
    ] = None,
    questions: Annotated[Path | None, typer.Option(help="File or folder of questions to show.")] = None,
    frame_set: Annotated[str | None, typer.Option(help="Frames to show; some at even steps where not given.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Scenes to show where none is named.")] = 50,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing folder or file.")] = False,
) -> None:
    """Write HTML pages that open offline: plan, boxes, cameras, frames with projected boxes, questions.

    With --rrd, write a recording for the rerun viewer: clouds, boxes, cameras and frames in 3D, and questions.
    """
    from qa_contract.cli import Wrote, close

    from qa_engine.errors import QAEngineError
    from qa_engine.scenes.store import Store
    from qa_engine.show.gallery import write_gallery
    from qa_engine.show.rerun import write_recording
    from qa_engine.show.selection import Shown

    if out is None and rrd is None:
        raise QAEngineError("Nothing to write: give --out DIR for pages, or --rrd FILE for a recording.")
    shown = Shown(Store(store), scenes=scenes or (), questions=questions, frame_set=frame_set, limit=limit)
    for target, write, after in (
        (rrd, write_recording, f"rerun {rrd}"),
        (out, write_gallery, f"open {out}/index.html in a browser"),
    ):
        if target is None:
            continue
        started = time.perf_counter()
        report = write(shown, target, force=force)
        figures = [f"{report.n_frames:,} frames", f"{report.n_questions:,} questions"]
        close(Wrote(target, report.n_scenes, "scenes"), since=started, notes=figures, next=after)
