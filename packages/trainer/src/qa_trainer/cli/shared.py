"""Arguments and options that several commands share, and how a command speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Questions = Annotated[Path, typer.Argument(help="Table 'questions': a Parquet file or its folder.")]
Store = Annotated[Path, typer.Option(help="Store with the frames that the questions are about.")]
Model = Annotated[str, typer.Option(help="Folder of a model, a hub id, or 'tiny' (shipped, no download).")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what --out holds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout.")]

# Of runs that resume and whose settings may stand in a file: None means that the option was not given.
RunOut = Annotated[Path, typer.Option("--out", help="Folder of the run; the same command again resumes it.")]
Restart = Annotated[bool, typer.Option("--force", help="Start again whatever --out holds.")]
Config = Annotated[Path | None, typer.Option(help="TOML file with the settings below, as keys.")]
Steps = Annotated[int | None, typer.Option(help="Optimizer steps. [default: 100]")]
Seed = Annotated[int | None, typer.Option(help="Seed. [default: 0]")]
Dtype = Annotated[str | None, typer.Option(help="float32 or bfloat16 arithmetic. [default: float32]")]
Device = Annotated[str | None, typer.Option(help="auto or cpu. [default: auto]")]
Freeze = Annotated[list[str] | None, typer.Option(help="vision, geometry, connector or language; repeatable.")]
LoraRank = Annotated[int | None, typer.Option(help="Train adapters of this rank. [default: none]")]
LoraAlpha = Annotated[int | None, typer.Option(help="Adapters count alpha / rank. [default: 16]")]
SaveSteps = Annotated[int | None, typer.Option(help="Steps between checkpoints. [default: 20]")]
AllowBenchmarkScenes = Annotated[
    bool, typer.Option("--allow-benchmark-scenes", help="Train on scenes that benchmarks test on, too.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the first sample as the model gets it.")]


def report(line: str) -> None:
    """Write a line of progress to stderr.

    Examples
    --------
    >>> report("step 1/100")
    """
    typer.echo(line, err=True)
