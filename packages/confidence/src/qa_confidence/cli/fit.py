"""`qa-confidence fit`."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer
from qa_contract.cli import AsJson, Force, Out, Seed, Wrote, close, shell

from qa_confidence.cli.shared import Asked, Input, Tables, input_ids, read_confidence, read_questions, write_manifest
from qa_confidence.errors import QAConfidenceError


class Method(StrEnum):
    """Families of maps; `qa_confidence.CALIBRATORS` has the classes."""

    identity = "identity"
    temperature = "temperature"
    platt = "platt"
    beta = "beta"
    isotonic = "isotonic"
    histogram = "histogram"


class Group(StrEnum):
    """What gets a map of its own."""

    none = "none"
    question_type = "question_type"
    answer_type = "answer_type"
    both = "answer_type+question_type"


class Unit(StrEnum):
    """What a certificate takes as independent."""

    row = "row"
    scene = "scene"


_CERTIFICATE = "Certified thresholds"


def fit(
    confidence: Tables,
    out: Out,
    method: Annotated[Method, typer.Option(help="Family of maps.")] = Method.platt,
    column: Annotated[Input, typer.Option("--input", help="Column that is mapped.")] = Input.raw_confidence,
    target: Annotated[str, typer.Option(help="score, or threshold:T for the probability of score >= T.")] = "score",
    group: Annotated[Group, typer.Option(help="What gets a map of its own.")] = Group.question_type,
    questions: Asked = None,
    split: Annotated[str, typer.Option(help="Shares of scenes to fit, to certify, to report.")] = "0.5,0.2,0.3",
    alpha: Annotated[
        float, typer.Option(help="Bound on the mean loss of easy answers.", rich_help_panel=_CERTIFICATE)
    ] = 0.1,
    beta: Annotated[
        float, typer.Option(help="Bound on the mean score of hard answers.", rich_help_panel=_CERTIFICATE)
    ] = 0.3,
    delta: Annotated[
        float, typer.Option(help="Error probability of each certificate.", rich_help_panel=_CERTIFICATE)
    ] = 0.1,
    unit: Annotated[Unit, typer.Option(help="Independent unit.", rich_help_panel=_CERTIFICATE)] = Unit.row,
    seed: Seed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Fit a map from confidence to expected score on part of the scenes; --seed decides the split."""
    import polars as pl
    from qa_contract.files import atomic_path, check_output_folder, output_folder
    from qa_contract.tableio import table_metadata, write_table

    from qa_confidence.calibrating import degenerate, fit_table

    started = time.perf_counter()
    check_output_folder(out, force=force)
    fitted = fit_table(
        read_confidence(confidence),
        method=method.value,
        column=column.value,
        target=target,
        grouping=group.value,
        questions=read_questions(questions),
        shares=_shares(split),
        seed=seed,
        alpha=alpha,
        beta=beta,
        delta=delta,
        unit=unit.value,
    )
    parts = fitted.pairs.group_by("scene_name", "part").agg(n=pl.len().cast(pl.Int64)).sort("scene_name")
    inputs = [*((path, "confidence") for path in confidence), (questions, "questions")]
    config = {
        "method": method.value,
        "input": column.value,
        "target": target,
        "group": group.value,
        "split": split,
        "inputs": input_ids(inputs),
    }
    with output_folder(out, force=force) as folder:
        with atomic_path(folder / "calibrator.json") as path:
            path.write_text(fitted.calibrator.to_json(), encoding="utf-8")
        schema = {"scene_name": pl.String, "part": pl.String, "n": pl.Int64}
        metadata = table_metadata("splits", "qa-confidence fit", config, seed)
        write_table(parts, folder / "splits.parquet", schema, metadata)
        write_manifest(folder, "fit", config, started)
    rows = dict(fitted.pairs["part"].value_counts().sort("part").iter_rows())
    notes = [method.value, *(f"{name} {n:,} rows" for name, n in rows.items())]
    notes += [] if fitted.certificate is None else [fitted.certificate.describe()]
    for text in degenerate(fitted.pairs):
        typer.echo(f"note: {text}", err=True)
    close(
        Wrote(out / "calibrator.json", len(fitted.pairs), "answers"),
        since=started,
        notes=notes,
        next=shell("qa-confidence", "report", *confidence, "--calibrator", out, "--out", "DIR"),
        summary={"calibrator_id": fitted.calibrator.id, "rows": rows},
        as_json=as_json,
    )


def _shares(split: str) -> list[float]:
    """Read the option --split."""
    try:
        return [float(part) for part in split.split(",")]
    except ValueError:
        raise QAConfidenceError(f"--split needs three numbers such as 0.5,0.2,0.3; found '{split}'.") from None
