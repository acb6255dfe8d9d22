"""ERQA: 400 embodied reasoning questions."""

from __future__ import annotations

from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, options_in_text, unique_ids
from qa_eval.errors import QAEvalError
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.ranked import ranked_letter
from qa_eval.parsers.vlmevalkit import VLMEVALKIT


def whole_text(completion: str) -> str:
    """Take the whole completion without dots and outer white space: nothing but a letter can be right.

    Examples
    --------
    >>> whole_text(" B. "), whole_text("B. left")
    ('B', 'B left')
    """
    return completion.replace(".", "").strip()


def read_erqa(path: Path) -> Columns:
    """Read the published ``erqa.tfrecord``, whose id is the position from 0, or the Parquet export; without images."""
    if Path(path).suffix == ".tfrecord":
        return _columns(_read_tfrecord(path))
    rows = read_published(path, ("question_id", "question", "question_type", "answer"))
    return _columns(rows | {"question_id": unique_ids(rows["question_id"], path)})


def _columns(rows: Columns) -> Columns:
    return {
        "id": rows["question_id"],
        "question": rows["question"],
        "question_type": rows["question_type"],
        "ground_truth": [None if text is None else text.strip() for text in rows["answer"]],
        "options": [options_in_text(str(text), ".") for text in rows["question"]],
    }


def _read_tfrecord(path: Path) -> Columns:
    """Read the text features of every record."""
    from qa_eval.benchmarks.tfrecord import read_examples

    if not Path(path).is_file():
        raise QAEvalError(f"{path}: no such file (expected erqa.tfrecord).")
    names = ("question", "question_type", "answer")
    columns: Columns = {name: [] for name in ("question_id", *names)}
    for number, example in enumerate(read_examples(path)):
        for name in names:
            values = example.get(name) or [b"unknown" if name == "question_type" else None]
            if not isinstance(values[0], bytes):
                raise QAEvalError(f"{path}: record {number}: expected text in '{name}'; found {', '.join(example)}.")
            columns[name].append(values[0].decode())
        columns["question_id"].append(number)
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
    beside=("lmms-eval", "vlmevalkit", "lenient"),
    hint="the authors' code counts an answer that is nothing but its letter; harnesses look for a letter in the answer",
)
