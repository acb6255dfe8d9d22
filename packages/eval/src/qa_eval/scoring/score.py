"""Score stored completions: parse, compare, say why a row has no score."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.scoring import metric_of

from qa_eval.benchmarks.base import Benchmark
from qa_eval.metrics.codes import factorize
from qa_eval.parsers.base import Parser
from qa_eval.scoring.answers import Answers, Scored
from qa_eval.scoring.normalise import choice_truth
from qa_eval.scoring.scorers import SCORERS, Table

METRICS = tuple(SCORERS)


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
    frame = answers.frame
    types, type_code = factorize(frame["question_type"].to_list())
    metric = _metrics(frame, benchmark, types, type_code)
    frame = _with_letters(frame, metric == METRICS.index("choice"))
    truths, truth_code = factorize(frame["ground_truth"].to_list())
    texts, text_code = factorize(frame["prediction"].to_list())
    truth_value = np.array([_to_float(truth) for truth in truths])
    references = None if frame["references"].null_count() == frame.height else frame["references"].to_list()
    table = Table(types, type_code, truths, truth_code, truth_value, texts, text_code, references)

    has_prediction = np.array([text is not None for text in texts], dtype=bool)[text_code]
    has_truth = np.array([truth is not None for truth in truths], dtype=bool)[truth_code]
    is_empty = np.array([truth == "" for truth in truths], dtype=bool)[truth_code]
    has_truth &= (metric != METRICS.index("mra")) | ~np.isnan(truth_value)[truth_code] | is_empty
    usable = (metric >= 0) & has_prediction & has_truth

    score, failed = np.full(frame.height, np.nan), np.zeros(frame.height, dtype=bool)
    parsed = np.full(frame.height, None, dtype=object)
    readers = [benchmark.reader(parser, name) for name in types]
    for reader in dict.fromkeys(readers):
        mine = usable & np.array([other is reader for other in readers], dtype=bool)[type_code]
        for code, name in enumerate(METRICS):
            rows = np.flatnonzero(mine & (metric == code))
            if len(rows):
                part = SCORERS[name](table, rows, reader, benchmark)
                score[rows], failed[rows], parsed[rows] = part.score, part.failed, part.parsed
    parsed[failed] = None
    score[is_empty & usable] = 0.0  # an empty answer is not right because the truth is empty, too

    why = (
        pl.when(pl.Series(~np.isnan(score)))
        .then(None)
        .when(pl.Series(metric < 0))
        .then(pl.lit("unknown_question_type"))
        .when(pl.Series(~has_prediction))
        .then(pl.lit("no_prediction"))
        .when(pl.Series(~has_truth | (metric == METRICS.index("special"))))
        .then(pl.lit("no_ground_truth"))
        .otherwise(pl.lit("zero_ground_truth"))
    )
    return Scored(
        frame.with_columns(
            pl.Series("score", score).fill_nan(None),
            pl.Series("parsed", parsed.tolist(), dtype=pl.String),
            pl.Series("parse_failed", failed),
            why.alias("reason"),
        )
    )


def _with_letters(frame: pl.DataFrame, is_choice: NDArray[np.bool_]) -> pl.DataFrame:
    """Put letters in place of ground truths that are written as an option or as its text."""
    longer = frame["ground_truth"].str.len_chars().fill_null(0).to_numpy() > 1
    rows = np.flatnonzero(is_choice & longer)
    if not len(rows):
        return frame
    truths = frame["ground_truth"].to_list()
    for i, options in zip(rows.tolist(), frame["options"][rows].to_list(), strict=True):
        truths[i] = choice_truth(truths[i], options)
    return frame.with_columns(pl.Series("ground_truth", truths, dtype=pl.String))


def _metrics(
    frame: pl.DataFrame, benchmark: Benchmark, types: list[str], type_code: NDArray[np.intp]
) -> NDArray[np.int8]:
    """Position in `METRICS` of each row's metric, -1 for none: by type, or by options and truth for open types."""
    names = [benchmark.metrics.get(name, benchmark.every_type) for name in types]
    codes = np.array([-1 if name is None else METRICS.index(name) for name in names], dtype=np.int8)
    metric = codes[type_code]
    if benchmark.open_types and (metric < 0).any():
        options, truths = frame["options"].to_list(), frame["ground_truth"].to_list()
        for i in np.flatnonzero(metric < 0).tolist():
            metric[i] = METRICS.index(metric_of(truths[i], options[i]))
    return metric


def _to_float(text: str | None) -> float:
    """Read a ground truth as a float, NaN where it is none."""
    try:
        return math.nan if text is None else float(text)
    except ValueError:
        return math.nan
