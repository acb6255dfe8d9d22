"""Options and arguments that commands of several packages share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qa_contract.cli.help import COMMON

Questions = Annotated[Path, typer.Argument(help="Table 'questions': a Parquet file or its folder.")]
Store = Annotated[Path, typer.Argument(help="Folder of the store.")]
FrameStore = Annotated[Path, typer.Option("--store", help="Store with the frames that the questions are about.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write; refused when it holds something.")]
RunOut = Annotated[Path, typer.Option("--out", help="Folder of the run; the same command again goes on with it.")]

Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=2**32 - 1, help="The same seed gives the same bytes.", rich_help_panel=COMMON),
]
Workers = Annotated[
    int,
    typer.Option("--workers", min=1, help="Processes; the result does not depend on it.", rich_help_panel=COMMON),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="TOML file with the settings of this page, as keys.", rich_help_panel=COMMON),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.", rich_help_panel=COMMON)
]
Force = Annotated[bool, typer.Option("--force", help="Replace what --out holds.", rich_help_panel=COMMON)]
AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout.", rich_help_panel=COMMON)]
AllowBenchmarkScenes = Annotated[
    bool, typer.Option("--allow-benchmark-scenes", help="Also use scenes that benchmarks test on.")
]
