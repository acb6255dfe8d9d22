"""Scores of the rows that one metric and one parser serve."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from qa_contract.answers import fold_codes, mean_relative_accuracy

from qa_eval.benchmarks.base import Benchmark
from qa_eval.errors import QAEvalError
from qa_eval.parsers.base import Parser

T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """Rows to score, with each distinct text held once.

    Attributes
    ----------
    types, truths, texts : list
        Distinct question types, ground truths, completions; the codes hold the position of each row's own.
    truth_value : (len(truths),) float64
        Ground truths as numbers, NaN where they are none.
    references : list of (list of str) or None
        All right answers of every row, for free text.
    """

    types: list[str]
    type_code: NDArray[np.intp]
    truths: list[str | None]
    truth_code: NDArray[np.intp]
    truth_value: NDArray[np.float64]
    texts: list[str | None]
    text_code: NDArray[np.intp]
    references: Sequence[Sequence[str] | None] | None


@dataclass(frozen=True)
class Part:
    """Scores of some rows, whether an answer was read, and its text."""

    score: NDArray[np.float64]
    failed: NDArray[np.bool_]
    parsed: NDArray[np.object_]


def score_choices(table: Table, rows: NDArray[np.intp], parser: Parser, benchmark: Benchmark) -> Part:
    """1 where the option equals the ground truth regardless of case, else 0."""
    text = table.text_code[rows]
    letters = _read_used(parser.choice, table.texts, text)
    codes: dict[str, int] = {}
    hit = fold_codes(letters, codes)[text] == fold_codes(table.truths, codes)[table.truth_code[rows]]
    failed = ~(np.array([is_letter(letter) for letter in letters], dtype=bool)[text] | hit)
    return Part(hit.astype(np.float64), failed, objects(letters)[text])


def score_numbers(table: Table, rows: NDArray[np.intp], parser: Parser, benchmark: Benchmark) -> Part:
    """Mean relative accuracy of the number."""
    text = table.text_code[rows]
    found = _read_used(parser.number, table.texts, text)
    numbers = [math.nan if v is None else v for v in found]
    value = np.array(numbers, dtype=np.float64)[text]
    truth = table.truth_value[table.truth_code[rows]]
    score = mean_relative_accuracy(value, truth, zero_is_absolute=parser.zero_is_absolute)
    return Part(score, ~np.isfinite(value), objects([number_text(v) for v in numbers])[text])


def score_texts(table: Table, rows: NDArray[np.intp], parser: Parser, benchmark: Benchmark) -> Part:
    """1 where the text answers as one of the references does, else 0.

    Raises
    ------
    QAEvalError
        The parser reads no free text.
    """
    read = parser.text
    if read is None:
        raise QAEvalError(f"Parser '{parser.name}' reads no free text; use 'official' or 'lenient'.")
    pairs: dict[tuple[str, tuple[str, ...]], tuple[str, float]] = {}

    def one(row: int) -> tuple[str, float]:
        answer = table.texts[table.text_code[row]] or ""
        references = table.references[row] if table.references else None
        key = answer, tuple(references or [table.truths[table.truth_code[row]] or ""])
        if key not in pairs:
            text = read(answer)
            pairs[key] = text, float(any(parser.same_text(text, read(reference)) for reference in key[1]))
        return pairs[key]

    found = [one(row) for row in rows.tolist()]
    texts = [text for text, _ in found]
    failed = np.array([not text for text in texts], dtype=bool)
    return Part(np.array([s for _, s in found]), failed, objects(texts))


def score_special(table: Table, rows: NDArray[np.intp], parser: Parser, benchmark: Benchmark) -> Part:
    """Score by the benchmark's own functions; the same for every parser."""
    found = [
        benchmark.special[table.types[table.type_code[row]]](
            table.texts[table.text_code[row]] or "", table.truths[table.truth_code[row]] or ""
        )
        for row in rows.tolist()
    ]
    failed = np.array([value is None for value in found], dtype=bool)
    texts = [table.texts[code] for code in table.text_code[rows].tolist()]
    return Part(np.array([value or 0.0 for value in found]), failed, objects(texts))


SCORERS: dict[Any, Callable[[Table, NDArray[np.intp], Parser, Benchmark], Part]] = {
    "choice": score_choices,
    "mra": score_numbers,
    "text": score_texts,
    "special": score_special,
}
"""Metric to function."""


def objects(values: Sequence[Any]) -> NDArray[np.object_]:
    """Hold values in an array as they are."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


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


def is_letter(text: str | None) -> bool:
    """Whether a text is one option letter.

    Examples
    --------
    >>> is_letter("b"), is_letter("é"), is_letter(None)
    (True, False, False)
    """
    return text is not None and len(text) == 1 and text.isascii() and text.isalpha()


def _read_used(function: Callable[[str], T | None], texts: list[str | None], used: NDArray[np.intp]) -> list[T | None]:
    """Apply a parser function to the texts whose position is in `used`, once each; None for the others."""
    wanted = np.zeros(len(texts), dtype=bool)
    wanted[used] = True
    return [function(t or "") if w else None for t, w in zip(texts, wanted.tolist(), strict=True)]
