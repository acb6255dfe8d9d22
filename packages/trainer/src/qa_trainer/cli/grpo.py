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

from qa_trainer.cli.shared import Model, goes_on, refused

if TYPE_CHECKING:
    from qa_trainer.grpo.settings import GRPOSettings


def grpo(
    questions: Questions,
    store: FrameStore,
    model: Model,
    out: RunOut,
    settings: GRPOSettings,
    dry_run: DryRun = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Train by reinforcement on questions, rewarded by the evaluator's own scoring."""
    from dataclasses import asdict

    from qa_trainer.grpo.run import GRPOInputs, preview_grpo, train_grpo

    started = time.perf_counter()
    inputs = GRPOInputs(model=model, questions=questions, store=store)
    if dry_run:
        typer.echo(json.dumps(preview_grpo(inputs, settings), indent=2))
        return
    with resumable(goes_on(out)), Progress("steps") as progress:
        summary = train_grpo(inputs, settings, out, force=force, reporter=progress)
    close(
        Wrote(out, settings.steps, "steps"),
        since=started,
        headline=f"{out} is already complete" if summary.already_complete else "",
        notes=[f"mean reward {summary.reward_first:.3f} -> {summary.reward_last:.3f}"],
        rejects=refused(out),
        lost=summary.rejects,
        next=shell("qa-eval", "run", "QUESTIONS", "--store", store, "--model", out / "model", "--out", "DIR"),
        summary=asdict(summary),
        as_json=as_json,
    )
