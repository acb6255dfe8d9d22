"""STARE: transformations, folding, puzzles and views that are easier with pictures of the steps between."""

from __future__ import annotations

import re
from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, unique_ids
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval

LETTERS = "ABCDEFGH"
FLAGS = ("final answer is", "correct answer is", "answer should be", "answer is", "answer:")
TEXT = re.compile(r"\\text{(.*?)}")
BOX = "\\boxed{"


def short_answer(completion: str) -> str | None:
    r"""Take a letter that opens the answer, a number that is all of it, the last box, or what follows a phrase.

    Notes
    -----
    A bare "yes" is none of these, so the authors' fast path reads nothing there.

    Examples
    --------
    >>> texts = ("B. left", "c", "0.5", "\\boxed{\\text{no}}", "So the answer is yes. It fits.", "yes")
    >>> [short_answer(text) for text in texts]
    ['B', 'C', '0.5', 'no', 'yes', None]
    """
    text = completion.strip()
    for letter in LETTERS:
        if text.upper() == letter or text.startswith((f"{letter}:", f"{letter}.")):
            return letter
    if _is_number(text):
        return text
    if boxes := _boxes(text) if "boxed{" in text else []:
        inner = TEXT.findall(boxes[-1])
        return (inner[-1] if inner else boxes[-1]).strip() or None
    lower = text.lower()
    flag = next((flag for flag in FLAGS if flag in lower), None)
    said = lower.split(flag)[-1].strip().split("\n")[0].split(".")[0].strip() if flag else ""
    return said or None


def _boxes(text: str) -> list[str]:
    r"""Contents of every ``\boxed{...}`` up to the first one whose braces do not close."""
    found = []
    start = text.find(BOX)
    while start >= 0:
        begin, depth = start + len(BOX), 1
        for place in range(begin, len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                found.append(text[begin:place])
                start = text.find(BOX, place + 1)
                break
        else:
            return found
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_stare(path: Path) -> Columns:
    """Read the rows; an answer is a letter, or yes and no."""
    rows = read_published(path, ("qid", "question", "answer", "category"), pictures=[("images",)])
    return {
        "id": unique_ids(rows["qid"], path),
        "question": rows["question"],
        "question_type": rows["category"],
        "ground_truth": [str(text).strip() for text in rows["answer"]],
        "pictures": rows["pictures"],
    }


OFFICIAL = letters_only("official", short_answer, "lmms-eval, lmms_eval/tasks/stare/utils.py, without a judge")

STARE = Benchmark(
    name="stare",
    description="STARE: accuracy; overall = mean of all questions; categories beside it",
    source="arXiv 2506.04633; kuvvi/STARE; lmms-eval, lmms_eval/tasks/stare (from STARE-bench/STARE)",
    overall="rows",
    every_type="choice",
    file="Parquet: qid, question, answer, category",
    read=read_stare,
    official=OFFICIAL,
    asks_yes_no=lambda category: category.startswith(("folding", "tangram")),
    harnesses=lmms_eval(OFFICIAL),
    log=LogColumns(question_type=("category",)),
)
