"""Commands that make a store: datasets, ingest."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from qa_engine.ingest.run import IngestReport


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(datasets)
    app.command()(ingest)


def datasets(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the datasets that `ingest` can read and what each needs."""
    from qa_engine.datasets import DATASETS
    from qa_engine.datasets.base import flag

    rows = [
        {
            "name": dataset.name,
            "needs": dataset.needs,
            "options": [flag(name) for name in sorted(dataset.options)],
            "settings": {setting.name: list(setting.values) for setting in dataset.settings},
            "description": dataset.description,
        }
        for dataset in DATASETS.values()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    width = max(len(dataset.name) for dataset in DATASETS.values())
    for dataset in DATASETS.values():
        typer.echo(f"{dataset.name:{width}}  {dataset.description}\n{'':{width}}  ROOT: {dataset.needs}")
        for setting in dataset.settings:
            typer.echo(f"{'':{width}}  --set {setting.name}={'|'.join(setting.values)}: {setting.help}")


def ingest(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset; see 'qa-engine datasets'.")],
    root: Annotated[
        Path | None, typer.Argument(help="File or folder of the dataset; none for a generated one.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the new store.")],
    seed: Annotated[int, typer.Option(help="Seed of the split, and of generated scenes.")] = 0,
    split: Annotated[
        str, typer.Option(help="Fractions of the groups of scenes per split.")
    ] = "train=0.8,val=0.1,test=0.1",
    only: Annotated[list[str] | None, typer.Option(help="Take only this scene; repeat for more.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="Folder of the annotations, where it is not ROOT.")] = None,
    frames: Annotated[
        str | None, typer.Option(help="Folder of the images, where it is not ROOT. Generated: frames per scene.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE, a switch of the dataset; repeat for more.")
    ] = None,
    scenes: Annotated[int | None, typer.Option(min=1, help="Generated: number of scenes.")] = None,
    size: Annotated[int | None, typer.Option(min=16, help="Generated: pixels per side of a frame.")] = None,
    first_scene: Annotated[int | None, typer.Option(min=0, help="Generated: number of the first scene.")] = None,
    checks: Annotated[
        bool, typer.Option("--checks/--no-checks", help="Refuse scenes with wrong units, axes or poses.")
    ] = True,
    workers: Annotated[int, typer.Option(min=1, help="Processes; their number changes nothing in the store.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing store.")] = False,
) -> None:
    """Read a dataset into a store: scenes, objects, frames and their images; what is refused goes to `rejects`.

    A run that was stopped goes on where it was when it is called again. Exit code 1: the store is there, but a scene
    or a frame was lost. 2: nothing was written.
    """
    from qa_engine.datasets import get_dataset
    from qa_engine.datasets.base import IngestOptions
    from qa_engine.ingest.run import ingest as run
    from qa_engine.ingest.run import parse_settings, parse_split

    report = run(
        get_dataset(dataset),
        root,
        out=out,
        options=IngestOptions(
            seed=seed,
            annotations=annotations,
            frames_dir=Path(frames) if frames and not frames.isdecimal() else None,
            scenes=scenes,
            frames=int(frames) if frames and frames.isdecimal() else None,
            size=size,
            first_scene=first_scene,
            settings=parse_settings(settings or ()),
        ),
        split=parse_split(split),
        only=only or (),
        checks=checks,
        workers=workers,
        force=force,
        progress=_Bar(),
    )
    _close_ingest(out, report)
    if report.lost:
        raise typer.Exit(1)


def _close_ingest(out: Path, report: IngestReport) -> None:
    """Say what was written, what was lost and what comes next."""
    if report.rejects:
        reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(report.rejects.items()))
        typer.echo(f"Refused: {reasons}. See {out / 'rejects.parquet'} for file, field and fix.", err=True)
    if report.warnings:
        reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(report.warnings.items()))
        typer.echo(f"Suspicious, but taken: {reasons}. See the rows of stage 'check' in rejects.parquet.", err=True)
    if report.n_resumed:
        typer.echo(f"{report.n_resumed} scenes were done by a run that was stopped.", err=True)
    sampling = (
        f"qa-engine sample-frames {out} --frames 32" if report.n_frames else f"qa-engine generate {out} --out DIR"
    )
    typer.echo(
        f"Wrote {out}: {report.n_scenes} scenes, {report.n_objects} objects, {report.n_frames} frames of "
        f"{report.n_scenes_with_frames} scenes, {sum(report.rejects.values())} rejects in {report.seconds:.1f} s. "
        f"Next: {sampling}",
        err=True,
    )


class _Bar:
    """Shows progress on stderr."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._done = 0

    def __call__(self, done: int, of: int) -> None:
        if self._bar is None:
            self._bar = typer.progressbar(length=of, label="Scenes", file=sys.stderr)
        self._bar.update(done - self._done)
        self._done = done
        if done == of:
            self._bar.render_finish()
