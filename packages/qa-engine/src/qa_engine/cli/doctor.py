"""The command that looks at a folder before it is ingested: doctor."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import COMMON, App, shell

from qa_engine.cli.options import Annotations, Settings

if TYPE_CHECKING:
    from qa_engine.ingestion.doctor import Diagnosis


def register(app: App) -> None:
    """Add the commands of this module to the command line."""
    app.command(topic="Scenes")(doctor)


def doctor(
    root: Annotated[
        Path | None, typer.Argument(help="File or folder of a dataset; without it, look at this machine.")
    ] = None,
    *,
    dataset: Annotated[str | None, typer.Option(help="Its name; found out where not given.")] = None,
    annotations: Annotations = None,
    frames_dir: Annotated[
        Path | None, typer.Option("--frames-dir", "--frames", help="Folder of the images, where it is not ROOT.")
    ] = None,
    settings: Settings = None,
    scenes: Annotated[int, typer.Option(min=0, help="Scenes to read and check.")] = 3,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of a table.", rich_help_panel=COMMON)
    ] = False,
) -> None:
    """Say which dataset a folder is, what is missing and where to get it, and whether its first scenes make sense.

    Without a folder: which layers lock the processes that run programs on this machine.

    Exit code 1: a required part is missing, or a scene would be refused.
    """
    if root is None:
        _show_layers(as_json=as_json)
        return
    from qa_engine.datasets.base import IngestOptions
    from qa_engine.ingestion.doctor import diagnose
    from qa_engine.ingestion.run import parse_settings

    options = IngestOptions(annotations=annotations, frames_dir=frames_dir, settings=parse_settings(settings or ()))
    found = diagnose(root, dataset=dataset, options=options, n_scenes=scenes)
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=1))
    else:
        _show(found)
    required = [part for part in found.missing if part.required]
    severe = [problem for problem in found.problems if problem.severe]
    given = {"--annotations": annotations, "--frames-dir": frames_dir}
    words = [word for name, folder in given.items() if folder for word in (name, folder)]
    words += [word for setting in settings or () for word in ("--set", setting)]
    _close(found, shell("qa-engine", "ingest", found.dataset, root, *words, "--out", "STORE"))
    if required or severe:
        raise typer.Exit(1)


def _show_layers(*, as_json: bool) -> None:
    """Print what locks a worker that runs programs, asked of a worker."""
    from qa_engine.programs.isolation import layer_report

    report = layer_report()
    if as_json:
        typer.echo(json.dumps({"layers": [asdict(layer) for layer in report]}, indent=1))
    else:
        for layer in report:
            typer.echo(f"{layer.name:11}  {'active' if layer.active else 'not active':10}  {layer.about}")
    names = [layer.name for layer in report if not layer.active and layer.wanted]
    typer.echo(
        f"Programs run, but without {', '.join(names)}."
        if names
        else "Programs run behind every layer that is built in.",
        err=True,
    )


def _show(found: Diagnosis) -> None:
    """Print the tables."""
    typer.echo(f"dataset {found.dataset}, {found.n_scenes} scenes")
    rows = [
        (part.name, str(part.found) if part.found else "MISSING" if part.required else "none", part.used_for)
        for part in found.parts
    ]
    widths = [max(len(row[i]) for row in [*rows, ("part", "files", "")]) for i in range(2)]
    typer.echo(f"\n{'part':{widths[0]}}  {'files':>{widths[1]}}  used for")
    for part, (name, n, used_for) in zip(found.parts, rows, strict=True):
        typer.echo(f"{name:{widths[0]}}  {n:>{widths[1]}}  {used_for}")
        if not part.found:
            typer.echo(f"{'':{widths[0]}}  {'':{widths[1]}}  get it from {part.source}")
    for name, about in found.formats.items():
        typer.echo(f"\nformat {name}: {about}")
    for scene in found.scenes:
        posed = sum(frame.world_from_camera is not None for frame in scene.frames)
        surface = "" if scene.cloud is None else f"{len(scene.cloud)} points, "
        surface += "" if scene.mesh is None else f"{len(scene.mesh)} triangles, "
        unknown = "unknown" if scene.cloud is None else "measured by ingest"
        area = unknown if scene.room_size_m2 is None else f"{scene.room_size_m2:.1f} m2"
        typer.echo(
            f"\nscene {scene.scene_name}: {len(scene)} objects of {len(scene.category_counts)} categories, "
            f"{len(scene.frames)} frames ({posed} posed), room {area}, {surface}{len(scene.refused)} objects left out"
        )
        boxes = Counter(scene.category.tolist())
        differ = [f"{name} {n} ({boxes[name]} boxes)" for name, n in scene.category_counts.items() if n != boxes[name]]
        if differ:
            typer.echo(f"  published counts differ from the boxes, and nobody counts these: {', '.join(differ)}")
        if doubts := found.untold.get(scene.scene_name):
            typer.echo(f"  cannot tell from this scene whether {'; '.join(doubts)}")
    for problem in found.problems:
        title = "error" if problem.severe else "suspicious"
        place = f"scene {problem.scene_name}: " if problem.scene_name else ""
        typer.echo(f"\n{title}: {place}{problem.problem}\n  fix: {problem.fix}")


def _close(found: Diagnosis, ingest: str) -> None:
    """Say the first thing to do."""
    severe = next((problem for problem in found.problems if problem.severe), None)
    required = next((part for part in found.missing if part.required), None)
    if required is not None:
        step = f"First fix: get {required.name} by {required.source}."
    elif severe is not None:
        step = f"First fix: {severe.fix}"
    else:
        step = f"Nothing is in the way. Next: {ingest}"
    typer.echo(step, err=True)


def _as_json(found: Diagnosis) -> dict[str, object]:
    """Build the answer for programs."""
    return {
        "dataset": found.dataset,
        "n_scenes": found.n_scenes,
        "formats": found.formats,
        "parts": [asdict(part) for part in found.parts],
        "scenes": [
            {"scene_name": scene.scene_name, "n_objects": len(scene), "n_frames": len(scene.frames)}
            for scene in found.scenes
        ],
        "untold": found.untold,
        "problems": [asdict(problem) for problem in found.problems],
    }
