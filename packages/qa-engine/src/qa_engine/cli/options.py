"""Options that several commands of the engine share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import COMMON

if TYPE_CHECKING:
    from qa_engine.executor import Executor

Profile = Annotated[str, typer.Option(help="exact, or vsi-bench for the benchmark's own distances.")]
Points = Annotated[
    bool, typer.Option("--points/--no-points", help="exact: distances between scanned points, where there are any.")
]
MinVisiblePx = Annotated[
    int, typer.Option(min=1, help="Order of appearance: pixels whose crossing is the first appearance.")
]
AnyQuestions = Annotated[Path, typer.Argument(help="Table 'questions', or JSONL or Parquet in VSI-Bench's schema.")]
NEXT_ROUND = "Next round"
"""Topic of the options that say what earlier rounds left."""

Round = Annotated[int, typer.Option(min=0, help="Number of the loop's round.", rich_help_panel=NEXT_ROUND)]
Split = Annotated[str | None, typer.Option(help="Scenes of this split: train, val or test.")]
Collections = Annotated[
    str | None,
    typer.Option(help="NAME=SHARE,...: shares of what 'ingest --collection' named; the rest is left out."),
]
MayFallShort = Annotated[
    bool, typer.Option("--may-fall-short", help="Fewer than --count are no loss: the exit code is 0.")
]
FrameSet = Annotated[str | None, typer.Option(help="Frame set of the questions, if there are several.")]
Exclude = Annotated[list[Path] | None, typer.Option(help="Questions asked before.", rich_help_panel=NEXT_ROUND)]
Confidence = Annotated[
    list[Path] | None,
    typer.Option(help="Table 'confidence': labels of those in --exclude.", rich_help_panel=NEXT_ROUND),
]
Explore = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Share spread over types and cells alike. Default: the sampler's own.",
        rich_help_panel=NEXT_ROUND,
    ),
]
ShuffledOf = Annotated[
    str | None,
    typer.Option(help="Sampler 'shuffled': the sampler that it is a control of.", rich_help_panel=NEXT_ROUND),
]
SamplerState = Annotated[
    Path | None,
    typer.Option(help="What the sampler of the round before left: its questions.", rich_help_panel=NEXT_ROUND),
]
Settings = Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE, a switch of the dataset.")]
Annotations = Annotated[Path | None, typer.Option(help="Folder of the annotations, where it is not ROOT.")]
FramesDir = Annotated[Path | None, typer.Option(help="Folder of the images, where it is not ROOT.")]

RayAddress = Annotated[
    str | None,
    typer.Option(
        help="Work on a Ray cluster: auto, ray://HOST:10001, or local to start one; extra 'ray'.",
        rich_help_panel=COMMON,
    ),
]


def open_executor(workers: int, ray_address: str | None) -> Executor:
    """Choose where a command works; a lost worker is told of on stderr."""
    from qa_engine.executor import make_executor

    return make_executor(workers, ray_address, say=lambda text: typer.echo(text, err=True))


Reviews = Annotated[Path | None, typer.Option(help="Decisions of 'review': its folder, or the table.")]


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
