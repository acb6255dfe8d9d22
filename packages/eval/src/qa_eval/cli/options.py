"""Options that several commands of `qa-eval` share."""

from __future__ import annotations

from typing import Annotated

import typer

SCORING = "Scoring"

Parser = Annotated[
    str,
    typer.Option("--parser", help="How answers are read: see 'qa-eval parsers'.", rich_help_panel=SCORING),
]
Benchmark = Annotated[
    str,
    typer.Option("--benchmark", help="Metrics and averages: see 'qa-eval benchmarks'.", rich_help_panel=SCORING),
]
