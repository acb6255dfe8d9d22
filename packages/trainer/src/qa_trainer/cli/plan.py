"""Command `plan`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import AsJson
from qa_contract.errors import ExitCode

from qa_trainer.cli.shared import Model

if TYPE_CHECKING:
    from qa_trainer.sft.settings import SFTSettings

FIELDS = ("batch_size", "micro_batch_size", "freeze", "lora_rank", "dtype", "activation_checkpointing", "device")
"""Settings of `sft` that decide what a run needs."""


def plan(
    model: Model,
    settings: SFTSettings,
    frames: Annotated[int, typer.Option("--frames", min=0, help="Frames per question.")] = 32,
    frame_size: Annotated[
        str, typer.Option("--frame-size", help="Width and height of a frame, pixels.", metavar="WIDTHxHEIGHT")
    ] = "640x480",
    memory_gb: Annotated[
        float | None, typer.Option("--memory-gb", min=0, help="Memory of the device. Default: what is there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate memory and time of a run of 'sft', and say what to change when it does not fit."""
    from dataclasses import asdict

    from qa_trainer.errors import QATrainerError
    from qa_trainer.estimate import advice, device_bytes, estimate_sft
    from qa_trainer.models.loading import resolve_model
    from qa_trainer.models.quiet import quiet_libraries

    width, _, height = frame_size.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) * int(height)):
        raise QATrainerError(f"--frame-size {frame_size}: expected WIDTHxHEIGHT, for example 640x480.")
    quiet_libraries()
    found = estimate_sft(resolve_model(model), settings, frames=frames, frame_size=(int(width), int(height)))
    available = int(memory_gb * 1e9) if memory_gb is not None else device_bytes(settings)
    changes = advice(found, settings, available)
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"total_bytes": found.total_bytes, "available_bytes": available}))
    else:
        parts = ", ".join(f"{part} {count / 1e6:.1f} M" for part, count in sorted(found.parameters.items()))
        typer.echo(f"parameters   {parts}; trained {found.trained / 1e6:.1f} M")
        typer.echo(f"a question   {found.tokens} tokens, {found.patches} patches")
        for name in ("weights", "gradient", "optimizer", "activation", "pixel"):
            typer.echo(f"{name:<12} {getattr(found, f'{name}_bytes') / 1e9:.2f} GB")
        typer.echo(f"together     {found.total_bytes / 1e9:.2f} GB of {available / 1e9:.2f} GB")
        typer.echo(f"a step       {found.flops / 1e12:.3f} TFLOP, about {found.seconds:.1f} s")
    for line in changes:
        typer.echo(f"does not fit; {line}", err=True)
    if changes:
        raise typer.Exit(ExitCode.LOST)
