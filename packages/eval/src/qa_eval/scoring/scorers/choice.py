"""Accuracy of options."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qa_contract.answers import fold_codes
from qa_contract.scoring import is_letter

from qa_eval.benchmarks.base import Benchmark
from qa_eval.parsers.base import Parser
from qa_eval.scoring.scorers.base import Part, Table, objects, read_used

WORDS = ("yes", "no")
"""Answers beside letters that some benchmarks ask for."""


def score_choices(table: Table, rows: NDArray[np.intp], parser: Parser, benchmark: Benchmark) -> Part:
    """1 where the option equals the ground truth regardless of case, else 0."""
    text = table.text_code[rows]
    letters = read_used(parser.choice, table.texts, text)
    codes: dict[str, int] = {}
    hit = fold_codes(letters, codes)[text] == fold_codes(table.truths, codes)[table.truth_code[rows]]
    read = [is_letter(letter) or str(letter).lower() in WORDS for letter in letters]
    failed = ~(np.array(read, dtype=bool)[text] | hit)
    return Part(hit.astype(np.float64), failed, objects(letters)[text])
