"""Command `sample-frames`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from qa_trainer.cli.shared import AsJson, Force, report


def register(app: typer.Typer) -> None:
    """Add the command to the command line of the package."""
    app.command("sample-frames")(sample_frames)


def sample_frames(
    inputs: Annotated[
        list[Path], typer.Argument(help="Videos, folders of videos, or folders with the images of one scene each.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write: a store of the chosen frames.")],
    geometry: Annotated[
        str | None, typer.Option(help="Folder or hub id of a VGGT (config.json and safetensors), for space-aware.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames per video, exactly.")] = 16,
    candidates: Annotated[int, typer.Option(min=1, help="Frames at even times that are chosen from.")] = 128,
    method: Annotated[
        str, typer.Option(help="space-aware = see most of the space; uniform = even times, without a model.")
    ] = "space-aware",
    points: Annotated[str, typer.Option(help="depth = unprojected depth; point = VGGT's point head.")] = "depth",
    longest_side: Annotated[int, typer.Option(help="Of a frame as VGGT sees it, pixels.")] = 518,
    features: Annotated[bool, typer.Option("--features", help="Keep VGGT's tokens of the chosen frames.")] = False,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16, of VGGT's transformer.")] = "float32",
    device: Annotated[str, typer.Option(help="auto or cpu.")] = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Choose the frames of videos without poses that a model is shown, and write them as a store."""
    from dataclasses import asdict

    from qa_contract.files import output_folder

    from qa_trainer.frames.sample import SamplingOptions
    from qa_trainer.frames.sample import sample_frames as run

    options = SamplingOptions(method, frames, candidates, points, longest_side, dtype)
    with output_folder(out, force=force) as folder:
        summary = run(inputs, options, folder, geometry=geometry, device=device, features=features, report=report)
    if as_json:
        typer.echo(json.dumps(asdict(summary)))
    refused = f", {summary.rejects} refused (see {out / 'rejects.parquet'})" if summary.rejects else ""
    report(
        f"{out}: frame set '{summary.frame_set_id}' of {summary.scenes} videos{refused}, {summary.seconds:.1f} s; "
        f"next: qa-eval run QUESTIONS --store {out} --model MODEL --out DIR"
    )
    if summary.rejects:
        raise typer.Exit(1)
