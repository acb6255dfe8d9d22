"""Score stored completions: parse, compare, say why a row has no score."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from qa_eval.benchmarks.base import Benchmark
from qa_eval.metrics.choice import factorize, fold_codes
from qa_eval.metrics.mra import mean_relative_accuracy
from qa_eval.parsers.base import Parser

T = TypeVar("T")


@dataclass(frozen=True)
class Answers:
    """Rows to score, one entry per row in every column.

    Attributes
    ----------
    ids : list of str or int
    question_type : list of str
    ground_truth : list of str or None
    prediction : list of str or None
        The raw completion; None where the model gave none.
    options : list of (list of str or None), optional
        ``"A. text"`` per option; None for numbers.
    scene_name : list of str, optional
    """

    ids: list[str | int]
    question_type: list[str]
    ground_truth: list[str | None]
    prediction: list[str | None]
    options: list[list[str] | None] | None = None
    scene_name: list[str] | None = None


@dataclass(frozen=True)
class Scored:
    """Scores of rows.

    Attributes
    ----------
    score : (n,) float64
        0 to 1; NaN where the row could not be scored.
    parse_failed : (n,) bool
        The completion held no answer in the parser's eyes; such a row scores 0.
    reason : dict of int to str
        Row to reason code, for the rows without a score.
    """

    score: NDArray[np.float64]
    parse_failed: NDArray[np.bool_]
    reason: dict[int, str]
    write_parsed: Callable[[], NDArray[np.object_]] = field(repr=False)

    @cached_property
    def parsed(self) -> NDArray[np.object_]:
        """Text of the answer that the parser read, whole numbers without a decimal point; None where it read none.

        Shape (n,); written when it is first asked for, because a mere score does not need it.
        """
        return self.write_parsed()


def score_answers(answers: Answers, benchmark: Benchmark, parser: Parser) -> Scored:
    """Score every row with the metric of its question type.

    Notes
    -----
    Each distinct completion is parsed once. A row has no score, and a reason, where the prediction or the ground truth
    is missing, where the benchmark lacks the question type, or where the metric is undefined.

    Examples
    --------
    >>> from qa_eval.benchmarks import find_benchmark
    >>> from qa_eval.parsers import find_parser
    >>> rows = Answers([1, 2], ["object_counting", "route_planning"], ["4", "B"], ["3", "b."])
    >>> score_answers(rows, find_benchmark("vsi-bench"), find_parser("official")).score
    array([0.6, 1. ])
    """
    types, type_code = factorize(answers.question_type)
    truths, truth_code = factorize(answers.ground_truth)
    texts, text_code = factorize(answers.prediction)
    truth_value = np.array([_to_float(truth) for truth in truths])

    is_choice = _choice_rows(answers, benchmark, types, type_code)
    known = np.array([t in benchmark.metrics or benchmark.open_types for t in types], dtype=bool)[type_code]
    has_prediction = np.array([text is not None for text in texts], dtype=bool)[text_code]
    has_truth = np.array([truth is not None for truth in truths], dtype=bool)[truth_code]
    has_truth &= is_choice | ~np.isnan(truth_value)[truth_code]
    usable = known & has_prediction & has_truth

    score = np.full(len(answers.ids), np.nan)
    failed = np.zeros(len(answers.ids), dtype=bool)

    choices = np.flatnonzero(usable & is_choice)
    text = text_code[choices]
    letters = _parse_used(parser.choice, texts, text)
    codes: dict[str, int] = {}
    hit = fold_codes(letters, codes)[text] == fold_codes(truths, codes)[truth_code[choices]]
    score[choices] = hit
    failed[choices] = ~(np.array([_is_letter(letter) for letter in letters], dtype=bool)[text] | hit)

    numbers = np.flatnonzero(usable & ~is_choice)
    text = text_code[numbers]
    found = _parse_used(parser.number, texts, text)
    value = np.array([math.nan if v is None else v for v in found], dtype=np.float64)[text]
    truth = truth_value[truth_code[numbers]]
    score[numbers] = mean_relative_accuracy(value, truth, zero_is_absolute=parser.zero_is_absolute)
    failed[numbers] = ~np.isfinite(value)

    def write_parsed() -> NDArray[np.object_]:
        parsed = np.full(len(answers.ids), None, dtype=object)
        parsed[choices] = np.array(letters, dtype=object)[text_code[choices]]
        parsed[numbers] = [number_text(v) for v in value.tolist()]
        parsed[failed] = None
        return parsed

    unscored = np.flatnonzero(np.isnan(score)).tolist()
    reason = dict.fromkeys(unscored, "zero_ground_truth")
    reason |= {i: "no_ground_truth" for i in unscored if not has_truth[i]}
    reason |= {i: "no_prediction" for i in unscored if not has_prediction[i]}
    reason |= {i: "unknown_question_type" for i in unscored if not known[i]}
    return Scored(score=score, parse_failed=failed, reason=reason, write_parsed=write_parsed)


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


def _parse_used(function: Callable[[str], T | None], texts: list[str | None], used: NDArray[np.intp]) -> list[T | None]:
    """Apply a parser function to the texts whose position is in `used`, once each; None for the others."""
    wanted = np.zeros(len(texts), dtype=bool)
    wanted[used] = True
    return [function(t or "") if w else None for t, w in zip(texts, wanted.tolist(), strict=True)]


def _choice_rows(answers: Answers, benchmark: Benchmark, types: list[str], code: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether each row is a choice: by its question type, or by its options and ground truth for open types."""
    choice = np.array([benchmark.metrics.get(t) == "choice" for t in types], dtype=bool)[code]
    is_open = np.array([t not in benchmark.metrics for t in types], dtype=bool)[code]
    for i in np.flatnonzero(is_open).tolist():
        options = answers.options[i] if answers.options else None
        choice[i] = bool(options) or _is_letter(answers.ground_truth[i])
    return choice


def _is_letter(text: str | None) -> bool:
    """Whether a text is one option letter."""
    return text is not None and len(text) == 1 and text.isascii() and text.isalpha()


def _to_float(text: str | None) -> float:
    """Read a ground truth as a float, NaN where it is none."""
    try:
        return math.nan if text is None else float(text)
    except ValueError:
        return math.nan
