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

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Confidence, calibration and difficulty labels for the answers of a vision-language model.",
)

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


@app.callback()
def options(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Confidence, calibration and difficulty labels for the answers of a vision-language model."""


@app.command()
def label(
    predictions: Annotated[Path, typer.Argument(help="Table 'predictions': a Parquet file or its folder.")],
    out: Out,
    profile: Profile = "paper",
    score: Annotated[str, typer.Option(help="Confidence score; see docs/confidence.md.")] = "geometric_mean",
    scores: Annotated[Path | None, typer.Option(help="Table 'scores' of these predictions.")] = None,
    calibrator: Calibrators = None,
    questions: Questions = None,
    previous: Previous = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Compute the confidence of every prediction and label it easy, frontier, hard or suspect."""
    from qa_confidence.labelling import READ, label_predictions
    from qa_confidence.tableio import check_output_folder, output_folder, read_table
    from qa_confidence.tables import PREDICTIONS, SCORES

    started = time.perf_counter()
    check_profile(profile)
    check_output_folder(out, force=force)
    frame = read_table(predictions, "predictions", PREDICTIONS, columns=READ)
    scored = None if scores is None else read_table(scores, "scores", SCORES)
    result = label_predictions(frame, score=score, scores=scored)
    table, ids = calibrated(result.confidence, profile, calibrator, questions, previous)
    inputs = [(predictions, "predictions"), (scores, "scores"), (previous, "confidence")]
    config = {"profile": profile, "score": score, "calibrators": ids, "inputs": input_ids(inputs)}
    with output_folder(out, force=force) as folder:
        write(table, folder, "confidence", "qa-confidence label", config)
        write(result.rejects, folder, "rejects", "qa-confidence label", config)
        write_manifest(folder, "label", config, started)
    counts = dict(table["label"].value_counts().sort("label").iter_rows())
    summary = {
        "rows": len(table),
        "labels": counts,
        "rejects": len(result.rejects),
        "skipped_without_model": result.skipped,
        "repeated_training_rows": result.repeated,
    }
    notes = [f"{name} {count}" for name, count in counts.items()]
    notes += [f"{result.skipped} rows of runners without a model skipped"] if result.skipped else []
    notes += [f"{result.repeated} later trainings of a question left out"] if result.repeated else []
    close(out / "confidence.parquet", len(table), notes, started, result.rejects, summary, as_json=as_json)
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


@app.command()
def fit(
    confidence: Tables,
    out: Out,
    method: Annotated[str, typer.Option(help="identity, temperature, platt, beta, isotonic, histogram.")] = "platt",
    column: Annotated[str, typer.Option("--input", help="raw_confidence or gold_confidence.")] = "raw_confidence",
    group: Annotated[
        str, typer.Option(help="none, question_type, answer_type, answer_type+question_type.")
    ] = "question_type",
    questions: Questions = None,
    split: Annotated[str, typer.Option(help="Shares of scenes to fit, to certify, to report.")] = "0.5,0.2,0.3",
    alpha: Annotated[float, typer.Option(help="Certified bound on the mean loss of easy answers.")] = 0.1,
    beta: Annotated[float, typer.Option(help="Certified bound on the mean score of hard answers.")] = 0.3,
    delta: Annotated[float, typer.Option(help="Error probability of each certificate.")] = 0.1,
    unit: Annotated[str, typer.Option(help="Independent unit of the certificate: row or scene.")] = "row",
    seed: Annotated[int, typer.Option(help="Decides the split by scene.")] = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Fit a map from confidence to expected score on part of the scenes."""
    import json

    import polars as pl

    from qa_confidence.calibrating import fit_table
    from qa_confidence.tableio import atomic_path, check_output_folder, output_folder, table_metadata, write_table

    started = time.perf_counter()
    check_output_folder(out, force=force)
    fitted = fit_table(
        read_confidence(confidence),
        method=method,
        column=column,
        grouping=group,
        questions=read_questions(questions),
        shares=shares_of(split),
        seed=seed,
        alpha=alpha,
        beta=beta,
        delta=delta,
        unit=unit,
    )
    parts = fitted.pairs.group_by("scene_name", "part").agg(n=pl.len().cast(pl.Int64)).sort("scene_name")
    inputs = [*((path, "confidence") for path in confidence), (questions, "questions")]
    config = {"method": method, "input": column, "group": group, "split": split, "inputs": input_ids(inputs)}
    with output_folder(out, force=force) as folder:
        with atomic_path(folder / "calibrator.json") as path:
            path.write_text(fitted.calibrator.to_json(), encoding="utf-8")
        schema = {"scene_name": pl.String, "part": pl.String, "n": pl.Int64}
        write_table(
            parts, folder / "splits.parquet", schema, table_metadata("splits", "qa-confidence fit", config, seed)
        )
        write_manifest(folder, "fit", config, started)
    rows = dict(fitted.pairs["part"].value_counts().sort("part").iter_rows())
    notes = [f"{name} {n} rows" for name, n in rows.items()]
    notes += [] if fitted.certificate is None else [fitted.certificate.describe()]
    seconds = time.perf_counter() - started
    typer.echo(f"wrote {out / 'calibrator.json'}: {method} ({'; '.join(notes)}), {seconds:.1f} s", err=True)
    typer.echo(f"next: qa-confidence report {confidence[0]} --calibrator {out} --out DIR", err=True)
    if as_json:
        typer.echo(json.dumps({"calibrator_id": fitted.calibrator.id, "rows": rows}, sort_keys=True))


@app.command()
def apply(
    confidence: Annotated[Path, typer.Argument(help="Table 'confidence': a Parquet file or its folder.")],
    calibrator: Annotated[list[Path], typer.Option(help="Folder of 'qa-confidence fit'; repeat for gold and raw.")],
    out: Out,
    profile: Annotated[str | None, typer.Option(help="Label anew by this profile.")] = None,
    questions: Questions = None,
    previous: Previous = None,
    force: Force = False,
) -> None:
    """Fill the calibrated confidence, and label anew where a profile is given."""
    from qa_confidence.tableio import check_output_folder, output_folder

    started = time.perf_counter()
    if profile is not None:
        check_profile(profile)
    elif previous is not None:
        raise QAConfidenceError("--previous finds suspects, which are labels; pass --profile too.")
    check_output_folder(out, force=force)
    table, ids = calibrated(read_confidence([confidence]), profile, calibrator, questions, previous)
    inputs = [(confidence, "confidence"), (previous, "confidence")]
    config = {"profile": profile, "calibrators": ids, "inputs": input_ids(inputs)}
    with output_folder(out, force=force) as folder:
        write(table, folder, "confidence", "qa-confidence apply", config)
        write_manifest(folder, "apply", config, started)
    filled = len(table) - table["confidence"].null_count()
    seconds = time.perf_counter() - started
    typer.echo(f"wrote {out / 'confidence.parquet'}: {len(table)} rows, {filled} calibrated, {seconds:.1f} s", err=True)
    typer.echo(f"next: qa-confidence feedback {out} --questions QUESTIONS --out DIR", err=True)


@app.command()
def report(
    confidence: Tables,
    out: Out,
    calibrator: Annotated[Path | None, typer.Option(help="Folder of 'qa-confidence fit'.")] = None,
    column: Annotated[str | None, typer.Option("--input", help="raw_confidence (default) or gold_confidence.")] = None,
    questions: Questions = None,
    predictions: Annotated[Path | None, typer.Option(help="Table 'predictions', for the answers' text.")] = None,
    previous: Previous = None,
    allow_in_sample: Annotated[
        bool, typer.Option("--allow-in-sample", help="Report on the fitted rows too; the page says so.")
    ] = False,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write report.html, report.md and metrics.json about calibration, labels and drift."""
    from qa_confidence.calibrators import Calibrator
    from qa_confidence.report.build import Texts, build_report
    from qa_confidence.tableio import check_output_folder, output_folder, read_table
    from qa_confidence.tables import PREDICTIONS, QUESTIONS

    started = time.perf_counter()
    check_output_folder(out, force=force)
    asked = None if questions is None else read_table(questions, "questions", QUESTIONS, columns=list(QUESTION_TEXT))
    answers = None
    if predictions is not None:
        answers = read_table(predictions, "predictions", PREDICTIONS, columns=list(ANSWER_TEXT))
    page = build_report(
        read_confidence(confidence),
        calibrator=None if calibrator is None else Calibrator.load(calibrator),
        column=column,
        previous=None if previous is None else read_confidence([previous]),
        texts=Texts(asked, answers),
        allow_in_sample=allow_in_sample,
        resamples=resamples,
        seed=seed,
    )
    with output_folder(out, force=force) as folder:
        for name, text in (("report.html", page.html), ("report.md", page.markdown), ("metrics.json", page.metrics)):
            (folder / name).write_text(text, encoding="utf-8")
    seconds = time.perf_counter() - started
    typer.echo(f"wrote {out / 'report.html'}: {page.n} answers, {seconds:.1f} s", err=True)
    if as_json:
        typer.echo(page.metrics, nl=False)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="Table 'confidence' of the earlier round.")],
    after: Annotated[Path, typer.Argument(help="Table 'confidence' of the later round.")],
    calibrator: Annotated[Path | None, typer.Option(help="The calibrator in use: should it be fitted again?")] = None,
    steps: Annotated[
        Path | None, typer.Option(help="Table 'predictions' with the training steps of BEFORE: measure order bias.")
    ] = None,
    questions: Questions = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Compare two rounds, or (--steps) a round's training-time confidence with a frozen pass; a table on stdout."""
    from qa_confidence.calibrators import Calibrator
    from qa_confidence.report.comparison import compare_order, compare_rounds
    from qa_confidence.tableio import read_table
    from qa_confidence.tables import PREDICTIONS

    frames = read_confidence([before]), read_confidence([after])
    if steps is not None:
        order = read_table(steps, "predictions", PREDICTIONS, columns=["question_id", "round", "phase", "step"])
        result = compare_order(*frames, order, resamples=resamples, seed=seed)
    else:
        used = None if calibrator is None else Calibrator.load(calibrator)
        asked = read_questions(questions)
        result = compare_rounds(*frames, calibrator=used, questions=asked, resamples=resamples, seed=seed)
    typer.echo(result.json if as_json else result.markdown, nl=False)


