"""SAT-Real: motion, perspective and goals in real pictures."""

from __future__ import annotations

import re
from pathlib import Path

from qa_eval.benchmarks.base import LETTERS, Benchmark, lettered
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval

MARKS = re.compile(r"[^\w\s]")


def bare_text(completion: str) -> str | None:
    """Take the whole answer without its marks.

    Examples
    --------
    >>> [bare_text(text) for text in ("(B)", "b.", "B. left", "")]
    ['B', 'b', 'B left', None]
    """
    return MARKS.sub("", completion).strip() or None


def read_sat(path: Path) -> Columns:
    """Read the test file; the id is the position from 0, the right option is named by its text or its place."""
    optional = ("answers", "answer_choices", *RIGHT)
    rows = read_published(path, ("question", "question_type"), optional=optional, pictures=PICTURES)
    options = rows.get("answers") or rows["answer_choices"]
    places = rows.get("correct_answer_idx")
    if places is None:
        places = [texts.index(text) for texts, text in zip(options, rows["correct_answer"], strict=True)]
    return {
        "id": list(range(len(options))),
        "question": rows["question"],
        "question_type": rows["question_type"],
        "ground_truth": [LETTERS[place] for place in places],
        "options": [lettered(texts) for texts in options],
        "pictures": rows["pictures"],
    }


RIGHT = ("correct_answer_idx", "correct_answer")
PICTURES = [("image_bytes",), ("images",)]
OFFICIAL = letters_only("official", bare_text, "lmms-eval, lmms_eval/tasks/sat (MultiChoiceRegexFilter)")

SAT = Benchmark(
    name="sat-real",
    description="SAT-Real: accuracy; overall = mean of all questions; 5 question types beside it",
    source="arXiv 2412.07755; array/SAT; lmms-eval, lmms_eval/tasks/sat",
    overall="rows",
    every_type="choice",
    file="Parquet: question, question_type, answers, correct_answer_idx (or answer_choices, correct_answer)",
    read=read_sat,
    official=OFFICIAL,
    harnesses=lmms_eval(OFFICIAL),
    aliases=("samples_sat",),
)
