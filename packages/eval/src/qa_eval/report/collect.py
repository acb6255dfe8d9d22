"""Read what a report shows from run folders."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.errors import TableError
from qa_contract.files import path_inside
from qa_contract.tableio import read_table
from qa_contract.tables import FRAME_SETS, FRAMES, PREDICTIONS, QUESTIONS, SCORES

from qa_eval.benchmarks import BENCHMARKS
from qa_eval.errors import QAEvalError
from qa_eval.scoring.questions import read_questions

GALLERY = 6
"""Examples of each sort, right and wrong."""
FRAMES_SHOWN = 4
CONFIDENCE_BINS = 10


@dataclass(frozen=True)
class Example:
    """One answered question."""

    question_id: str
    scene_name: str
    question_type: str
    question: str
    options: tuple[str, ...]
    ground_truth: str
    completion: str
    score: float
    confidence: float | None
    program: str | None
    frames: tuple[Path, ...]


@dataclass(frozen=True)
class RunReport:
    """One run as a report shows it.

    Attributes
    ----------
    name : str
        Folder name, made unique among the runs.
    summary, manifest : dict
        As written by the run.
    curves : dict, optional
        Content of `curves.json`.
    confidence : list of (low, high, n, mean confidence, mean score)
        Bins of equal width over the confidence in the own answer, empty bins left out.
    wins, losses : list of Example
    """

    name: str
    summary: dict[str, Any]
    manifest: dict[str, Any]
    curves: dict[str, Any] | None
    confidence: list[tuple[float, float, int, float, float]]
    wins: list[Example] = field(default_factory=list)
    losses: list[Example] = field(default_factory=list)


_READ = (
    *("question_id", "scene_name", "question_type", "frame_set_id", "frame_ids", "completion"),
    *("token_logprobs", "token_mask"),
)


def read_run(folder: Path, name: str) -> RunReport:
    """Read one run folder.

    Raises
    ------
    QAEvalError
        It holds no finished run.
    """
    folder = Path(folder)
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise QAEvalError(f"{folder}: no finished run of 'qa-eval run' ({error}).") from error
    curves = folder / "curves.json"
    predictions = read_table(folder, "predictions", PREDICTIONS, columns=_READ, optional=["frame_ids"])
    scores = read_table(folder, "scores", SCORES, columns=["question_id", "score"])
    rows = predictions.join(scores, on="question_id", how="inner", maintain_order="left").drop_nulls("score")
    rows = rows.with_columns(confidence=pl.Series(_confidences(rows), dtype=pl.Float64))
    wins, losses = _gallery(rows, manifest.get("inputs", {}), summary.get("benchmark"))
    return RunReport(
        name=name,
        summary=summary,
        manifest=manifest,
        curves=json.loads(curves.read_text(encoding="utf-8")) if curves.is_file() else None,
        confidence=_bins(rows),
        wins=wins,
        losses=losses,
    )


def _confidences(rows: pl.DataFrame) -> list[float | None]:
    """Geometric mean probability of the answer's own tokens, from the exploded token lists."""
    tokens = (
        rows.with_row_index("row")
        .select("row", "token_logprobs", "token_mask")
        .drop_nulls()
        .explode("token_logprobs", "token_mask", empty_as_null=True)
        .filter("token_mask")
        .group_by("row")
        .agg(pl.col("token_logprobs").mean().exp().alias("confidence"))
    )
    found = pl.DataFrame({"row": pl.int_range(rows.height, dtype=pl.UInt32, eager=True)})
    return found.join(tokens, on="row", how="left", maintain_order="left")["confidence"].to_list()


def _bins(rows: pl.DataFrame) -> list[tuple[float, float, int, float, float]]:
    """Mean score per bin of confidence."""
    grouped = (
        rows.drop_nulls("confidence")
        .with_columns(bin=(pl.col("confidence") * CONFIDENCE_BINS).floor().clip(0, CONFIDENCE_BINS - 1))
        .group_by("bin")
        .agg(pl.len(), pl.col("confidence").mean(), pl.col("score").mean())
        .sort("bin")
    )
    width = 1 / CONFIDENCE_BINS
    return [(b * width, (b + 1) * width, n, c, s) for b, n, c, s in grouped.iter_rows()]


def _gallery(rows: pl.DataFrame, inputs: dict[str, Any], benchmark: str | None) -> tuple[list[Example], list[Example]]:
    """Pick right and wrong answers, spread over the question types, the most confident first."""
    questions = _questions(inputs.get("questions"), benchmark)
    if questions is None:
        return [], []
    columns = ["question_id", "question", "options", "ground_truth", "program"]
    joined = rows.join(questions.select(columns), on="question_id", how="inner", maintain_order="left")
    sets = _table(inputs.get("store"), "frame_sets", FRAME_SETS)
    frames = _table(inputs.get("store"), "frames", FRAMES)
    paths = (
        {} if frames is None else {(s, f): p for s, f, p in frames["scene_name", "frame_id", "image_path"].iter_rows()}
    )
    chosen = (
        {}
        if sets is None
        else {(s, i): ids for s, i, ids in sets["scene_name", "frame_set_id", "frame_ids"].iter_rows()}
    )
    store = Path(str(inputs.get("store")))

    def example(row: dict[str, Any]) -> Example:
        # Runs of older versions name the frame set alone.
        ids = row["frame_ids"] or chosen.get((row["scene_name"], row["frame_set_id"]), [])
        files = [paths.get((row["scene_name"], frame_id)) for frame_id in ids[:FRAMES_SHOWN]]
        return Example(
            *(row[name] for name in ("question_id", "scene_name", "question_type", "question")),
            options=tuple(row["options"] or ()),
            ground_truth=row["ground_truth"],
            completion=row["completion"] or "",
            score=row["score"],
            confidence=row["confidence"],
            program=row["program"],
            frames=tuple(path_inside(store, path) for path in files if path is not None),
        )

    def pick(part: pl.DataFrame) -> list[Example]:
        best = part.sort("confidence", descending=True, nulls_last=True, maintain_order=True)
        spread = best.with_columns(rank=pl.int_range(pl.len()).over("question_type")).sort("rank", maintain_order=True)
        return [example(row) for row in spread.head(GALLERY).to_dicts()]

    return pick(joined.filter(pl.col("score") >= 0.9)), pick(joined.filter(pl.col("score") <= 0.1))


def _questions(source: object, benchmark: str | None) -> pl.DataFrame | None:
    """Read the questions of the run, a table or a published file, if they are still where they were."""
    table = _table(source, "questions", QUESTIONS)
    if table is not None or not isinstance(source, str):
        return table
    try:
        return read_questions(Path(source), BENCHMARKS.get(benchmark or "")).with_columns(
            program=pl.lit(None, pl.String)
        )
    except (QAEvalError, TableError):
        return None


def _table(source: object, table: str, schema: Any) -> pl.DataFrame | None:
    """Read an input of the run if it is still where it was."""
    if not isinstance(source, str) or not Path(source).exists():
        return None
    try:
        return read_table(Path(source), table, schema)
    except TableError:
        return None
