"""EmbSpatial-Bench: six relations between objects, from the viewer's side."""

from __future__ import annotations

import re
from pathlib import Path

from qa_eval.benchmarks.base import LETTERS, Benchmark, lettered, unique_ids
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.benchmarks.figures import by_group
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.vlmevalkit import VLMEVALKIT

FIRST = re.compile(r"[(\s]*([A-Z])", re.IGNORECASE)


def first_letter(completion: str) -> str | None:
    """Take the first character as the letter, an opening bracket left out; a word gives its initial.

    Examples
    --------
    >>> [first_letter(t) for t in ("B) left", " (c)", "The answer is A", "4")]
    ['B', 'C', 'T', None]
    """
    found = FIRST.match(completion.strip())
    return found.group(1).upper() if found else None


def read_embspatial(path: Path) -> Columns:
    """Read ``embspatial_bench.json``; `answer` is the position of the right option, from 0."""
    names = ("question_id", "question", "relation", "answer_options", "answer")
    rows = read_published(path, names, optional=("data_source",), pictures=[("image",)])
    return {
        "id": unique_ids(rows["question_id"], path),
        "question": rows["question"],
        "question_type": rows["relation"],
        "ground_truth": [LETTERS[value] if isinstance(value, int) else None for value in rows["answer"]],
        "options": [lettered(options) for options in rows["answer_options"]],
        "group": rows.get("data_source") or [None] * len(rows["answer"]),
        "pictures": rows["pictures"],
    }


OFFICIAL = letters_only("official", first_letter, "lmms-eval, lmms_eval/tasks/embspatial/utils.py")

EMBSPATIAL = Benchmark(
    name="embspatial",
    description="EmbSpatial-Bench: accuracy; overall = mean of all questions; 6 relations and 3 sources beside it",
    source="arXiv 2406.05756; Phineas476/EmbSpatial-Bench; answer extraction as lmms-eval embspatial",
    overall="rows",
    columns={"MP3D": "source mp3d", "AI2-THOR": "source ai2thor", "ScanNet": "source scannet"},
    every_type="choice",
    file="embspatial_bench.json: question_id, question, relation, answer_options, answer (position from 0)",
    read=read_embspatial,
    official=OFFICIAL,
    harnesses={**lmms_eval(OFFICIAL), "vlmevalkit": VLMEVALKIT},
    log=LogColumns(question_type=("relation", "sub_task", "category", "data_source"), group=("data_source",)),
    figures=by_group("source "),
)
