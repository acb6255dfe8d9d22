"""Options and steps that several commands share: reading tables, applying calibrators, writing, the closing line."""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qa_confidence.errors import QAConfidenceError

if TYPE_CHECKING:
    import polars as pl

    from qa_confidence.calibrators import Calibrator


class Profile(StrEnum):
    """Rules of the labels; `qa_confidence.difficulty.PROFILES` says what each does."""

    paper = "paper"
    calibrated = "calibrated"
    calibrated_paper = "calibrated-paper"
    quantile = "quantile"
    risk_control = "risk-control"


class Input(StrEnum):
    """Columns that a calibrator reads."""

    raw_confidence = "raw_confidence"
    gold_confidence = "gold_confidence"


Confidence = Annotated[Path, typer.Argument(help="Table 'confidence': a Parquet file or its folder.")]
Tables = Annotated[list[Path], typer.Argument(help="Tables 'confidence': Parquet files or their folders.")]
Calibrators = Annotated[
    list[Path] | None,
    typer.Option(
        "--calibrator", metavar="PATH", help="Folder of 'qa-confidence fit', one for gold, one for raw confidence."
    ),
]
Asked = Annotated[Path | None, typer.Option("--questions", help="Table 'questions'.")]
Previous = Annotated[Path | None, typer.Option(help="Table 'confidence' of the round before.")]
Signal = Annotated[Path | None, typer.Option(help="Folder of 'qa-confidence signal' of the same round.")]
Resamples = Annotated[int, typer.Option(min=1, help="Bootstrap resamples.", rich_help_panel="Intervals")]
BootstrapSeed = Annotated[
    int, typer.Option("--seed", min=0, help="Seed of the bootstrap.", rich_help_panel="Intervals")
]


def read_confidence(sources: list[Path]) -> pl.DataFrame:
    """Read one or more `confidence` tables as one."""
    import polars as pl
    from qa_contract.tableio import read_table
    from qa_contract.tables import CONFIDENCE

    return pl.concat([read_table(source, "confidence", CONFIDENCE) for source in sources])


def read_questions(source: Path | None) -> pl.DataFrame | None:
    """Read the answer types of the questions, where given."""
    from qa_contract.tableio import read_table
    from qa_contract.tables import QUESTIONS

    return (
        None if source is None else read_table(source, "questions", QUESTIONS, columns=["question_id", "answer_type"])
    )


def calibrated(
    table: pl.DataFrame,
    profile: str | None,
    calibrators: list[Path] | None,
    questions: Path | None,
    previous: Path | None,
) -> tuple[pl.DataFrame, list[Calibrator]]:
    """Apply calibrators and a profile; give the table and the calibrators."""
    from qa_confidence.calibrating import apply_table, relabel
    from qa_confidence.calibrators import Calibrator

    loaded = [Calibrator.load(path) for path in calibrators or []]
    table = apply_table(table, loaded, questions=read_questions(questions))
    if profile == Profile.calibrated:
        raise QAConfidenceError("Labels of profile 'calibrated' come from 'qa-confidence signal' and 'label --signal'.")
    if profile is not None:
        earlier = None if previous is None else read_confidence([previous])
        table = relabel(table, profile, calibrators=loaded, previous=earlier)
    return table, loaded


def input_ids(inputs: list[tuple[Path | None, str]]) -> dict[str, list[str]]:
    """Collect the run ids that the input files carry, which name their content without naming a place."""
    from qa_contract.tableio import read_metadata, table_files

    return {
        table: [read_metadata(path).get("run_id", "") for path in table_files(source, table)]
        for source, table in inputs
        if source is not None
    }


def write(frame: pl.DataFrame, folder: Path, table: str, producer: str, config: Mapping[str, object]) -> None:
    """Write one declared table with its metadata."""
    from qa_contract.tableio import table_metadata, write_table
    from qa_contract.tables import TABLES

    metadata = table_metadata(table, producer, config, seed=0)
    write_table(frame, folder / f"{table}.parquet", TABLES[table], metadata)


def write_manifest(folder: Path, command: str, config: Mapping[str, object], started: float) -> None:
    """Write what ran and how long it took."""
    from qa_contract.files import write_json

    from qa_confidence import __version__

    seconds = round(time.perf_counter() - started, 3)
    manifest = {"command": command, "version": __version__, "config": config, "seconds": seconds}
    write_json(folder / "manifest.json", manifest)


def by_reason(rejects: pl.DataFrame) -> dict[str, int]:
    """Count rejects by reason."""
    return dict(rejects["reason"].value_counts().sort("reason").iter_rows())
