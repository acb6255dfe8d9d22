"""Command `grpo`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from qa_trainer.cli.shared import (
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
    Questions,
    Restart,
    RunOut,
    SaveSteps,
    Seed,
    Steps,
    Store,
    report,
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line of the package."""
    app.command("grpo")(grpo)


def grpo(
    questions: Questions,
    store: Store,
    model: Model,
    out: RunOut,
    config: Config = None,
    steps: Steps = None,
    batch_size: Annotated[int | None, typer.Option(help="Questions per step. [default: 8]")] = None,
    group_size: Annotated[int | None, typer.Option(help="Completions per question. [default: 8]")] = None,
    micro_batch_size: Annotated[int | None, typer.Option(help="Completions per forward pass. [default: all]")] = None,
    reward: Annotated[
        list[str] | None, typer.Option(help="mra, choice, format, length, consistency, cognitive_map, confidence.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Constant learning rate. [default: 1e-06]")] = None,
    beta: Annotated[float | None, typer.Option(help="Weight of the distance to the start. [default: 0.04]")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of the completions. [default: 1.0]")] = None,
    max_completion_length: Annotated[int | None, typer.Option(help="Tokens. [default: 64]")] = None,
    seed: Seed = None,
    dtype: Dtype = None,
    device: Device = None,
    freeze: Freeze = None,
    lora_rank: LoraRank = None,
    lora_alpha: LoraAlpha = None,
    save_steps: SaveSteps = None,
    vllm_server_url: Annotated[str | None, typer.Option(help="URL of 'trl vllm-serve' for the completions.")] = None,
    allow_benchmark_scenes: AllowBenchmarkScenes = False,
    dry_run: DryRun = False,
    force: Restart = False,
    as_json: AsJson = False,
) -> None:
    """Train by reinforcement on questions, rewarded by the evaluator's own scoring."""
    from dataclasses import asdict

    from qa_trainer.config import GRPOSettings, load_settings
    from qa_trainer.grpo.run import GRPOInputs, run_grpo

    overrides = {
        "steps": steps,
        "batch_size": batch_size,
        "group_size": group_size,
        "micro_batch_size": micro_batch_size,
        "rewards": reward or None,
        "learning_rate": learning_rate,
        "beta": beta,
        "temperature": temperature,
        "max_completion_length": max_completion_length,
        "seed": seed,
        "dtype": dtype,
        "device": device,
        "freeze": freeze or None,
        "lora_rank": lora_rank,
        "lora_alpha": lora_alpha,
        "save_steps": save_steps,
        "vllm_server_url": vllm_server_url,
        "allow_benchmark_scenes": allow_benchmark_scenes or None,
    }
    settings = load_settings(config, overrides, GRPOSettings)
    inputs = GRPOInputs(questions, store, model)
    if dry_run:
        from qa_trainer.grpo.run import preview_grpo

        typer.echo(json.dumps(preview_grpo(inputs, settings), indent=2))
        return
    try:
        summary = run_grpo(inputs, settings, out, force=force, report=report)
    except KeyboardInterrupt:
        report(f"stopped; the same command goes on from the last checkpoint in {out}")
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(asdict(summary)))
    done = "already complete" if summary.already_complete else f"{summary.seconds:.1f} s"
    refused = f", {summary.rejects} questions refused (see {out / 'rejects.parquet'})" if summary.rejects else ""
    report(
        f"{out}: mean reward {summary.reward_first:.3f} -> {summary.reward_last:.3f}{refused}, {done}; "
        f"next: qa-eval run QUESTIONS --store STORE --model {out / 'model'} --out DIR"
    )
    if summary.rejects:
        raise typer.Exit(1)
