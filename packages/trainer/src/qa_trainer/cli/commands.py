"""Commands beside `sft`: score, init-spatial, plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from qa_trainer.cli.shared import AsJson, Force, Model, Out, Questions, Store, report


def register(app: typer.Typer) -> None:
    """Add the commands to the command line of the package."""
    app.command("score")(score)
    app.command("init-spatial")(init_spatial)
    app.command("plan")(plan)


def score(
    questions: Questions,
    store: Store,
    model: Model,
    out: Out,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions per forward pass.")] = 16,
    sample: Annotated[int | None, typer.Option(min=1, help="Answer so many questions only, drawn by --seed.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 16,
    round_number: Annotated[int | None, typer.Option("--round", help="Round. [default: the questions']")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the drawn questions.")] = 0,
    device: Annotated[str, typer.Option(help="auto or cpu.")] = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Answer questions with one frozen model and write every answer with its log-probabilities (phase score)."""
    from dataclasses import asdict

    from qa_contract.files import output_folder

    from qa_trainer.score import ScoreOptions
    from qa_trainer.score import score as run

    options = ScoreOptions(batch_size, sample, max_new_tokens, round_number, seed, device)
    with output_folder(out, force=force) as folder:
        summary = run(questions, store, model, options, folder, report=report)
    if as_json:
        typer.echo(json.dumps(asdict(summary)))
    cut = f", {summary.unfinished} cut at {max_new_tokens} tokens" if summary.unfinished else ""
    report(
        f"{out}: {summary.predictions} answers, {summary.rejects} questions refused{cut}, {summary.seconds:.1f} s; "
        f"next: qa-confidence label {out} --out DIR"
    )
    if summary.rejects:
        raise typer.Exit(1)


def init_spatial(
    base: Annotated[str, typer.Argument(help="Qwen2.5-VL or Qwen3-VL: a folder, a hub id, or 'tiny'.")],
    out: Out,
    geometry: Annotated[str, typer.Option(help="vggt (VGGT-1B's sizes) or tiny.")] = "vggt",
    geometry_weights: Annotated[Path | None, typer.Option(help="Safetensors file of facebook/VGGT-1B.")] = None,
    connector: Annotated[str, typer.Option(help="mlp_add (as published), mlp_cat or cross_attention.")] = "mlp_add",
    seed: Annotated[int, typer.Option(help="Seed of the new weights.")] = 0,
    force: Force = False,
) -> None:
    """Add a geometry encoder to a base model, so that 'sft --model' trains the dual encoder."""
    from qa_contract.files import output_folder

    from qa_trainer.errors import QATrainerError, unknown_name
    from qa_trainer.models.loading import resolve_model
    from qa_trainer.models.quiet import quiet_libraries

    quiet_libraries()
    from qa_trainer.models.spatial_mllm.assemble import assemble
    from qa_trainer.models.spatial_mllm.configuration_spatial_mllm import CONNECTORS, GEOMETRY_ENCODERS

    for kind, name, known in (("geometry encoder", geometry, GEOMETRY_ENCODERS), ("connector", connector, CONNECTORS)):
        if name not in known:
            raise unknown_name(kind, name, known)
    folder = resolve_model(base)
    if geometry_weights is not None and not geometry_weights.is_file():
        raise QATrainerError(f"--geometry-weights {geometry_weights}: no such file.")
    with output_folder(out, force=force) as target:
        model, processor = assemble(
            folder,
            geometry={"type": geometry},
            connector={"type": connector},
            geometry_weights=geometry_weights,
            seed=seed,
        )
        model.save_pretrained(target)
        processor.save_pretrained(target)
    weights = "released weights" if geometry_weights else "random weights"
    report(f"{out}: {geometry} with {weights}; next: qa-trainer sft QUESTIONS --model {out} --freeze geometry")


def plan(
    model: Model,
    config: Annotated[Path | None, typer.Option(help="TOML file of 'sft --config'.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Questions per step. [default: 64]")] = None,
    micro_batch_size: Annotated[int | None, typer.Option(help="Questions per forward pass. [default: all]")] = None,
    frames: Annotated[int, typer.Option(min=0, help="Frames per question.")] = 32,
    frame_size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of a frame, pixels.")] = "640x480",
    memory_gb: Annotated[float | None, typer.Option(help="Memory of the device. [default: what is there]")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or bfloat16 arithmetic. [default: float32]")] = None,
    device: Annotated[str | None, typer.Option(help="auto or cpu. [default: auto]")] = None,
    freeze: Annotated[list[str] | None, typer.Option(help="vision, geometry, connector or language.")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Adapters of this rank. [default: none]")] = None,
    activation_checkpointing: Annotated[bool | None, typer.Option(help="As in sft.")] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate memory and time of a run of 'sft', and say what to change when it does not fit."""
    from dataclasses import asdict

    from qa_trainer.config import SFTSettings, load_settings
    from qa_trainer.errors import QATrainerError
    from qa_trainer.estimate import advice, device_bytes, make_plan
    from qa_trainer.models.loading import resolve_model
    from qa_trainer.models.quiet import quiet_libraries

    overrides = {
        "batch_size": batch_size,
        "micro_batch_size": micro_batch_size,
        "dtype": dtype,
        "device": device,
        "freeze": freeze or None,
        "lora_rank": lora_rank,
        "activation_checkpointing": activation_checkpointing,
    }
    settings = load_settings(config, overrides, SFTSettings)
    width, _, height = frame_size.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) * int(height)):
        raise QATrainerError(f"--frame-size {frame_size}: expected WIDTHxHEIGHT, for example 640x480.")
    quiet_libraries()
    made = make_plan(resolve_model(model), settings, frames=frames, frame_size=(int(width), int(height)))
    available = int(memory_gb * 1e9) if memory_gb is not None else device_bytes(settings)
    changes = advice(made, settings, available)
    if as_json:
        typer.echo(json.dumps(asdict(made) | {"total_bytes": made.total_bytes, "available_bytes": available}))
    else:
        parts = ", ".join(f"{part} {count / 1e6:.1f} M" for part, count in sorted(made.parameters.items()))
        typer.echo(f"parameters   {parts}; trained {made.trained / 1e6:.1f} M")
        typer.echo(f"a question   {made.tokens} tokens, {made.patches} patches")
        for name in ("weights", "gradient", "optimizer", "activation"):
            typer.echo(f"{name:<12} {getattr(made, f'{name}_bytes') / 1e9:.2f} GB")
        typer.echo(f"together     {made.total_bytes / 1e9:.2f} GB of {available / 1e9:.2f} GB")
        typer.echo(f"a step       {made.flops / 1e12:.3f} TFLOP, about {made.seconds:.1f} s")
    for line in changes:
        report(f"does not fit; {line}")
    if changes:
        raise typer.Exit(1)
