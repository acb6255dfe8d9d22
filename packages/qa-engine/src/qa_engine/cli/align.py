"""Command that turns scenes upright and finds their scale: align."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from qa_contract.cli import COMMON, App, AsJson, Out, Progress, Store, Workers, Wrote, close, resumable, shell


def register(app: App) -> None:
    """Add the command of this module to the command line."""
    app.command(topic="Scenes")(align)


def align(
    store: Store,
    *,
    out: Out,
    workers: Workers = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing store.", rich_help_panel=COMMON)] = False,
    as_json: AsJson = False,
) -> None:
    """Find gravity, floor and scale of scenes: a store that is upright and in metres, with the errors that are left.

    By boxes, planes, cameras, undersides, usual sizes, ceilings and depth; `scenes.clues` says what each tells. Bounds
    of answers grow by the errors, and what would flip is not asked. Exit code 1: of a scene nothing tells what is up.
    """
    from qa_engine.alignment.run import align as run
    from qa_engine.scenes.store import Store as SceneStore
    from qa_engine.scenes.worlds import errors_in_words

    began = time.perf_counter()
    with resumable("the same command goes on where it was"), Progress("scenes") as progress:
        report = run(store, out=out, workers=workers, force=force, progress=progress.stage("align"))
    scenes = list(SceneStore(out).iter_scenes())
    for scene in scenes:
        typer.echo(f"{scene.scene_name}: {errors_in_words(scene) or 'upright and in metres as given'}", err=True)
        for clue in scene.clues:
            typer.echo(f"  {clue.about:8} {clue.source:10} {clue.words}", err=True)
    close(
        Wrote(out, report.n_scenes, "scenes"),
        since=began,
        notes=[f"{sum(bool(errors_in_words(scene)) for scene in scenes)} turned or scaled"],
        rejects={str(reason): n for reason, n in report.rejects.items()},
        lost=report.lost,
        next=shell("qa-engine", "generate", out, "--out", "QUESTIONS"),
        summary={"errors": {scene.scene_name: errors_in_words(scene) for scene in scenes}},
        as_json=as_json,
    )
