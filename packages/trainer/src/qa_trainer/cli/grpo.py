"""Command `grpo`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import typer
from qa_contract.cli import (
    AsJson,
    DryRun,
    Force,
    FrameStore,
    Progress,
    Questions,
    RunOut,
    Wrote,
    close,
    resumable,
    shell,
)

from qa_trainer.cli.shared import Features, Model, StateFrom, goes_on, refused

if TYPE_CHECKING:
    from qa_trainer.settings.grpo import GRPOSettings


def grpo(
    questions: Questions,
    store: FrameStore,
    model: Model,
    out: RunOut,
    settings: GRPOSettings,
    features: Features = None,
    state_from: StateFrom = None,
    dry_run: DryRun = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Train by reinforcement on questions, rewarded by the evaluator's own scoring."""
    from dataclasses import asdict

    from qa_trainer.grpo.run import GRPOInputs, preview_grpo, train_grpo

    started = time.perf_counter()
    inputs = GRPOInputs(model=model, questions=questions, store=store, state_from=state_from, features=features)
    if dry_run:
        typer.echo(json.dumps(preview_grpo(inputs, settings), indent=2))
        return
    with resumable(goes_on(out)), Progress("steps") as progress:
        summary = train_grpo(inputs, settings, out, force=force, reporter=progress)
    if summary is None:
        return
    close(
        Wrote(out, summary.predictions, "predictions"),
        since=started,
        headline=f"{out} is already complete" if summary.already_complete else "",
        notes=[
            f"step {summary.global_step}",
            f"mean reward {_shown(summary.reward_first)} -> {_shown(summary.reward_last)}",
            f"{summary.equal_groups:,} groups without a difference",
        ],
        rejects=refused(out),
        lost=summary.rejects,
        next=shell("qa-eval", "run", "QUESTIONS", "--store", store, "--model", out / "model", "--out", "DIR"),
        summary=asdict(summary),
        as_json=as_json,
    )


def _shown(reward: float | None) -> str:
    return "none" if reward is None else f"{reward:.3f}"
