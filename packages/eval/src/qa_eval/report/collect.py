"""Read what a report shows from run folders and scored files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from qa_eval.benchmarks import find_benchmark
from qa_eval.errors import QAEvalError
from qa_eval.scoring.answers import Scored, answer_frame
from qa_eval.scoring.formats import run_summary
from qa_eval.scoring.rows import Sources, answer_rows, read_sources, with_pictures
from qa_eval.scoring.stored import Stored, read_stored

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
    stored : Stored
    summary : dict
        As a run writes it; made from the rows of a scored file.
    curves : dict, optional
        Content of `curves.json`.
    confidence : list of (low, high, n, mean confidence, mean score)
        Bins of equal width over the confidence in the own answer, empty bins left out.
    wins, losses : list of Example
    """

    name: str
    stored: Stored
    summary: dict[str, Any]
    curves: dict[str, Any] | None
    confidence: list[tuple[float, float, int, float, float]]
    wins: list[Example] = field(default_factory=list)
    losses: list[Example] = field(default_factory=list)


def read_run(path: Path, name: str, scratch: Path) -> RunReport:
    """Read a run folder, a scores table, or the rows of `score --out`.

    Pictures of examples that are no files are written into `scratch`.

    Raises
    ------
    QAEvalError
        It holds no scored answers.
    """
    path = Path(path)
    if path.is_dir() and not (path / "scores.parquet").is_file():
        raise QAEvalError(f"{path}: no finished run of 'qa-eval run', and no scores.parquet.")
    stored = read_stored(path)
    sources = read_sources(stored)
    rows = answer_rows(stored, sources).drop_nulls("score")
    curves = path / "curves.json"
    picked = _gallery(rows)
    ids = [row["question_id"] for part in picked for row in part]
    sources = with_pictures(sources, stored, ids, scratch)
    wins, losses = ([_example(row, sources) for row in part] for part in picked)
    return RunReport(
        name=name,
        stored=stored,
        summary=stored.summary or _summary(stored),
        curves=json.loads(curves.read_text(encoding="utf-8")) if curves.is_file() else None,
        confidence=_bins(rows),
        wins=wins,
        losses=losses,
    )


def _summary(stored: Stored) -> dict[str, Any]:
    """Make the summary of answers that were scored from a file."""
    frame, first = stored.frame, stored.frame.row(0, named=True)
    benchmark = find_benchmark(first["benchmark"])
    asked = answer_frame(
        {
            "id": frame["question_id"].to_list(),
            **{name: frame[name].to_list() for name in ("question_type", "ground_truth", "options", "scene_name")},
            "prediction": frame["completion"].to_list(),
            "frames": frame["frame_set_id"].to_list(),
        }
    )
    scored = asked.with_columns(
        frame["score"], frame["parsed"], frame["reason"], frame["parse_failed"].fill_null(value=False)
    )
    summary = run_summary(Scored(scored), benchmark, seed=0)
    return summary | {name: first[name] for name in ("runner", "model_id", "parser", "run_id", "round")}


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


def _gallery(rows: pl.DataFrame) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Pick right and wrong answers, spread over the question types, the most confident first."""
    asked = rows.drop_nulls("question")

    def pick(part: pl.DataFrame) -> list[dict[str, Any]]:
        best = part.sort("confidence", descending=True, nulls_last=True, maintain_order=True)
        spread = best.with_columns(rank=pl.int_range(pl.len()).over("question_type")).sort("rank", maintain_order=True)
        return spread.head(GALLERY).to_dicts()

    return pick(asked.filter(pl.col("score") >= 0.9)), pick(asked.filter(pl.col("score") <= 0.1))


def _example(row: dict[str, Any], sources: Sources) -> Example:
    return Example(
        *(row[name] for name in ("question_id", "scene_name", "question_type", "question")),
        options=tuple(row["options"] or ()),
        ground_truth=row["ground_truth"] or "",
        completion=row["completion"] or "",
        score=row["score"],
        confidence=row["confidence"],
        program=row["program"],
        frames=tuple(path for _, path in sources.shown(row)[:FRAMES_SHOWN]),
    )
