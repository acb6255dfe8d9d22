"""Commands about programs: run-programs, operators."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

SLOWEST = 3
"""Programs whose wall time the log names."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command("run-programs")(run_programs)
    app.command()(operators)


def run_programs(
    store: Annotated[Path, typer.Argument(help="Folder of the store.")],
    programs: Annotated[Path, typer.Argument(help="JSONL with id, scene_name and program.")],
    *,
    out: Annotated[Path, typer.Option(help="File of the outcomes: JSONL, or Parquet by its name.")],
    profile: Annotated[str, typer.Option(help="exact, or vsi-bench for the benchmark's own distances.")] = "exact",
    workers: Annotated[int, typer.Option(min=1, help="Processes; the result does not depend on it.")] = 2,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Run programs of qa-expr/1 in locked processes: a value with type, unit and steps, or why there is none."""
    from qa_engine.facts.profiles import get_profile
    from qa_engine.programs.files import read_programs, run_rows, write_outcomes
    from qa_engine.programs.pool import ProgramPool
    from qa_engine.replay.external import check_new_files
    from qa_engine.scenes.store import Store
    from qa_engine.views.evidence import FrameEvidence
    from qa_engine.views.sightings import SightingIndex

    get_profile(profile)
    check_new_files([out], force=force)
    opened = Store(store)
    rows = read_programs(programs)
    began = time.perf_counter()
    with ProgramPool(
        workers, profile=profile, sightings=SightingIndex(opened).of, evidence=FrameEvidence(opened).every
    ) as pool:
        ready = time.perf_counter()
        outcomes = run_rows(opened, rows, pool)
        seconds = time.perf_counter() - ready
        layers = ", ".join(["interpreter", *pool.layers])
    write_outcomes(rows, outcomes, out, profile=profile)
    slowest = sorted(zip(rows, outcomes, strict=True), key=lambda pair: -pair[1].seconds)[:SLOWEST]
    typer.echo(f"Isolation: {layers}. Workers started in {ready - began:.1f} s.", err=True)
    typer.echo("Slowest: " + ", ".join(f"{row.id} {o.seconds * 1000:.1f} ms" for row, o in slowest), err=True)
    counts = ", ".join(f"{status} {n}" for status, n in Counter(o.status for o in outcomes).most_common())
    typer.echo(
        f"Wrote {out}: {len(rows)} programs in {seconds:.1f} s ({len(rows) / max(seconds, 1e-9):.0f} per second); "
        f"{counts or 'none'}. Next: see 'detail' of those that are not ok; 'qa-engine operators' lists the language.",
        err=True,
    )


def operators(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the operators of the program language: call, result, unit, meaning."""
    from qa_engine.programs import OPERATORS

    if as_json:
        rows = [{"name": n, "signature": o.signature(n), "doc": o.doc} for n, o in OPERATORS.items()]
        typer.echo(json.dumps(rows, indent=1))
        return
    for name, operator in OPERATORS.items():
        typer.echo(f"{operator.signature(name)}\n    {operator.doc}")
