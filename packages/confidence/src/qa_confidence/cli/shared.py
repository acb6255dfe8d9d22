"""Options and steps that several commands share: reading tables, applying calibrators, writing, closing lines."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qa_confidence.errors import QAConfidenceError, unknown_name

if TYPE_CHECKING:
    import polars as pl

    from qa_confidence.calibrators import Calibrator

Out = Annotated[Path, typer.Option("--out", help="Folder to write; refused when it holds something.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is in --out.")]
Profile = Annotated[str, typer.Option(help="Difficulty profile: paper, calibrated-paper, quantile, risk-control.")]
Calibrators = Annotated[
    list[Path] | None, typer.Option(help="Folder of 'qa-confidence fit'; repeat for gold and raw confidence.")
]
Questions = Annotated[Path | None, typer.Option(help="Table 'questions'.")]
Previous = Annotated[Path | None, typer.Option(help="Table 'confidence' of the round before.")]
Tables = Annotated[list[Path], typer.Argument(help="Tables 'confidence': Parquet files or their folders.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout.")]


def check_profile(profile: str) -> None:
    """Refuse an unknown profile before any table is read."""
    from qa_confidence.difficulty import PROFILES

    if profile not in PROFILES:
        raise unknown_name("profile", profile, PROFILES)


def shares_of(split: str) -> list[float]:
    """Read the option --split."""
    try:
        return [float(part) for part in split.split(",")]
    except ValueError:
        raise QAConfidenceError(f"--split needs three numbers such as 0.5,0.2,0.3; found '{split}'.") from None


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


def close(
    path: Path,
    rows: int,
    notes: list[str],
    started: float,
    rejects: pl.DataFrame,
    summary: Mapping[str, object],
    *,
    as_json: bool,
) -> None:
    """Say on stderr what was written, and on stdout the summary where it is asked for."""
    import json

    if len(rejects):
        reasons = rejects["reason"].value_counts().sort("reason").iter_rows()
        notes = [*notes, "rejects " + ", ".join(f"{code} {count}" for code, count in reasons)]
    detail = f" ({'; '.join(notes)})" if notes else ""
    typer.echo(f"wrote {path}: {rows} rows{detail}, {time.perf_counter() - started:.1f} s", err=True)
    if as_json:
        typer.echo(json.dumps(summary, sort_keys=True))


def finish(rejects: pl.DataFrame) -> None:
    """Exit with 1 when rows were lost."""
    if len(rejects):
        raise typer.Exit(1)
