"""Compare two runs read from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from qa_eval.benchmarks import find_benchmark
from qa_eval.errors import QAEvalError
from qa_eval.metrics.compare import Comparison, paired_difference
from qa_eval.scoring.stored import Stored, read_stored, unlike

KEYS = ["question_id", "question_type"]
ROW = ("completion", "parsed", "score")
"""What the list of changed questions says of both runs."""


def compare_runs(a: Path, b: Path, *, seed: int = 0) -> tuple[Comparison, dict[str, Any]]:
    """Join the scores of two runs by question and compare them.

    Returns
    -------
    Comparison
    dict
        What both say about themselves (`a`, `b`), in what they are unlike (`unlike`), how many questions only one run
        has (`only_a`, `only_b`), and the questions whose score changed (`changed`), what got worse first.

    Raises
    ------
    QAEvalError
        The runs share no scored question, or were scored as different benchmarks.
    """
    runs = [read_stored(path) for path in (a, b)]
    tables = [run.frame for run in runs]
    names = [table["benchmark"][0] for table in tables]
    if names[0] != names[1]:
        raise QAEvalError(f"{a} is scored as {names[0]}, {b} as {names[1]}; compare runs of one benchmark.")
    joined = tables[0].join(tables[1], on=KEYS, how="inner", suffix="_b", maintain_order="left")
    if joined.is_empty():
        raise QAEvalError(f"{a} and {b} share no question.")
    benchmark = find_benchmark(str(names[0]))
    scenes = joined["scene_name"].fill_null("").to_list()
    try:
        result = paired_difference(
            _scores(joined["score"]),
            _scores(joined["score_b"]),
            joined["question_type"].to_list(),
            scenes if any(scenes) else joined["question_id"].to_list(),
            benchmark.tasks,
            rng=np.random.default_rng(seed),
            overall=benchmark.overall,
        )
    except ValueError as error:
        raise QAEvalError(f"{a} and {b}: {error}.") from error
    facts = {
        "a": _identity(runs[0]),
        "b": _identity(runs[1]),
        "benchmark": names[0],
        "unlike": unlike(runs) | _unlike_rows(joined),
        "only_a": tables[0].height - joined.height,
        "only_b": tables[1].height - joined.height,
        "changed": changed(joined).to_dicts(),
    }
    return result, facts


def changed(joined: pl.DataFrame) -> pl.DataFrame:
    """Select the questions whose score changed: id, type, truth, and of both runs completion, parsed answer, score."""
    columns = [pl.col(name).alias(f"{name}_a") for name in ROW] + [pl.col(f"{name}_b") for name in ROW]
    change = pl.col("score_b") - pl.col("score")
    rows = joined.filter(change != 0).sort(change, maintain_order=True)
    return rows.select(*KEYS, "scene_name", pl.coalesce("ground_truth", "ground_truth_b"), *columns)


def _scores(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _identity(run: Stored) -> dict[str, Any]:
    row = run.frame.row(0, named=True)
    return {name: row[name] for name in ("run_id", "model_id", "runner", "round", "parser")}


def _unlike_rows(joined: pl.DataFrame) -> dict[str, list[str]]:
    """Tell where the frames or the prompts of some question differ."""
    found = {}
    for what, column in (("frames", "frame_set_id"), ("prompts", "prompt_id")):
        pairs = joined.select(column, f"{column}_b").drop_nulls().filter(pl.col(column) != pl.col(f"{column}_b"))
        if pairs.height:
            found[what] = [str(value) for value in pairs.row(0)]
    return found
