"""The command `compare`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson, Seed, close, shell


def compare(
    a: Annotated[Path, typer.Argument(help="Run folder or scores table A.")],
    b: Annotated[Path, typer.Argument(help="Run folder or scores table B.")],
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Compare two runs on the same questions: paired differences with intervals."""
    from qa_eval.scoring.compare import compare_runs
    from qa_eval.scoring.formats import comparison_json, comparison_table

    started = time.perf_counter()
    result, facts = compare_runs(a, b, seed=seed)
    if as_json:
        typer.echo(json.dumps(comparison_json(result, facts), indent=1))
    else:
        for name in ("a", "b"):
            typer.echo(f"{name.upper()}: " + ", ".join(f"{k} {v}" for k, v in facts[name].items() if v is not None))
        typer.echo(comparison_table(result))
    for what in ("parsers", "frames", "prompts"):
        if facts[f"{what}_differ"]:
            typer.echo(f"warning: the {what} of A and B differ.", err=True)
    if facts["only_a"] or facts["only_b"]:
        typer.echo(f"warning: {facts['only_a']} questions only in A, {facts['only_b']} only in B.", err=True)
    close(
        since=started,
        headline=f"Compared {result.overall.n:,} questions",
        lost=facts["only_a"] + facts["only_b"],
        next=shell("qa-eval", "report", b, a, "--out", "report"),
    )
