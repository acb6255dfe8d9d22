"""STI-Bench: sizes, distances, poses and motion in video, as five-way choices."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from qa_eval.benchmarks.base import Benchmark, unique_ids
from qa_eval.errors import QAEvalError
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.vlmevalkit import VLMEVALKIT

PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        r"\(([A-E])\)",
        r"Ans\s*=\s*['\"]?([A-E])['\"]?",
        r"Answer\s*[:=]\s*([A-E])",
        r"Option\s+([A-E])",
        r"\b([A-E])\s*(?:is|was)\s*correct",
        r"\b([A-E])[.)]\s*$",
    )
)


def patterned_letter(completion: str) -> str | None:
    """Take the letter of the first of six phrases that occurs, else the last character where it is a capital A to E.

    Examples
    --------
    >>> [patterned_letter(t) for t in ("(b)", "Answer: C", "D is correct", "E.", "so A", "the distance")]
    ['B', 'C', 'D', 'E', 'A', None]
    """
    for pattern in PATTERNS:
        if found := pattern.search(completion):
            return found.group(1).upper()
    last = completion.strip()[-1:]
    return last if last in tuple("ABCDE") else None


def read_sti(path: Path) -> Columns:
    """Read ``qa.parquet``; the id is `ID`, or ``Video/ID`` where that repeats from video to video."""
    rows = read_published(path, ("ID", "Video", "Task", "Question", "Candidates", "Answer"))
    ids = [str(value) for value in rows["ID"]]
    if len(set(ids)) < len(ids):
        ids = [f"{video}/{name}" for video, name in zip(rows["Video"], ids, strict=True)]
    return {
        "id": unique_ids(ids, path),
        "question": rows["Question"],
        "question_type": rows["Task"],
        "ground_truth": [None if text is None else text.strip() for text in rows["Answer"]],
        "options": [_options(value, path) for value in rows["Candidates"]],
        "scene_name": rows["Video"],
        "video": rows["Video"],
    }


def _options(candidates: Any, path: Path) -> list[str] | None:
    """Turn letters to texts, as an object or as its JSON text, into options."""
    try:
        table = json.loads(candidates) if isinstance(candidates, str) else candidates
        return [f"{letter}. {text}" for letter, text in (table or {}).items() if text is not None] or None
    except (ValueError, AttributeError) as error:
        raise QAEvalError(f"{path}: Candidates hold no object of letter to text ({error}).") from error


STI_BENCH = Benchmark(
    name="sti-bench",
    description="STI-Bench: accuracy; overall = mean of all questions; 8 tasks beside it",
    source="arXiv 2503.23765; MINT-SJTU/STI-Bench, opensource_test.py",
    overall="rows",
    every_type="choice",
    file="qa.parquet: ID, Video, Task, Question, Candidates, Answer",
    read=read_sti,
    official=letters_only("official", patterned_letter, "MINT-SJTU/STI-Bench, opensource_test.py"),
    harnesses={"vlmevalkit": VLMEVALKIT},
)