QUESTION_TEXT = ("question_id", "answer_type", "question", "ground_truth")
ANSWER_TEXT = ("question_id", "round", "phase", "completion")


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

    from qa_confidence.tableio import read_table
    from qa_confidence.tables import CONFIDENCE

    return pl.concat([read_table(source, "confidence", CONFIDENCE) for source in sources])


def read_questions(source: Path | None) -> pl.DataFrame | None:
    """Read the answer types of the questions, where given."""
    from qa_confidence.tableio import read_table
    from qa_confidence.tables import QUESTIONS

    return (
        None if source is None else read_table(source, "questions", QUESTIONS, columns=["question_id", "answer_type"])
    )


def calibrated(
    table: pl.DataFrame,
    profile: str | None,
    calibrators: list[Path] | None,
    questions: Path | None,
    previous: Path | None,
) -> tuple[pl.DataFrame, list[str]]:
    """Apply calibrators and a profile; give the table and the calibrators' ids."""
    from qa_confidence.calibrating import apply_table, relabel
    from qa_confidence.calibrators import Calibrator

    loaded = [Calibrator.load(path) for path in calibrators or []]
    table = apply_table(table, loaded, questions=read_questions(questions))
    if profile is not None:
        earlier = None if previous is None else read_confidence([previous])
        table = relabel(table, profile, calibrators=loaded, previous=earlier)
    return table, [calibrator.id for calibrator in loaded]


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
