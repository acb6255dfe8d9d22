"""Command that finds objects by masks: lift."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import COMMON, App, AsJson, Out, Progress, Store, Workers, Wrote, close, resumable, shell

from qa_engine.cli.options import Reviews


def register(app: App) -> None:
    """Add the command of this module to the command line."""
    app.command(topic="Scenes")(lift)


def lift(
    store: Store,
    masks: Annotated[Path, typer.Argument(help="Folder with a folder of masks per scene, or those of the only scene.")],
    *,
    out: Out,
    layout: Annotated[str, typer.Option(help="auto, png, coco, grounded-sam2 (images), grounded-sam2-video.")] = "auto",
    min_frames: Annotated[int, typer.Option(min=1, max=8, help="Frames that must show an object.")] = 2,
    reviews: Reviews = None,
    workers: Workers = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing store.", rich_help_panel=COMMON)] = False,
    as_json: AsJson = False,
) -> None:
    """Find objects by masks of the frames, their depth and poses: a store with boxes, error bounds and confidence.

    For scans without boxes: any segmenter writes the masks. Objects that the store has are replaced. What a person
    should look at (masks that cover several objects, labels that differ) stands in `rejects` with stage `check`.
    """
    from qa_engine.lifting.run import lift as run

    began = time.perf_counter()
    with resumable("the same command goes on where it was"), Progress("scenes") as progress:
        report = run(
            store,
            masks,
            out=out,
            layout=layout,
            min_frames=min_frames,
            reviews=reviews,
            workers=workers,
            force=force,
            progress=progress.stage("lift"),
        )
    if report.warnings:
        reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(report.warnings.items()))
        typer.echo(f"To look at: {reasons}. See the rows of stage 'check' in {out / 'rejects.parquet'}.", err=True)
    close(
        Wrote(out, report.n_scenes, "scenes"),
        since=began,
        notes=[f"{report.n_objects} objects", f"{report.n_frames} frames"],
        rejects={str(reason): n for reason, n in report.rejects.items()},
        lost=report.lost,
        next=shell("qa-engine", "observe", out),
        summary={"warnings": dict(report.warnings), "resumed": report.n_resumed},
        as_json=as_json,
    )
