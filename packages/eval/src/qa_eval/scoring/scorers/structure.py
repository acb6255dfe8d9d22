"""Scores of answers that are JSON: maps, boxes, triplets."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray
from qa_contract.structures import compare_structures, read_structure

from qa_eval.benchmarks.base import Benchmark
from qa_eval.parsers.base import Parser
from qa_eval.scoring.scorers.base import Part, Table, objects, read_used


def score_structures(table: Table, rows: NDArray[np.intp], parser: Parser, benchmark: Benchmark) -> Part:
    """Compare in the form of the ground truth; what is no JSON, or has another form, is no answer."""
    texts = table.text_code[rows]
    values = read_used(parser.structure, table.texts, texts)
    truths = [table.truths[code] or "" for code in table.truth_code[rows].tolist()]
    said = [values[code] for code in texts.tolist()]
    found = [read_structure(value, truth) for value, truth in zip(said, truths, strict=True)]
    scores = [compare_structures(answer, truth) for answer, truth in zip(found, truths, strict=True)]
    failed = np.array([answer is None for answer in found], dtype=bool)
    parsed = objects([json.dumps(value, ensure_ascii=False) for value in said])
    return Part(np.array(scores, dtype=np.float64), failed, parsed)
