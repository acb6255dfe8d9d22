"""Commands about the frames of a store: observe, sample-frames."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(observe)
    app.command("sample-frames")(sample_frames)


def observe(
    store: Annotated[Path, typer.Argument(help="Folder of the store.")],
    *,
    mesh: Annotated[
        bool, typer.Option("--mesh/--no-mesh", help="Cast rays at the meshes of scenes that have one; extra 'open3d'.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Write the table again where it exists.")] = False,
) -> None:
    """Find which objects each frame shows, and write them to the store's `observations`.

    Pixels are counted in instance images where a dataset has them, else by casting rays at the mesh, else by depth,
    else by casting rays at the boxes.
    A run that was stopped goes on where it was.
    """
    from qa_engine.scenes.store import Store
    from qa_engine.views.observations import observe as run

    report = run(Store(store), mesh=mesh, force=force, progress=_with_bar)
    if report.n_unknown:
        typer.echo(f"{report.n_unknown} frames have neither a pose nor an instance image and show nothing.", err=True)
    if report.n_resumed:
        typer.echo(f"{report.n_resumed} scenes were done by a run that was stopped.", err=True)
    if report.n_meshes:
        typer.echo(f"{report.n_meshes} scenes were seen by casting rays at their meshes.", err=True)
    typer.echo(
        f"Wrote {store / 'observations.parquet'}: {report.n_observations} rows, {report.n_frames} frames of "
        f"{report.n_scenes} scenes in {report.seconds:.1f} s. Next: qa-engine sample-frames {store} --frames 32",
        err=True,
    )


def sample_frames(
    store: Annotated[Path, typer.Argument(help="Folder of the store.")],
    *,
    frames: Annotated[int, typer.Option(min=1, help="Frames per scene; a scene with fewer keeps all of its own.")],
    method: Annotated[
        str,
        typer.Option(
            help="uniform = even steps; coverage = see most of the room; query = see what --questions ask about."
        ),
    ] = "uniform",
    questions: Annotated[Path | None, typer.Option(help="For query: file or folder of questions.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Make a frame set again that exists.")] = False,
) -> None:
    """Choose the frames of each scene that a model sees, and write them to the store's `frame_sets`."""
    from qa_engine.scenes.store import Store
    from qa_engine.views.frame_sets import sample_frames as run

    report = run(Store(store), method=method, n=frames, questions=questions, force=force)
    if report.n_short:
        typer.echo(f"{report.n_short} scenes have fewer than {frames} frames and keep all of theirs.", err=True)
    if report.n_blind:
        typer.echo(f"{report.n_blind} scenes give '{method}' nothing to go by and get frames at even steps.", err=True)
    if report.n_without_frames:
        typer.echo(f"{report.n_without_frames} scenes have no frames and get no row.", err=True)
    typer.echo(
        f"Wrote {store / 'frame_sets.parquet'}: '{report.frame_set_id}' for {report.n_scenes} scenes in "
        f"{report.seconds:.1f} s. Next: qa-engine generate {store} --out QUESTIONS",
        err=True,
    )


def _with_bar(parts: Sequence[list[str]]) -> Iterable[list[str]]:
    """Show progress on stderr."""
    with typer.progressbar(length=sum(map(len, parts)), label="Scenes", file=sys.stderr) as bar:
        for part in parts:
            yield part
            bar.update(len(part))
