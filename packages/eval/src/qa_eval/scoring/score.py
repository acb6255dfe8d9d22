"""Score stored completions: parse, compare, say why a row has no score."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qa_eval.benchmarks.base import Benchmark
from qa_eval.metrics.codes import factorize
from qa_eval.parsers.base import Parser
from qa_eval.scoring.rows import SCORERS, Part, Table, is_letter

METRICS = tuple(SCORERS)


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
    references : list of (list of str or None), optional
        All right answers of a free-text question; without them `ground_truth` is the only one.
    frames : list of str or None, optional
        Frame set or number of frames of each row.
    """

    ids: list[str | int]
    question_type: list[str]
    ground_truth: list[str | None]
    prediction: list[str | None]
    options: list[list[str] | None] | None = None
    scene_name: list[str] | None = None
    references: Sequence[Sequence[str] | None] | None = None
    frames: list[str | None] | None = None


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
    table = Table(types, type_code, truths, truth_code, truth_value, texts, text_code, answers.references)

    metric = _metrics(answers, benchmark, types, type_code)
    has_prediction = np.array([text is not None for text in texts], dtype=bool)[text_code]
    has_truth = np.array([truth is not None for truth in truths], dtype=bool)[truth_code]
    has_truth &= (metric != METRICS.index("mra")) | ~np.isnan(truth_value)[truth_code]
    usable = (metric >= 0) & has_prediction & has_truth

    n = len(answers.ids)
    score, failed = np.full(n, np.nan), np.zeros(n, dtype=bool)
    parts: list[tuple[NDArray[np.intp], Part]] = []
    readers = [benchmark.reader(parser, name) for name in types]
    for reader in dict.fromkeys(readers):
        mine = usable & np.array([other is reader for other in readers], dtype=bool)[type_code]
        for code, name in enumerate(METRICS):
            rows = np.flatnonzero(mine & (metric == code))
            if len(rows):
                part = SCORERS[name](table, rows, reader, benchmark)
                score[rows], failed[rows] = part.score, part.failed
                parts.append((rows, part))

    def write_parsed() -> NDArray[np.object_]:
        parsed = np.full(n, None, dtype=object)
        for rows, part in parts:
            parsed[rows] = part.write()
        parsed[failed] = None
        return parsed

    unscored = np.flatnonzero(np.isnan(score)).tolist()
    reason = dict.fromkeys(unscored, "zero_ground_truth")
    reason |= {i: "no_ground_truth" for i in unscored if not has_truth[i]}
    reason |= {i: "no_prediction" for i in unscored if not has_prediction[i]}
    reason |= {i: "unknown_question_type" for i in unscored if metric[i] < 0}
    return Scored(score=score, parse_failed=failed, reason=reason, write_parsed=write_parsed)


def _metrics(answers: Answers, benchmark: Benchmark, types: list[str], type_code: NDArray[np.intp]) -> NDArray[np.int8]:
    """Position in `METRICS` of each row's metric, -1 for none: by type, or by options and truth for open types."""
    names = [benchmark.metrics.get(name, benchmark.every_type) for name in types]
    codes = np.array([-1 if name is None else METRICS.index(name) for name in names], dtype=np.int8)
    metric = codes[type_code]
    if benchmark.open_types:
        for i in np.flatnonzero(metric < 0).tolist():
            options = answers.options[i] if answers.options else None
            is_choice = bool(options) or is_letter(answers.ground_truth[i])
            metric[i] = METRICS.index("choice" if is_choice else "mra")
    return metric


def _to_float(text: str | None) -> float:
    """Read a ground truth as a float, NaN where it is none."""
    try:
        return math.nan if text is None else float(text)
    except ValueError:
        return math.nan
