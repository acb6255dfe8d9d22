"""ERQA: 400 embodied reasoning questions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, options_in_text, unique_ids
from qa_eval.errors import QAEvalError
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.ranked import ranked_letter
from qa_eval.parsers.vlmevalkit import VLMEVALKIT
from qa_eval.pictures import MARK


def whole_text(completion: str) -> str:
    """Take the whole completion without dots and outer white space: nothing but a letter can be right.

    Examples
    --------
    >>> whole_text(" B. "), whole_text("B. left")
    ('B', 'B left')
    """
    return completion.replace(".", "").strip()


def read_erqa(path: Path) -> Columns:
    """Read the published ``erqa.tfrecord``, whose id is the position from 0, or the Parquet export."""
    if Path(path).suffix == ".tfrecord":
        return _columns(_read_tfrecord(path))
    names = ("question_id", "question", "question_type", "answer")
    rows = read_published(path, names, optional=("visual_indices",), pictures=[("images",)])
    return _columns(rows | {"question_id": unique_ids(rows["question_id"], path)})


def marked(question: str, places: Sequence[int] | None) -> str:
    """Mark where pictures stand in a question, by characters; without places, or where all are 0, before it.

    Examples
    --------
    >>> marked("From here to there?", [5, 13]), marked("Which?", [0, 0])
    ('From <image>here to <image>there?', 'Which?')
    """
    if not any(places or ()):
        return question
    ends = [*sorted(places or ()), len(question)]
    return question[: ends[0]] + "".join(MARK + question[a:b] for a, b in itertools.pairwise(ends))


def _columns(rows: Columns) -> Columns:
    places = rows.get("visual_indices") or [None] * len(rows["question"])
    return {
        "id": rows["question_id"],
        "question": [marked(*pair) for pair in zip(rows["question"], places, strict=True)],
        "question_type": rows["question_type"],
        "ground_truth": [None if text is None else text.strip() for text in rows["answer"]],
        "options": [options_in_text(str(text), ".") for text in rows["question"]],
        "pictures": rows["pictures"],
    }


def _read_tfrecord(path: Path) -> Columns:
    """Read every record; its pictures are as large as the file."""
    from qa_eval.benchmarks.tfrecord import read_examples

    if not Path(path).is_file():
        raise QAEvalError(f"{path}: no such file (expected erqa.tfrecord).")
    names = ("question", "question_type", "answer")
    columns: Columns = {name: [] for name in ("question_id", *names, "visual_indices", "pictures")}
    for number, example in enumerate(read_examples(path)):
        for name in names:
            values = example.get(name) or [b"unknown" if name == "question_type" else None]
            if not isinstance(values[0], bytes):
                raise QAEvalError(f"{path}: record {number}: expected text in '{name}'; found {', '.join(example)}.")
            columns[name].append(values[0].decode())
        columns["question_id"].append(number)
        columns["visual_indices"].append(example.get("visual_indices"))
        columns["pictures"].append(example.get("image/encoded"))
    return columns


LMMS_EVAL_ERQA = letters_only(
    "lmms-eval", ranked_letter, "lmms-eval, lmms_eval/tasks/erqa/utils.py and _task_utils/mcq_extract.py"
)

ERQA = Benchmark(
    name="erqa",
    description="ERQA: accuracy by exact match of the whole answer; overall = mean of all questions; types beside it",
    source="arXiv 2503.20020 (Gemini Robotics); embodiedreasoning/ERQA, eval_harness.py; Parquet of FlagEval/ERQA",
    overall="rows",
    every_type="choice",
    file="erqa.tfrecord (id = position from 0), or Parquet of FlagEval/ERQA: question_id, question, question_type, "
    "answer",
    read=read_erqa,
    official=letters_only("official", whole_text, "embodiedreasoning/ERQA, eval_harness.py"),
    harnesses={**lmms_eval(LMMS_EVAL_ERQA), "vlmevalkit": VLMEVALKIT},
    request="",
    beside=("lmms-eval", "vlmevalkit", "lenient"),
    hint="the authors' code counts an answer that is nothing but its letter; harnesses look for a letter in the answer",
)
