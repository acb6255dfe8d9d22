"""The command `compare`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson, Seed, close, shell


def compare(
    a: Annotated[Path, typer.Argument(help="Run A: its folder, a scores table, or rows of 'score --out'.")],
    b: Annotated[Path, typer.Argument(help="Run B.")],
    limit: Annotated[int, typer.Option(min=0, help="Changed questions that are listed; 0 = none.")] = 10,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Compare two runs on the same questions: paired differences with intervals, and the questions that changed.

    With --json all changed questions are in the key 'changed'.
    """
    from qa_eval.scoring.compare import compare_runs
    from qa_eval.scoring.formats import changed_table, comparison_json, comparison_table

    started = time.perf_counter()
    result, facts = compare_runs(a, b, seed=seed)
    if as_json:
        typer.echo(json.dumps(comparison_json(result, facts), indent=1))
    else:
        for name in ("a", "b"):
            typer.echo(f"{name.upper()}: " + ", ".join(f"{k} {v}" for k, v in facts[name].items() if v is not None))
        typer.echo(comparison_table(result))
        if limit and facts["changed"]:
            typer.echo(changed_table(facts["changed"], limit))
    for what, values in facts["unlike"].items():
        typer.echo(f"warning: A and B differ in {what}: {values[0]}, {values[1]}.", err=True)
    if facts["only_a"] or facts["only_b"]:
        typer.echo(f"warning: {facts['only_a']} questions only in A, {facts['only_b']} only in B.", err=True)
    close(
        since=started,
        headline=f"Compared {result.overall.n:,} questions",
        lost=facts["only_a"] + facts["only_b"],
        next=shell("qa-eval", "view", a, b, "--out", "view.html"),
    )
