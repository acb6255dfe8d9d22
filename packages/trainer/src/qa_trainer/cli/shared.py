"""What several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str, typer.Option("--model", help="Folder of a model, a hub id, or 'tiny' or 'small' (shipped).", metavar="NAME")
]

StateFrom = Annotated[Path | None, typer.Option("--state-from", help="--out of the run to continue: optimizer, step.")]

Features = Annotated[
    Path | None,
    typer.Option("--features", help="Folder 'features' of 'sample-frames --features': read, not computed again."),
]


def goes_on(out: Path) -> str:
    """Say after Ctrl-C how a training run goes on."""
    return f"the same command goes on from the last checkpoint in {out}"


def refused(out: Path) -> dict[str, int]:
    """Count the rows of the table `rejects` in a folder by their reason."""
    from qa_contract.tableio import read_table
    from qa_contract.tables import REJECTS

    reasons = read_table(out, "rejects", REJECTS, columns=["reason"])["reason"]
    return dict(reasons.value_counts().iter_rows())
