"""ERQA: 400 embodied reasoning questions."""

from __future__ import annotations

from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, options_in_text, unique_ids
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import Parser


def whole_text(completion: str) -> str:
    """Take the whole completion without dots and outer white space: nothing but a letter can be right.

    Examples
    --------
    >>> whole_text(" B. "), whole_text("B. left")
    ('B', 'B left')
    """
    return completion.replace(".", "").strip()


def read_erqa(path: Path) -> Columns:
    """Read the Parquet export, without its images."""
    rows = read_published(path, ("question_id", "question", "question_type", "answer"))
    return {
        "id": unique_ids(rows["question_id"], path),
        "question_type": rows["question_type"],
        "ground_truth": [None if text is None else text.strip() for text in rows["answer"]],
        "options": [options_in_text(str(text), ".") for text in rows["question"]],
    }


ERQA = Benchmark(
    name="erqa",
    description="ERQA: accuracy by exact match of the whole answer; overall = mean of all questions; types beside it",
    source="arXiv 2503.20020 (Gemini Robotics); embodiedreasoning/ERQA, eval_harness.py; file of FlagEval/ERQA",
    overall="rows",
    every_type="choice",
    file="Parquet of FlagEval/ERQA: question_id, question, question_type, answer",
    read=read_erqa,
    official=Parser("official", whole_text, lambda _: None, "embodiedreasoning/ERQA, eval_harness.py"),
)
