"""The command that makes a store: ingest."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import COMMON, App, AsJson, Out, Progress, Seed, Workers, Wrote, close, resumable, shell

from qa_engine.cli.options import Annotations, FramesDir, RayAddress, Reviews, Settings, open_executor
from qa_engine.errors import QAEngineError

if TYPE_CHECKING:
    from qa_engine.datasets.base import Dataset
    from qa_engine.ingestion.run import IngestReport

GENERATED = "Generated scenes"


def register(app: App) -> None:
    """Add the command of this module to the command line."""
    app.command(topic="Scenes")(ingest)


def ingest(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset; see 'qa-engine datasets'.")],
    root: Annotated[
        Path | None, typer.Argument(help="File or folder of the dataset; none for a generated one.")
    ] = None,
    *,
    out: Out,
    split: Annotated[
        str, typer.Option(help="Fractions of the groups of scenes per split.")
    ] = "train=0.8,val=0.1,test=0.1",
    only: Annotated[list[str] | None, typer.Option(help="Take only this scene.")] = None,
    annotations: Annotations = None,
    frames_dir: FramesDir = None,
    frames: Annotated[
        str | None, typer.Option(help="Short for --frames-dir, or for --frames-per-scene: the one that DATASET has.")
    ] = None,
    settings: Settings = None,
    checks: Annotated[
        bool, typer.Option("--checks/--no-checks", help="Refuse scenes with wrong units, axes or poses.")
    ] = True,
    unaligned: Annotated[
        bool,
        typer.Option("--unaligned", help="Take scenes whose up or scale is doubted, with that error, for 'align'."),
    ] = False,
    reviews: Reviews = None,
    scenes: Annotated[int | None, typer.Option(min=1, help="How many.", rich_help_panel=GENERATED)] = None,
    frames_per_scene: Annotated[
        int | None, typer.Option(min=0, help="Frames of each.", rich_help_panel=GENERATED)
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=16, help="Pixels per side of a frame.", rich_help_panel=GENERATED)
    ] = None,
    first_scene: Annotated[
        int | None, typer.Option(min=0, help="Number of the first scene.", rich_help_panel=GENERATED)
    ] = None,
    seed: Seed = 0,
    workers: Workers = 1,
    ray_address: RayAddress = None,
    collection: Annotated[
        str | None, typer.Option(help="Name of these scenes, by which 'generate --collections' shares out.")
    ] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Add the scenes to the store that --out holds.", rich_help_panel=COMMON)
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing store.", rich_help_panel=COMMON)] = False,
    as_json: AsJson = False,
) -> None:
    """Read a dataset into a store: scenes, objects, frames and their images; what is refused goes to `rejects`.

    A run that was stopped goes on where it was when it is called again. Exit code 1: the store is there, but a scene
    or a frame was lost. 2: nothing was written.
    """
    from qa_engine.datasets import get_dataset
    from qa_engine.datasets.base import IngestOptions
    from qa_engine.ingestion.run import ingest as run
    from qa_engine.ingestion.run import parse_settings, parse_split

    began = time.perf_counter()
    source = get_dataset(dataset)
    if frames is not None:
        frames_dir, frames_per_scene = _frames_of(source, frames, frames_dir, frames_per_scene)
    with resumable("the same command goes on where it was"), Progress("scenes") as progress:
        report = run(
            source,
            root,
            out=out,
            options=IngestOptions(
                seed=seed,
                annotations=annotations,
                frames_dir=frames_dir,
                scenes=scenes,
                frames=frames_per_scene,
                size=size,
                first_scene=first_scene,
                settings=parse_settings(settings or ()),
            ),
            split=parse_split(split),
            only=only or (),
            checks=checks,
            reviews=reviews,
            unaligned=unaligned,
            executor=open_executor(workers, ray_address),
            add=add,
            collection=collection,
            force=force,
            progress=progress.stage("ingest"),
        )
    _close(out, report, began, unaligned=unaligned, as_json=as_json)


def _frames_of(source: Dataset, frames: str, folder: Path | None, number: int | None) -> tuple[Path | None, int | None]:
    """Say what --frames stands for: the folder of the images, or the frames of each scene where these are made."""
    if source.needs_root:
        if folder is not None:
            raise QAEngineError("--frames and --frames-dir are one option of this dataset; give one of them.")
        return Path(frames), number
    if number is not None:
        raise QAEngineError("--frames and --frames-per-scene are one option of this dataset; give one of them.")
    if not frames.isascii() or not frames.isdigit():
        raise QAEngineError(f"--frames {frames}: dataset '{source.name}' makes its frames; say how many per scene.")
    return folder, int(frames)


def _close(out: Path, report: IngestReport, began: float, *, unaligned: bool, as_json: bool) -> None:
    """Say what was written, what was lost and what comes next."""
    if report.rejects:
        typer.echo(f"See {out / 'rejects.parquet'} for file, field and fix of what was refused.", err=True)
    if report.warnings:
        reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(report.warnings.items()))
        typer.echo(f"Suspicious, but taken: {reasons}. See the rows of stage 'check' in rejects.parquet.", err=True)
    if report.n_resumed:
        typer.echo(f"{report.n_resumed} scenes were done by a run that was stopped.", err=True)
    for table, command in (("observations", "observe"), ("frame_sets", "sample-frames")):
        if (out / f"{table}.parquet").is_file():  # only a store that was added to can have them already
            typer.echo(f"{table}.parquet lacks the new scenes until 'qa-engine {command}' writes it again.", err=True)
    if unaligned:
        after = shell("qa-engine", "align", out, "--out", "STORE")
    elif report.n_frames:
        after = shell("qa-engine", "sample-frames", out, "--frames", 32)
    else:
        after = shell("qa-engine", "generate", out, "--out", "QUESTIONS")
    close(
        Wrote(out, report.n_scenes, "scenes"),
        since=began,
        notes=[f"{report.n_objects} objects", f"{report.n_frames} frames of {report.n_scenes_with_frames} scenes"],
        rejects={str(reason): n for reason, n in report.rejects.items()},
        lost=report.lost,
        next=after,
        summary={"warnings": dict(report.warnings), "resumed": report.n_resumed},
        as_json=as_json,
    )
