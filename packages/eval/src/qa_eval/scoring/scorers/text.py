"""Match of free text with its references."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa_eval.benchmarks.base import Benchmark
from qa_eval.errors import QAEvalError
from qa_eval.parsers.base import Parser
from qa_eval.scoring.scorers.base import Part, Table, objects


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
