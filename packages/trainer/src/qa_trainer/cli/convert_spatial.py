"""Command `convert-spatial`."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from qa_contract.cli import Force, Out, Wrote, close, shell


def convert_spatial(
    release: Annotated[str, typer.Argument(help="Released Spatial-MLLM checkpoint: a folder or a hub id.")],
    out: Out,
    force: Force = False,
) -> None:
    """Convert a released Spatial-MLLM checkpoint, so that every command loads it."""
    from qa_contract.files import output_folder

    from qa_trainer.models.loading import resolve_model
    from qa_trainer.models.quiet import quiet_libraries

    started = time.perf_counter()
    quiet_libraries()
    from qa_trainer.models.spatial_mllm.convert import convert_release

    folder = resolve_model(release, option="RELEASE")
    with output_folder(out, force=force) as target:
        model, processor = convert_release(folder)
        model.save_pretrained(target)
        processor.save_pretrained(target)
    close(
        Wrote(out, model.num_parameters(), "parameters"),
        since=started,
        next=shell("qa-eval", "run", "QUESTIONS", "--model", out, "--trust-remote-code", "--out", "DIR"),
    )
