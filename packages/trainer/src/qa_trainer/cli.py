"""Command line of qa-trainer; the heavy libraries are imported by the commands that need them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from qa_trainer.commands import register as register_more
from qa_trainer.errors import QATrainerError
from qa_trainer.grpo_command import register as register_grpo
from qa_trainer.options import (
    AllowBenchmarkScenes,
    AsJson,
    Config,
    Device,
    DryRun,
    Dtype,
    Freeze,
    LoraAlpha,
    LoraRank,
    Model,
    Restart,
    RunOut,
    SaveSteps,
    Seed,
    Steps,
    report,
)
from qa_trainer.probe_command import register as register_probe
from qa_trainer.tiny.commands import register
from qa_trainer.video_commands import register as register_video

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Fine-tune a vision-language model on spatial questions and record its confidence on the way.",
)


@app.callback()
def options(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Fine-tune a vision-language model on spatial questions and record its confidence on the way."""


@app.command()
def sft(
    model: Model,
    out: RunOut,
    questions: Annotated[
        Path | None, typer.Argument(help="Table 'questions': a Parquet file or its folder.", show_default=False)
    ] = None,
    store: Annotated[Path | None, typer.Option(help="Store with the frames that the questions are about.")] = None,
    mixture: Annotated[Path | None, typer.Option(help="TOML file: more sources, and the share of each.")] = None,
    config: Config = None,
    state_from: Annotated[Path | None, typer.Option(help="--out of the run to continue: optimizer, step.")] = None,
    steps: Steps = None,
    batch_size: Annotated[int | None, typer.Option(help="Questions per step. [default: 64]")] = None,
    micro_batch_size: Annotated[int | None, typer.Option(help="Questions per forward pass. [default: all]")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest of the schedule. [default: 1e-06]")] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="constant, linear, cosine, polynomial or inverse_sqrt. [default: constant]"),
    ] = None,
    warmup_steps: Annotated[int | None, typer.Option(help="Steps of rising learning rate. [default: 0]")] = None,
    schedule_steps: Annotated[
        int | None, typer.Option(help="Steps of the schedule, all rounds together. [default: to the end of this run]")
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of AdamW. [default: 0.0]")] = None,
    max_grad_norm: Annotated[float | None, typer.Option(help="Gradient clipping, 0 = none. [default: 1.0]")] = None,
    seed: Seed = None,
    round_number: Annotated[int | None, typer.Option("--round", help="Round. [default: the questions']")] = None,
    dtype: Dtype = None,
    device: Device = None,
    freeze: Freeze = None,
    lora_rank: LoraRank = None,
    lora_alpha: LoraAlpha = None,
    activation_checkpointing: Annotated[
        bool | None, typer.Option(help="Less memory, more time. [default: no-activation-checkpointing]")
    ] = None,
    save_steps: SaveSteps = None,
    image_cache_mb: Annotated[int | None, typer.Option(help="Memory for frames. [default: 1024]")] = None,
    report_to: Annotated[
        list[str] | None, typer.Option(help="trackio, tensorboard, wandb, ...; repeatable. [default: none]")
    ] = None,
    allow_benchmark_scenes: AllowBenchmarkScenes = False,
    dry_run: DryRun = False,
    force: Restart = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune on questions; write model, optimizer state and the confidence of every answer trained on."""
    from dataclasses import asdict

    from qa_trainer.config import SFTSettings, load_settings
    from qa_trainer.run import SFTInputs, read_feed, run_sft

    overrides = {
        "steps": steps,
        "batch_size": batch_size,
        "micro_batch_size": micro_batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "warmup_steps": warmup_steps,
        "schedule_steps": schedule_steps,
        "weight_decay": weight_decay,
        "max_grad_norm": max_grad_norm,
        "seed": seed,
        "round": round_number,
        "dtype": dtype,
        "device": device,
        "freeze": freeze or None,
        "lora_rank": lora_rank,
        "lora_alpha": lora_alpha,
        "activation_checkpointing": activation_checkpointing,
        "save_steps": save_steps,
        "image_cache_mb": image_cache_mb,
        "allow_benchmark_scenes": allow_benchmark_scenes or None,
        "report_to": report_to or None,
    }
    settings = load_settings(config, overrides, SFTSettings)
    inputs = SFTInputs(model, questions, store, state_from, mixture)
    if dry_run:
        from qa_trainer.loading import resolve_model
        from qa_trainer.preview import preview

        typer.echo(json.dumps(preview(read_feed(inputs, settings), resolve_model(model)), indent=2))
        return
    try:
        summary = run_sft(inputs, settings, out, force=force, report=report)
    except KeyboardInterrupt:
        report(f"stopped; the same command goes on from the last checkpoint in {out}")
        raise typer.Exit(130) from None
    if summary is None:
        return
    if as_json:
        typer.echo(json.dumps(asdict(summary)))
    loss = f"loss {summary.loss[0]:.4f} -> {summary.loss[-1]:.4f}"
    done = "already complete" if summary.already_complete else f"{summary.seconds:.1f} s"
    refused = f", {summary.rejects} questions refused (see {out / 'rejects.parquet'})" if summary.rejects else ""
    report(
        f"{out}: step {summary.global_step}, {summary.predictions} predictions, {loss}{refused}, {done}; "
        f"next: qa-confidence label {out} --out DIR"
    )
    if summary.rejects:
        raise typer.Exit(1)


register(app)
register_more(app)
register_grpo(app)
register_video(app)
register_probe(app)


def main() -> None:
    """Run the command line; user errors exit with 2 and without a traceback."""
    try:
        app()
    except Exception as error:
        from qa_trainer.tableio import TableError

        if not isinstance(error, (QATrainerError, TableError)) or "--debug" in sys.argv:
            raise
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
