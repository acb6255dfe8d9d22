"""The command that does everything for own scans: scan."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import App, AsJson, Force, Out, Progress, Seed, Workers, Wrote, close

from qa_engine.cli.options import Annotations, FramesDir, Settings


def register(app: App) -> None:
    """Add the command of this module to the command line."""
    app.command(topic="Scenes")(scan)


def scan(
    root: Annotated[Path, typer.Argument(help="Folder of scans, of any dataset that 'ingest' reads.")],
    *,
    out: Out,
    dataset: Annotated[str | None, typer.Option(help="What they are; found out where not given.")] = None,
    annotations: Annotations = None,
    frames_dir: FramesDir = None,
    settings: Settings = None,
    masks: Annotated[
        Path | None, typer.Option(help="Masks of frames, as 'lift' reads them, for scans without boxes.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames that a model sees of each scene.")] = 16,
    per_scene: Annotated[int, typer.Option(min=1, help="At most so many questions per scene.")] = 50,
    seed: Seed = 0,
    workers: Workers = 1,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Turn own scans into checked questions in one go, with one page that says what was found and what to mend.

    Does doctor, ingest, lift (with --masks), align (where up or scale is doubted), observe, sample-frames, generate,
    verify, audit and view.
    Exit code 1: something was lost. 2: there are no questions; the page says why.
    """
    from qa_engine.datasets.base import IngestOptions
    from qa_engine.errors import QAEngineError
    from qa_engine.ingestion.run import parse_settings
    from qa_engine.scan import scan as run

    began = time.perf_counter()
    options = IngestOptions(
        seed=seed, annotations=annotations, frames_dir=frames_dir, settings=parse_settings(settings or ())
    )
    with Progress("scenes") as progress:
        done = run(
            root,
            out,
            dataset=dataset,
            options=options,
            masks=masks,
            frames=frames,
            per_scene=per_scene,
            seed=seed,
            workers=workers,
            force=force,
            progress=progress,
        )
    for outcome in done.outcomes:
        typer.echo(f"{outcome.step:14} {outcome.state:9} {outcome.told}", err=True)
    if done.failed:
        first = done.failed[0]
        raise QAEngineError(f"Step '{first.step}' failed: {first.told} {done.page} says what to mend first.")
    close(
        Wrote(out, done.n_questions, "questions"),
        since=began,
        notes=[f"{done.page.name} says what was found"],
        lost=done.lost,
        next=f"open {done.page} in a browser",
        summary={outcome.step: outcome.told for outcome in done.outcomes},
        as_json=as_json,
    )
