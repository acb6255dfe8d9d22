"""The command that runs programs of others: run-programs."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import App, AsJson, Force, Store, Workers, Wrote, close, shell

from qa_engine.cli.options import Profile

SLOWEST = 3
"""Programs whose wall time the log names."""


def register(app: App) -> None:
    """Add the commands of this module to the command line."""
    app.command("run-programs", topic="Answers")(run_programs)


def run_programs(
    store: Store,
    programs: Annotated[Path, typer.Argument(help="JSONL with id, scene_name and program.")],
    *,
    out: Annotated[Path, typer.Option(help="File of the outcomes: JSONL, or Parquet by its name.")],
    profile: Profile = "exact",
    workers: Workers = 2,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Run programs of qa-expr/1 in locked processes: a value with type, unit and steps, or why there is none."""
    from qa_contract.files import check_output_file

    from qa_engine.facts.profiles import get_profile
    from qa_engine.programs.files import read_programs, run_rows, write_outcomes
    from qa_engine.programs.pool import ProgramPool
    from qa_engine.scenes.store import Store as SceneStore
    from qa_engine.views.evidence import FrameEvidence
    from qa_engine.views.recording import RecordingIndex
    from qa_engine.views.sightings import SightingIndex

    get_profile(profile)
    check_output_file(out, force=force)
    opened = SceneStore(store)
    rows = read_programs(programs)
    began = time.perf_counter()
    with ProgramPool(
        workers,
        profile=profile,
        sightings=SightingIndex(opened).of,
        evidence=FrameEvidence(opened).every,
        recording=RecordingIndex(opened).of,
    ) as pool:
        ready = time.perf_counter()
        outcomes = run_rows(opened, rows, pool)
        seconds = time.perf_counter() - ready
        layers = ", ".join(["interpreter", *pool.layers])
    write_outcomes(rows, outcomes, out, profile=profile)
    slowest = sorted(zip(rows, outcomes, strict=True), key=lambda pair: -pair[1].seconds)[:SLOWEST]
    typer.echo(f"Isolation: {layers}. Workers started in {ready - began:.1f} s.", err=True)
    typer.echo("Slowest: " + ", ".join(f"{row.id} {o.seconds * 1000:.1f} ms" for row, o in slowest), err=True)
    counts = Counter(outcome.status for outcome in outcomes)
    close(
        Wrote(out, len(rows), "programs"),
        since=began,
        notes=[f"{len(rows) / max(seconds, 1e-9):.0f} per second", *(f"{s} {n}" for s, n in counts.most_common())],
        next=shell("qa-engine", "operators"),
        summary={"statuses": dict(counts), "isolation": ["interpreter", *pool.layers]},
        as_json=as_json,
    )
