"""Mean relative accuracy of numbers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from qa_contract.answers import mean_relative_accuracy

from qa_eval.benchmarks.base import Benchmark
from qa_eval.parsers.base import Parser
from qa_eval.scoring.scorers.base import Part, Table, objects, read_used


def score_numbers(table: Table, rows: NDArray[np.intp], parser: Parser, benchmark: Benchmark) -> Part:
    """Mean relative accuracy of the number."""
    text = table.text_code[rows]
    found = read_used(parser.number, table.texts, text)
    numbers = [math.nan if v is None else v for v in found]
    value = np.array(numbers, dtype=np.float64)[text]
    truth = table.truth_value[table.truth_code[rows]]
    score = mean_relative_accuracy(value, truth, zero_is_absolute=parser.zero_is_absolute)
    return Part(score, ~np.isfinite(value), objects([number_text(v) for v in numbers])[text])


def number_text(value: float) -> str | None:
    """Write a number so that it reads back as the same float; None for NaN and infinity.

    Examples
    --------
    >>> number_text(3.0), number_text(1.25), number_text(float("nan"))
    ('3', '1.25', None)
    """
    if not math.isfinite(value):
        return None
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
