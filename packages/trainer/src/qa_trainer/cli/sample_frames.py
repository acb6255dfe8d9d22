"""Command `sample-frames`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import AsJson, Force, Out, Progress, Wrote, close, shell

from qa_trainer.cli.shared import refused

if TYPE_CHECKING:
    from qa_trainer.frames.settings import SamplingSettings


def sample_frames(
    inputs: Annotated[
        list[Path], typer.Argument(help="Videos, folders of videos, or folders with the images of one scene each.")
    ],
    out: Out,
    settings: SamplingSettings,
    geometry: Annotated[
        str | None,
        typer.Option(
            "--geometry",
            help="Folder or hub id of a VGGT (config.json and safetensors), for space-aware.",
            metavar="NAME",
        ),
    ] = None,
    features: Annotated[bool, typer.Option("--features", help="Keep VGGT's tokens of the chosen frames.")] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Choose the frames of videos without poses that a model is shown, and write them as a store."""
    from dataclasses import asdict

    from qa_contract.files import output_folder

    from qa_trainer.frames.sample import sample_frames as run

    started = time.perf_counter()
    with output_folder(out, force=force) as folder, Progress("videos") as progress:
        summary = run(inputs, settings, folder, geometry=geometry, features=features, reporter=progress)
    close(
        Wrote(out, summary.scenes, "videos"),
        since=started,
        notes=[f"frame set '{summary.frame_set_id}'"],
        rejects=refused(out),
        lost=summary.rejects,
        next=shell("qa-eval", "run", "QUESTIONS", "--store", out, "--model", "MODEL", "--out", "DIR"),
        summary=asdict(summary),
        as_json=as_json,
    )
