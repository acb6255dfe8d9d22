"""Commands that fit calibrators, apply them, and report on them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from qa_confidence.cli.shared import (
    AsJson,
    Force,
    Out,
    Previous,
    Questions,
    Tables,
    calibrated,
    check_profile,
    input_ids,
    read_confidence,
    read_questions,
    shares_of,
    write,
    write_manifest,
)
from qa_confidence.errors import QAConfidenceError

QUESTION_TEXT = ("question_id", "answer_type", "question", "ground_truth")
ANSWER_TEXT = ("question_id", "round", "phase", "completion")


def fit(
    confidence: Tables,
    out: Out,
    method: Annotated[str, typer.Option(help="identity, temperature, platt, beta, isotonic, histogram.")] = "platt",
    column: Annotated[str, typer.Option("--input", help="raw_confidence or gold_confidence.")] = "raw_confidence",
    target: Annotated[str, typer.Option(help="score, or threshold:T for the probability of score >= T.")] = "score",
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
    from qa_contract.files import atomic_path, check_output_folder, output_folder
    from qa_contract.tableio import table_metadata, write_table

    from qa_confidence.calibrating import degenerate, fit_table

    started = time.perf_counter()
    check_output_folder(out, force=force)
    fitted = fit_table(
        read_confidence(confidence),
        method=method,
        column=column,
        target=target,
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
    config = {
        "method": method,
        "input": column,
        "target": target,
        "group": group,
        "split": split,
        "inputs": input_ids(inputs),
    }
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
    for text in degenerate(fitted.pairs):
        typer.echo(f"note: {text}", err=True)
    seconds = time.perf_counter() - started
    typer.echo(f"wrote {out / 'calibrator.json'}: {method} ({'; '.join(notes)}), {seconds:.1f} s", err=True)
    typer.echo(f"next: qa-confidence report {confidence[0]} --calibrator {out} --out DIR", err=True)
    if as_json:
        typer.echo(json.dumps({"calibrator_id": fitted.calibrator.id, "rows": rows}, sort_keys=True))


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
    from qa_contract.files import check_output_folder, output_folder

    from qa_confidence.calibrating import target_of
    from qa_confidence.target import target_text

    started = time.perf_counter()
    if profile is not None:
        check_profile(profile)
    elif previous is not None:
        raise QAConfidenceError("--previous finds suspects, which are labels; pass --profile too.")
    check_output_folder(out, force=force)
    table, used = calibrated(read_confidence([confidence]), profile, calibrator, questions, previous)
    inputs = [(confidence, "confidence"), (previous, "confidence")]
    config = {"profile": profile, "calibrators": [c.id for c in used], "inputs": input_ids(inputs)}
    with output_folder(out, force=force) as folder:
        write(table, folder, "confidence", "qa-confidence apply", config)
        write_manifest(folder, "apply", config, started)
    meaning = target_text(target_of(used[0]))
    filled = len(table) - table["confidence"].null_count()
    seconds = time.perf_counter() - started
    typer.echo(
        f"wrote {out / 'confidence.parquet'}: {len(table)} rows, {filled} calibrated ({meaning}), {seconds:.1f} s",
        err=True,
    )
    typer.echo(f"next: qa-confidence feedback {out} --questions QUESTIONS --out DIR", err=True)


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
    from qa_contract.files import check_output_folder, output_folder
    from qa_contract.tableio import read_table
    from qa_contract.tables import PREDICTIONS, QUESTIONS

    from qa_confidence.calibrators import Calibrator
    from qa_confidence.report.build import Texts, build_report

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
    from qa_contract.tableio import read_table
    from qa_contract.tables import PREDICTIONS

    from qa_confidence.calibrators import Calibrator
    from qa_confidence.report.comparison import compare_order, compare_rounds

    frames = read_confidence([before]), read_confidence([after])
    if steps is not None:
        order = read_table(steps, "predictions", PREDICTIONS, columns=["question_id", "round", "phase", "step"])
        result = compare_order(*frames, order, resamples=resamples, seed=seed)
    else:
        used = None if calibrator is None else Calibrator.load(calibrator)
        asked = read_questions(questions)
        result = compare_rounds(*frames, calibrator=used, questions=asked, resamples=resamples, seed=seed)
    typer.echo(result.json if as_json else result.markdown, nl=False)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (fit, apply, report, compare):
        app.command()(command)
