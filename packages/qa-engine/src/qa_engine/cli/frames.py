"""Commands about the frames of a store: observe, sample-frames."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import COMMON, App, AsJson, Progress, Store, Workers, Wrote, close, shell

from qa_engine.cli.options import RayAddress, open_executor

Again = Annotated[bool, typer.Option("--force", help="Make again what exists.", rich_help_panel=COMMON)]


def register(app: App) -> None:
    """Add the commands of this module to the command line."""
    app.command(topic="Scenes")(observe)
    app.command("sample-frames", topic="Scenes")(sample_frames)


def observe(
    store: Store,
    *,
    mesh: Annotated[
        bool, typer.Option("--mesh/--no-mesh", help="Cast rays at the meshes of scenes that have one; extra 'open3d'.")
    ] = True,
    workers: Workers = 1,
    ray_address: RayAddress = None,
    force: Again = False,
    as_json: AsJson = False,
) -> None:
    """Find which objects each frame shows, and write them to the store's `observations`.

    Pixels are counted in instance images where a dataset has them, else by casting rays at the mesh, else by depth,
    else by casting rays at the boxes.
    A run that was stopped goes on where it was.
    """
    from qa_engine.scenes.store import Store as SceneStore
    from qa_engine.views.observations import observe as run

    began = time.perf_counter()
    with Progress("scenes") as progress:
        executor = open_executor(workers, ray_address)
        report = run(SceneStore(store), mesh=mesh, executor=executor, force=force, progress=progress.stage("observe"))
    if report.n_unknown:
        typer.echo(f"{report.n_unknown} frames have neither a pose nor an instance image and show nothing.", err=True)
    if report.n_resumed:
        typer.echo(f"{report.n_resumed} scenes were done by a run that was stopped.", err=True)
    if report.n_meshes:
        typer.echo(f"{report.n_meshes} scenes were seen by casting rays at their meshes.", err=True)
    close(
        Wrote(store / "observations.parquet", report.n_observations),
        since=began,
        notes=[f"{report.n_frames} frames of {report.n_scenes} scenes"],
        next=shell("qa-engine", "sample-frames", store, "--frames", 32),
        as_json=as_json,
    )


def sample_frames(
    store: Store,
    *,
    frames: Annotated[int, typer.Option(min=1, help="Frames per scene; a scene with fewer keeps all of its own.")],
    method: Annotated[
        str,
        typer.Option(
            help="uniform = even steps; coverage = see most of the room; query = see what --questions ask about."
        ),
    ] = "uniform",
    questions: Annotated[Path | None, typer.Option(help="For query: file or folder of questions.")] = None,
    workers: Workers = 1,
    ray_address: RayAddress = None,
    force: Again = False,
    as_json: AsJson = False,
) -> None:
    """Choose the frames of each scene that a model sees, and write them to the store's `frame_sets`."""
    from qa_engine.scenes.store import Store as SceneStore
    from qa_engine.views.frame_sets import sample_frames as run

    began = time.perf_counter()
    executor = open_executor(workers, ray_address)
    report = run(SceneStore(store), method=method, n=frames, questions=questions, executor=executor, force=force)
    if report.n_short:
        typer.echo(f"{report.n_short} scenes have fewer than {frames} frames and keep all of theirs.", err=True)
    if report.n_blind:
        typer.echo(f"{report.n_blind} scenes give '{method}' nothing to go by and get frames at even steps.", err=True)
    if report.n_without_frames:
        typer.echo(f"{report.n_without_frames} scenes have no frames and get no row.", err=True)
    close(
        Wrote(store / "frame_sets.parquet", report.n_scenes, f"scenes with '{report.frame_set_id}'"),
        since=began,
        next=shell("qa-engine", "generate", store, "--out", "QUESTIONS"),
        as_json=as_json,
    )
