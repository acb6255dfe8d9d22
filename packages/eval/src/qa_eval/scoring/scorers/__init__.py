"""Scorers: how the rows of one metric are scored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qa_eval.benchmarks.base import Benchmark
from qa_eval.parsers.base import Parser
from qa_eval.scoring.scorers.base import Part, Table
from qa_eval.scoring.scorers.choice import score_choices
from qa_eval.scoring.scorers.number import score_numbers
from qa_eval.scoring.scorers.special import score_special
from qa_eval.scoring.scorers.structure import score_structures
from qa_eval.scoring.scorers.text import score_texts

SCORERS: dict[str, Callable[[Table, NDArray[np.intp], Parser, Benchmark], Part]] = {
    "choice": score_choices,
    "mra": score_numbers,
    "json": score_structures,
    "text": score_texts,
    "special": score_special,
}
"""Metric to function of the rows, in the order in which they are scored."""

__all__ = ["SCORERS", "Part", "Table"]
