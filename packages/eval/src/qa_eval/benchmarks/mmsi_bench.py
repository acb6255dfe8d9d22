"""MMSI-Bench: 1,000 hand-written questions over several images."""

from __future__ import annotations

import re
from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, options_in_text, unique_ids
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import Parser

WRAPPERS = (re.compile(r"``([^`]*)``"), re.compile(r"`([^`]*)`"), re.compile(r"\{([^}]*)\}"))
LETTER = re.compile(r"\b[A-F]\b(?!\s[a-zA-Z])", re.IGNORECASE)


def wrapped_letter(completion: str) -> str | None:
    """Open the first double backticks, backticks and braces one after another, then take the first letter A to F.

    Either case counts; a letter before a word ("a chair") is none.

    Examples
    --------
    >>> [wrapped_letter(t) for t in ("``B``", "A chair, so {C}", "The answer is D.", "A chair")]
    ['B', 'C', 'D', None]
    """
    text = completion
    for pattern in WRAPPERS:
        if found := pattern.search(text):
            text = found.group(1)
    found = LETTER.search(text)
    return found.group().upper() if found else None


def read_mmsi(path: Path) -> Columns:
    """Read ``MMSI_Bench.parquet``, without its images."""
    rows = read_published(path, ("id", "question_type", "question", "answer"))
    return {
        "id": unique_ids(rows["id"], path),
        "question_type": rows["question_type"],
        "ground_truth": [None if text is None else text.strip() for text in rows["answer"]],
        "options": [options_in_text(str(text), ":") for text in rows["question"]],
    }


MMSI_BENCH = Benchmark(
    name="mmsi-bench",
    description="MMSI-Bench: accuracy; overall = mean of all questions; 11 question types beside it",
    source="arXiv 2505.23764; RunsenXu/MMSI-Bench; letters as lmms-eval 0.7.3 (earlier ones took capitals only)",
    overall="rows",
    every_type="choice",
    file="MMSI_Bench.parquet: id, question_type, question, answer",
    read=read_mmsi,
    official=Parser("official", wrapped_letter, lambda _: None, "lmms-eval 0.7.3, lmms_eval/tasks/mmsi_bench/utils.py"),
)
