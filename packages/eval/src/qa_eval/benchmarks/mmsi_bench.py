"""MMSI-Bench: 1,000 hand-written questions over several images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, options_in_text, unique_ids
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.vlmevalkit import VLMEVALKIT

PAIRS = tuple(
    f"{a}.\u2013{b}."
    for a, b in (("Cam", "Cam"), ("Obj", "Obj"), ("Reg", "Reg"), ("Cam", "Obj"), ("Obj", "Reg"), ("Cam", "Reg"))
)
"""What a question relates: cameras, objects, regions."""
TICKS = (re.compile(r"``([^`]*)``"), re.compile(r"`([^`]*)`"))
WRAPPERS = (*TICKS, re.compile(r"\{([^}]*)\}"))
CAPITAL = re.compile(r"\b[A-D]\b(?!\s[a-zA-Z])")
LETTER = re.compile(r"\b[A-F]\b(?!\s[a-zA-Z])", re.IGNORECASE)


def capital_letter(completion: str) -> str | None:
    """Open the first double backticks, then the first backticks, and take the first capital A to D.

    A letter before a word ("A chair") is none.

    Examples
    --------
    >>> [capital_letter(t) for t in ("``B``", "A chair, so {C}", "the answer is d", "E")]
    ['B', 'C', None, None]
    """
    found = CAPITAL.search(_unwrapped(completion, TICKS))
    return found.group() if found else None


def wrapped_letter(completion: str) -> str | None:
    """Read as lmms-eval does: open double backticks, backticks and braces in turn, then take the first letter A to F.

    Either case counts; a letter before a word ("a chair") is none.

    Examples
    --------
    >>> [wrapped_letter(t) for t in ("``B``", "A chair, so {C}", "The answer is D.", "A chair")]
    ['B', 'C', 'D', None]
    """
    found = LETTER.search(_unwrapped(completion, WRAPPERS))
    return found.group().upper() if found else None


def _unwrapped(text: str, wrappers: Sequence[re.Pattern[str]]) -> str:
    for pattern in wrappers:
        if found := pattern.search(text):
            text = found.group(1)
    return text


def read_mmsi(path: Path) -> Columns:
    """Read ``MMSI_Bench.parquet``."""
    rows = read_published(path, ("id", "question_type", "question", "answer"), pictures=[("images",)])
    return {
        "id": unique_ids(rows["id"], path),
        "question": [str(text) for text in rows["question"]],
        "question_type": rows["question_type"],
        "ground_truth": [None if text is None else text.strip() for text in rows["answer"]],
        "options": [options_in_text(str(text), ":") for text in rows["question"]],
        "pictures": rows["pictures"],
    }


MMSI_BENCH = Benchmark(
    name="mmsi-bench",
    description="MMSI-Bench: accuracy; overall = mean of all questions; 11 question types beside it",
    source="arXiv 2505.23764; RunsenXu/MMSI-Bench; InternRobotics/MMSI-Bench, pattern matching without a judge",
    overall="rows",
    columns={
        **{pair: f"Positional Relationship ({pair})" for pair in PAIRS},
        **{"Meas.": "Attribute (Meas.)", "Appr.": "Attribute (Appr.)"},
        **{"Mot. Cam.": "Motion (Cam.)", "Mot. Obj.": "Motion (Obj.)", "MSR": "MSR"},
    },
    every_type="choice",
    file="MMSI_Bench.parquet: id, question_type, question, answer",
    read=read_mmsi,
    official=letters_only("official", capital_letter, "InternRobotics/MMSI-Bench, vlmeval/dataset/mmsi_bench.py"),
    harnesses={
        **lmms_eval(letters_only("lmms-eval", wrapped_letter, "lmms-eval, lmms_eval/tasks/mmsi_bench/utils.py")),
        "vlmevalkit": VLMEVALKIT,
    },
)
