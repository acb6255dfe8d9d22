"""Command `grpo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the command line of the package."""
    app.command("grpo")(grpo)


def grpo(
    questions: Annotated[Path, typer.Argument(help="Table 'questions': a Parquet file or its folder.")],
    store: Annotated[Path, typer.Option(help="Store with the frames that the questions are about.")],
    model: Annotated[str, typer.Option(help="Folder of a model, a hub id, or 'tiny' (shipped, no download).")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; the same command again resumes it.")],
    config: Annotated[Path | None, typer.Option(help="TOML file with the settings below, as keys.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps. [default: 100]")] = None,
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
    seed: Annotated[int | None, typer.Option(help="Seed. [default: 0]")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or bfloat16 arithmetic. [default: float32]")] = None,
    device: Annotated[str | None, typer.Option(help="auto or cpu. [default: auto]")] = None,
    freeze: Annotated[list[str] | None, typer.Option(help="vision, geometry, connector or language.")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Train adapters of this rank. [default: none]")] = None,
    lora_alpha: Annotated[int | None, typer.Option(help="Adapters count alpha / rank. [default: 16]")] = None,
    save_steps: Annotated[int | None, typer.Option(help="Steps between checkpoints. [default: 20]")] = None,
    vllm_server_url: Annotated[str | None, typer.Option(help="URL of 'trl vllm-serve' for the completions.")] = None,
    allow_benchmark_scenes: Annotated[
        bool, typer.Option("--allow-benchmark-scenes", help="Train on scenes that benchmarks test on, too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the first sample as the model gets it.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Start again whatever --out holds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout.")] = False,
) -> None:
    """Train by reinforcement on questions, rewarded by the evaluator's own scoring."""
    from dataclasses import asdict

    from qa_trainer.config import GRPOSettings, load_settings
    from qa_trainer.run_grpo import GRPOInputs, run_grpo

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
        from qa_trainer.run_grpo import preview_grpo

        typer.echo(json.dumps(preview_grpo(inputs, settings), indent=2))
        return
    try:
        summary = run_grpo(inputs, settings, out, force=force, report=_report)
    except KeyboardInterrupt:
        _report(f"stopped; the same command goes on from the last checkpoint in {out}")
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(asdict(summary)))
    done = "already complete" if summary.already_complete else f"{summary.seconds:.1f} s"
    refused = f", {summary.rejects} questions refused (see {out / 'rejects.parquet'})" if summary.rejects else ""
    _report(
        f"{out}: mean reward {summary.reward_first:.3f} -> {summary.reward_last:.3f}{refused}, {done}; "
        f"next: qa-eval run QUESTIONS --store STORE --model {out / 'model'} --out DIR"
    )
    if summary.rejects:
        raise typer.Exit(1)


def _report(line: str) -> None:
    """Write a line of progress."""
    typer.echo(line, err=True)
