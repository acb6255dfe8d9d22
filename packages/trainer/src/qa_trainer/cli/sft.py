"""Command `sft`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import AsJson, DryRun, Force, Progress, RunOut, Wrote, close, resumable, shell

from qa_trainer.cli.shared import Features, Model, StateFrom, goes_on, refused

if TYPE_CHECKING:
    from qa_trainer.settings.sft import SFTSettings


def sft(
    model: Model,
    out: RunOut,
    settings: SFTSettings,
    questions: Annotated[
        Path | None, typer.Argument(help="Table 'questions': a Parquet file or its folder.", show_default=False)
    ] = None,
    store: Annotated[
        Path | None, typer.Option("--store", help="Store with the frames that the questions are about.")
    ] = None,
    mixture: Annotated[
        Path | None, typer.Option("--mixture", help="TOML file: more sources, and the share of each.")
    ] = None,
    features: Features = None,
    state_from: StateFrom = None,
    dry_run: DryRun = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune on questions; write model, optimizer state and the confidence of every answer trained on."""
    from dataclasses import asdict

    from qa_trainer.sft.run import SFTInputs, read_feed, train_sft

    started = time.perf_counter()
    inputs = SFTInputs(
        model=model, questions=questions, store=store, state_from=state_from, mixture=mixture, features=features
    )
    if dry_run:
        from qa_trainer.data.preview import preview
        from qa_trainer.models.loading import load_processor, resolve_model

        feed = read_feed(inputs, settings)
        processor = load_processor(resolve_model(model), settings)
        typer.echo(json.dumps(preview(feed, processor, with_answer=True), indent=2))
        return
    with resumable(goes_on(out)), Progress("steps") as progress:
        summary = train_sft(inputs, settings, out, force=force, reporter=progress)
    if summary is None:
        return
    close(
        Wrote(out, summary.predictions, "predictions"),
        since=started,
        headline=f"{out} is already complete" if summary.already_complete else "",
        notes=[f"step {summary.global_step}", f"loss {summary.loss[0]:.4f} -> {summary.loss[-1]:.4f}"],
        rejects=refused(out),
        lost=summary.rejects,
        next=shell("qa-confidence", "label", out, "--out", "DIR"),
        summary=asdict(summary),
        as_json=as_json,
    )
