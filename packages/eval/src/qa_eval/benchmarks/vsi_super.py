"""VSI-Super: recall the order of odd sights, and count objects, over videos of minutes to hours."""

from __future__ import annotations

import re
from pathlib import Path

from qa_contract.answers import mean_relative_accuracy

from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.official import OFFICIAL

CAPITAL = re.compile(r"[A-D]")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
LENGTHS = ("10mins", "30mins", "60mins", "120mins", "240mins")


def first_of_four(completion: str) -> str | None:
    """Take the first of the letters A to D in either case, also inside a word.

    Examples
    --------
    >>> [first_of_four(text) for text in ("C. left", "so it is b", "the answer is C", "?")]
    ['C', 'B', 'A', None]
    """
    found = CAPITAL.search(completion.upper())
    return found[0] if found else None


def count_score(completion: str, ground_truth: str) -> float | None:
    """Mean relative accuracy of the first number; a count of 0 is right or wrong. None without a number.

    Examples
    --------
    >>> count_score("about 18 chairs", "20"), count_score("many", "20"), count_score("none", "0"), count_score("1", "0")
    (0.9, None, 1.0, 0.0)
    """
    found, truth = NUMBER.search(completion), float(ground_truth)
    if truth == 0:
        # No number is read as 0.
        return float(found is None or float(found[0]) == 0)
    return None if found is None else float(mean_relative_accuracy(float(found[0]), truth))


def read_recall(path: Path) -> Columns:
    """Read the rows of all lengths; the length is the question type, the id the position from 0 without one."""
    rows = read_published(path, ("question", "answer", "options", "type"), optional=("id", "video_path"))
    return {
        "id": rows.get("id") or list(range(len(rows["answer"]))),
        "question": rows["question"],
        "question_type": rows["type"],
        "ground_truth": [first_of_four(str(text)) for text in rows["answer"]],
        "options": rows["options"],
        "video": rows.get("video_path") or [None] * len(rows["answer"]),
    }


def read_count(path: Path) -> Columns:
    """Read the rows of all lengths; the length is the question type, the id the position from 0 without one."""
    rows = read_published(path, ("question", "answer", "split"), optional=("id", "video_path"))
    return {
        "id": rows.get("id") or list(range(len(rows["answer"]))),
        "question": rows["question"],
        "question_type": rows["split"],
        "ground_truth": [str(value) for value in rows["answer"]],
        "video": rows.get("video_path") or [None] * len(rows["answer"]),
    }


RECALL = letters_only("official", first_of_four, "lmms-eval, lmms_eval/tasks/vsisuper/recall")

VSI_SUPER_RECALL = Benchmark(
    name="vsi-super-recall",
    description="VSI-Super Recall: accuracy; overall = mean of the lengths present, which papers print one by one",
    source="arXiv 2511.04670 (Cambrian-S); nyu-visionx/VSI-SUPER-Recall; lmms-eval, lmms_eval/tasks/vsisuper/recall",
    every_type="choice",
    tasks={name: (name,) for name in LENGTHS},
    file="rows with question, options, answer, type (10mins to 240mins)",
    read=read_recall,
    official=RECALL,
    harnesses=lmms_eval(RECALL),
    aliases=("vsr_10mins", "vsr_30mins", "vsr_60mins", "vsr_120mins", "vsr_240mins"),
    log=LogColumns(question_type=("type",)),
)

VSI_SUPER_COUNT = Benchmark(
    name="vsi-super-count",
    description="VSI-Super Count: mean relative accuracy; overall = mean of the lengths present",
    source="arXiv 2511.04670 (Cambrian-S); nyu-visionx/VSI-SUPER-Count; lmms-eval, lmms_eval/tasks/vsisuper/count",
    metrics=dict.fromkeys(LENGTHS, "special"),
    tasks={name: (name,) for name in LENGTHS},
    file="rows with question, answer, split (10mins to 120mins)",
    read=read_count,
    official=OFFICIAL,
    harnesses=lmms_eval(OFFICIAL),
    special=dict.fromkeys(LENGTHS, count_score),
    aliases=("vsc_10mins", "vsc_30mins", "vsc_60mins", "vsc_120mins"),
    log=LogColumns(question_type=("split",)),
)
