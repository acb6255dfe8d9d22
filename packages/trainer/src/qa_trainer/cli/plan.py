"""Command `plan`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from qa_contract.cli import AsJson
from qa_contract.errors import ExitCode

from qa_trainer.cli.shared import Model

if TYPE_CHECKING:
    from qa_contract.cli.settings import Settings

Command = Literal["sft", "grpo", "score", "eval"]


def plan(
    model: Model,
    settings: Settings,
    command: Annotated[Command, typer.Option("--for", help="Command that is planned.")] = "sft",
    frames: Annotated[int, typer.Option("--frames", min=0, help="Frames per question.")] = 32,
    frame_size: Annotated[
        str, typer.Option("--frame-size", help="Width and height of a frame, pixels.", metavar="WIDTHxHEIGHT")
    ] = "640x480",
    memory_gb: Annotated[
        float | None, typer.Option("--memory-gb", min=0, help="Memory of one device. Default: what it has.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate memory and time of a run, and say what to change when it does not fit; needs no weights."""
    from dataclasses import asdict, replace

    from qa_trainer.errors import QATrainerError
    from qa_trainer.estimate.advice import advice
    from qa_trainer.estimate.devices import local_devices, parse_devices
    from qa_trainer.estimate.needs import estimate_run
    from qa_trainer.estimate.settings import settings_for
    from qa_trainer.models.loading import resolve_model
    from qa_trainer.models.quiet import quiet_libraries

    width, _, height = frame_size.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) * int(height)):
        raise QATrainerError(f"--frame-size {frame_size}: expected WIDTHxHEIGHT, for example 640x480.")
    quiet_libraries()
    own = settings_for(command, settings)
    on = local_devices(own.device, "float32") if own.devices is None else parse_devices(own.devices)
    if memory_gb is not None:
        on = replace(on, memory_bytes=int(memory_gb * 1e9))
    folder = resolve_model(model, weights=False)
    found = estimate_run(folder, own, on, frames=frames, frame_size=(int(width), int(height)))
    changes = advice(found, own, on)
    if as_json:
        facts = {"total_bytes": found.total_bytes, "available_bytes": on.memory_bytes, "devices": asdict(on)}
        typer.echo(json.dumps(asdict(found) | facts))
    else:
        parts = ", ".join(f"{part} {count / 1e6:.1f} M" for part, count in sorted(found.parameters.items()))
        typer.echo(f"parameters   {parts}; trained {found.trained / 1e6:.1f} M")
        typer.echo(f"a question   {found.tokens} tokens, {found.image_tokens} of them frames; {found.patches} patches")
        for name in ("weights", "gradient", "optimizer", "activation", "pixel", "reference"):
            if size := getattr(found, f"{name}_bytes"):
                typer.echo(f"{name:<12} {size / 1e9:.2f} GB")
        typer.echo(f"together     {found.total_bytes / 1e9:.2f} GB of {on.memory_bytes / 1e9:.2f} GB per device")
        recomputed = ", activations recomputed" if found.activation_checkpointing else ""
        shared = ", weights cut over the devices (configs/accelerate_fsdp2.yaml)" if found.sharded else ""
        typer.echo(f"on           {on.count} x {on.name}, {found.micro_batch} at once{recomputed}{shared}")
        what = "a step" if command in ("sft", "grpo") else "a question"
        typer.echo(f"{what:<12} {found.flops / 1e12:.3f} TFLOP, about {_duration(found.seconds)}")
        if found.total_seconds is not None:
            typer.echo(f"the run      about {_duration(found.total_seconds)}")
    for line in changes:
        typer.echo(f"does not fit; {line}", err=True)
    if changes:
        raise typer.Exit(ExitCode.LOST)


def _duration(seconds: float) -> str:
    """Write a time in the unit that it is read in."""
    for unit, size in (("days", 86400), ("hours", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
