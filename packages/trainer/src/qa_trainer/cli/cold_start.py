"""Command `cold-start`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import AsJson, Force, FrameStore, Out, Progress, Questions, Wrote, close, shell

from qa_trainer.cli.shared import Model, refused

if TYPE_CHECKING:
    from qa_trainer.settings.cold_start import ColdStartSettings


def cold_start(
    questions: Questions,
    store: FrameStore,
    model: Model,
    out: Out,
    settings: ColdStartSettings,
    allow_benchmark_scenes: Annotated[
        bool, typer.Option("--allow-benchmark-scenes", help="Also ask about scenes that benchmarks test on.")
    ] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Let a model reason about questions and keep the best chains that end in right answers, for 'sft --mixture'."""
    from dataclasses import asdict

    from qa_contract.files import output_folder

    from qa_trainer.score.cold_start import MIXTURE
    from qa_trainer.score.cold_start import cold_start as run

    started = time.perf_counter()
    with output_folder(out, force=force) as folder, Progress("questions") as progress:
        summary = run(
            questions,
            store,
            model,
            settings,
            folder,
            allow_benchmark_scenes=allow_benchmark_scenes,
            reporter=progress,
        )
    close(
        Wrote(out, summary.kept, "chains"),
        since=started,
        notes=[f"of {summary.chains:,} about {summary.questions:,} questions"],
        rejects=refused(out),
        lost=summary.rejects,
        next=shell("qa-trainer", "sft", "--mixture", out / MIXTURE, "--model", "MODEL", "--out", "DIR"),
        summary=asdict(summary),
        as_json=as_json,
    )
