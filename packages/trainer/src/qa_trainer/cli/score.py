"""Command `score`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qa_contract.cli import AsJson, Force, FrameStore, Out, Progress, Questions, Wrote, close, shell

from qa_trainer.cli.shared import Features, Model, refused

if TYPE_CHECKING:
    from qa_trainer.settings.score import ScoreSettings


def score(
    questions: Questions,
    store: FrameStore,
    model: Model,
    out: Out,
    settings: ScoreSettings,
    features: Features = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Answer questions with one frozen model and write every answer with its log-probabilities (phase score)."""
    from dataclasses import asdict

    from qa_contract.files import output_folder

    from qa_trainer.score.run import score_questions

    started = time.perf_counter()
    with output_folder(out, force=force) as folder, Progress("questions") as progress:
        summary = score_questions(questions, store, model, settings, folder, features=features, reporter=progress)
    cut = summary.unfinished
    close(
        Wrote(out, summary.predictions, "answers"),
        since=started,
        notes=[f"{cut:,} cut at {settings.max_new_tokens} tokens"] if cut else [],
        rejects=refused(out),
        lost=summary.rejects,
        next=shell("qa-confidence", "label", out, "--out", "DIR"),
        summary=asdict(summary),
        as_json=as_json,
    )
