"""Compare two runs read from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from qa_contract.tableio import read_table
from qa_contract.tables import SCORES

from qa_eval.benchmarks import find_benchmark
from qa_eval.errors import QAEvalError
from qa_eval.metrics.compare import Comparison, paired_difference

KEYS = ["question_id", "scene_name", "question_type"]


def compare_runs(a: Path, b: Path, *, seed: int = 0) -> tuple[Comparison, dict[str, Any]]:
    """Join the scores of two runs by question and compare them.

    Returns
    -------
    Comparison
    dict
        What both rows say about themselves, and how many questions only one run has.

    Raises
    ------
    QAEvalError
        The runs share no scored question, or were scored as different benchmarks.
    """
    tables = [read_table(Path(run), "scores", SCORES) for run in (a, b)]
    for run, table in zip((a, b), tables, strict=True):
        if table["question_id"].is_duplicated().any():
            raise QAEvalError(f"{run}: several scores of one question; compare one run at a time.")
    names = [table["benchmark"].unique().to_list() for table in tables]
    if names[0] != names[1] or len(names[0]) != 1:
        raise QAEvalError(f"{a} is scored as {names[0]}, {b} as {names[1]}; compare runs of one benchmark.")
    parsers = [table["parser"].unique().to_list() for table in tables]
    joined = tables[0].join(tables[1], on=KEYS, how="inner", suffix="_b", maintain_order="left")
    if joined.is_empty():
        raise QAEvalError(f"{a} and {b} share no question.")
    benchmark = find_benchmark(str(names[0][0]))
    try:
        result = paired_difference(
            _scores(joined["score"]),
            _scores(joined["score_b"]),
            joined["question_type"].to_list(),
            joined["scene_name"].to_list(),
            benchmark.tasks,
            rng=np.random.default_rng(seed),
            overall=benchmark.overall,
        )
    except ValueError as error:
        raise QAEvalError(f"{a} and {b}: {error}.") from error
    facts = {
        "a": _identity(tables[0]),
        "b": _identity(tables[1]),
        "benchmark": names[0][0],
        "parsers_differ": parsers[0] != parsers[1],
        "frames_differ": not _same(joined, "frame_set_id"),
        "prompts_differ": not _same(joined, "prompt_id"),
        "only_a": tables[0].height - joined.height,
        "only_b": tables[1].height - joined.height,
    }
    return result, facts


def _scores(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _identity(table: pl.DataFrame) -> dict[str, Any]:
    row = table.row(0, named=True)
    return {name: row[name] for name in ("run_id", "model_id", "runner", "round", "parser")}


def _same(joined: pl.DataFrame, column: str) -> bool:
    return joined[column].equals(joined[f"{column}_b"].alias(column), null_equal=True)
