"""Scores by functions of the benchmark's own."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qa_eval.benchmarks.base import Benchmark
from qa_eval.parsers.base import Parser
from qa_eval.scoring.scorers.base import Part, Table, objects


def score_special(table: Table, rows: NDArray[np.intp], parser: Parser, benchmark: Benchmark) -> Part:
    """Score by the benchmark's own functions, or by those of a harness; NaN where they cannot read the ground truth."""
    found = [
        _own(
            benchmark.own_score(parser, table.types[table.type_code[row]]),
            table.texts[table.text_code[row]] or "",
            table.truths[table.truth_code[row]] or "",
        )
        for row in rows.tolist()
    ]
    failed = np.array([value is None for value in found], dtype=bool)
    texts = [table.texts[code] for code in table.text_code[rows].tolist()]
    return Part(np.array([value or 0.0 for value in found]), failed, objects(texts))


def _own(score: Callable[[str, str], float | None], completion: str, ground_truth: str) -> float | None:
    """Score one answer; an answer in another form is None, so what cannot be read is the ground truth."""
    try:
        return score(completion, ground_truth)
    except (ValueError, TypeError, LookupError):
        return math.nan
