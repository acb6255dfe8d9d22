"""Command line of qa-confidence; the table libraries are imported by the commands that need them."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qa_confidence.errors import QAConfidenceError, unknown_name

if TYPE_CHECKING:
    import polars as pl

PROFILES = ("paper",)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Confidence, calibration and difficulty labels for the answers of a vision-language model.",
)

Out = Annotated[Path, typer.Option("--out", help="Folder to write; refused when it holds something.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is in --out.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout.")]


@app.callback()
def options(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Confidence, calibration and difficulty labels for the answers of a vision-language model."""


@app.command()
def label(
    predictions: Annotated[Path, typer.Argument(help="Table 'predictions': a Parquet file or its folder.")],
    out: Out,
    profile: Annotated[str, typer.Option(help=f"Difficulty profile: {', '.join(PROFILES)}.")] = "paper",
    score: Annotated[str, typer.Option(help="Confidence score; see docs/confidence.md.")] = "geometric_mean",
    scores: Annotated[Path | None, typer.Option(help="Table 'scores' of these predictions.")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Compute the confidence of every prediction and label it easy, frontier or hard."""
    from qa_confidence.labelling import READ, label_predictions
    from qa_confidence.tableio import check_output_folder, output_folder, read_table
    from qa_confidence.tables import PREDICTIONS, SCORES

    started = time.perf_counter()
    if profile not in PROFILES:
        raise unknown_name("profile", profile, PROFILES)
    check_output_folder(out, force=force)
    frame = read_table(predictions, "predictions", PREDICTIONS, columns=READ)
    scored = None if scores is None else read_table(scores, "scores", SCORES)
    result = label_predictions(frame, score=score, scores=scored)
    inputs = [(predictions, "predictions"), (scores, "scores")]
    config = {"profile": profile, "score": score, "inputs": input_ids(inputs)}
    with output_folder(out, force=force) as folder:
        write(result.confidence, folder, "confidence", "qa-confidence label", config)
        write(result.rejects, folder, "rejects", "qa-confidence label", config)
        write_manifest(folder, "label", config, started)
    counts = dict(result.confidence["label"].value_counts().sort("label").iter_rows())
    summary = {
        "rows": len(result.confidence),
        "labels": counts,
        "rejects": len(result.rejects),
        "skipped_without_model": result.skipped,
        "repeated_training_rows": result.repeated,
    }
    notes = [f"{name} {count}" for name, count in counts.items()]
    notes += [f"{result.skipped} rows of runners without a model skipped"] if result.skipped else []
    notes += [f"{result.repeated} later trainings of a question left out"] if result.repeated else []
    close(out / "confidence.parquet", len(result.confidence), notes, started, result.rejects, summary, as_json=as_json)
    typer.echo(f"next: qa-confidence feedback {out} --questions QUESTIONS --out DIR", err=True)
    finish(result.rejects)


@app.command()
def feedback(
    confidence: Annotated[Path, typer.Argument(help="Table 'confidence': a Parquet file or its folder.")],
    questions: Annotated[Path, typer.Option(help="Table 'questions' that was asked.")],
    out: Out,
    scores: Annotated[Path | None, typer.Option(help="Table 'scores' of the models' own answers.")] = None,
    phase: Annotated[str | None, typer.Option(help="Count this phase only: train, score, eval.")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Count labels and average confidence per round, scene, question type and cell."""
    from qa_confidence.feedback import feedback_rows
    from qa_confidence.tableio import check_output_folder, output_folder, read_table
    from qa_confidence.tables import CONFIDENCE, QUESTIONS, SCORES

    started = time.perf_counter()
    check_output_folder(out, force=force)
    frame = read_table(confidence, "confidence", CONFIDENCE)
    asked = read_table(questions, "questions", QUESTIONS, columns=["question_id", "cell"])
    scored = None if scores is None else read_table(scores, "scores", SCORES)
    result = feedback_rows(frame, asked, scores=scored, phase=phase)
    inputs = [(confidence, "confidence"), (questions, "questions"), (scores, "scores")]
    config = {"phase": phase, "inputs": input_ids(inputs)}
    with output_folder(out, force=force) as folder:
        write(result.feedback, folder, "feedback", "qa-confidence feedback", config)
        write(result.rejects, folder, "rejects", "qa-confidence feedback", config)
        write_manifest(folder, "feedback", config, started)
    counted = int(result.feedback["n"].sum())
    summary = {"rows": len(result.feedback), "predictions": counted, "rejects": len(result.rejects)}
    notes = [f"{counted} predictions counted"]
    close(out / "feedback.parquet", len(result.feedback), notes, started, result.rejects, summary, as_json=as_json)
    typer.echo(f"next: qa-engine generate STORE --feedback {out} --out DIR", err=True)
    finish(result.rejects)


def input_ids(inputs: list[tuple[Path | None, str]]) -> dict[str, list[str]]:
    """Collect the run ids that the input files carry, which name their content without naming a place."""
    from qa_confidence.tableio import read_metadata, table_files

    return {
        table: [read_metadata(path).get("run_id", "") for path in table_files(source, table)]
        for source, table in inputs
        if source is not None
    }


def write(frame: pl.DataFrame, folder: Path, table: str, producer: str, config: Mapping[str, object]) -> None:
    """Write one declared table with its metadata."""
    from qa_confidence.tableio import table_metadata, write_table
    from qa_confidence.tables import TABLES

    metadata = table_metadata(table, producer, config, seed=0)
    write_table(frame, folder / f"{table}.parquet", TABLES[table], metadata)


def write_manifest(folder: Path, command: str, config: Mapping[str, object], started: float) -> None:
    """Write what ran and how long it took."""
    from qa_confidence import __version__
    from qa_confidence.tableio import write_json

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


def main() -> None:
    """Run the command line; user errors exit with 2 and without a traceback."""
    try:
        app()
    except QAConfidenceError as error:
        fail(error)
    except Exception as error:
        from qa_confidence.tableio import TableError  # costs a second to import, so only once something went wrong

        if not isinstance(error, TableError):
            raise
        fail(error)


def fail(error: Exception) -> None:
    """Report a user error: the message alone, or the traceback with --debug."""
    if "--debug" in sys.argv:
        raise error
    typer.echo(f"error: {error}", err=True)
    raise SystemExit(2) from None


if __name__ == "__main__":
    main()
