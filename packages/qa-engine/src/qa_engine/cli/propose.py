"""`qa-engine generate --proposer llm`: what the command line does beside `generate`'s own options."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from qa_engine.generate.llm.client import Connection
    from qa_engine.generate.llm.files import LLMRequest


def generate_by_model(
    store: Path,
    request: LLMRequest,
    connection: Connection,
    out: Path,
    *,
    exclude: Sequence[Path],
    confidence: Sequence[Path],
    concurrency: int,
    workers: int,
    force: bool,
) -> None:
    """Run the proposer and close with its figures; exit code 1 where scenes were lost or questions are missing."""
    from qa_engine.generate.llm.files import write_llm_generation
    from qa_engine.scenes.store import Store

    began = time.perf_counter()

    def show(done: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\rscenes asked about: {done}", err=True, nl=False)

    run = write_llm_generation(
        Store(store), request, connection, out, exclude=exclude, confidence=confidence, concurrency=concurrency,
        workers=workers, force=force, progress=show,
    )  # fmt: skip
    usage = run.usage
    typer.echo(
        f"Requests: {usage['requests']} sent ({usage['retries']} again, {usage['failed']} failed), {usage['cached']} "
        f"from the cache {connection.cache}; tokens: {usage['prompt_tokens']} in, {usage['completion_tokens']} out.",
        err=True,
    )
    if run.refused:
        typer.echo("Refused: " + ", ".join(f"{reason} {n}" for reason, n in run.refused.items()), err=True)
    if run.n_lost:
        typer.echo(f"{run.n_lost} of {run.n_scenes} scenes were lost to the server; run again to go on.", err=True)
    missing = 0 if request.count is None else max(0, request.count - run.n_questions)
    if missing:
        typer.echo(f"{missing} of {request.count} questions are missing: the model gave no more.", err=True)
    typer.echo(
        f"Wrote {out}: {run.n_questions} questions from {run.n_scenes} scenes in {time.perf_counter() - began:.1f} s. "
        f"Next: qa-engine verify {store} {out}",
        err=True,
    )
    if missing or run.n_lost:
        raise typer.Exit(1)


def warn_of_benchmarks(scene_names: Sequence[str]) -> None:
    """Say how many scenes a benchmark tests on."""
    from qa_contract.leakage import benchmark_scenes

    found = benchmark_scenes(scene_names)
    if found:
        names = ", ".join(sorted(set(found.values())))
        typer.echo(
            f"{len(found)} of {len(scene_names)} scenes are in {names}: a model that is trained on questions about "
            "them cannot be scored there.",
            err=True,
        )
