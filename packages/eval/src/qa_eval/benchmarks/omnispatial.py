"""OmniSpatial: dynamic reasoning, complex logic, interaction and perspective taking."""

from __future__ import annotations

import re
from pathlib import Path

from qa_eval.benchmarks.base import LETTERS, Benchmark, lettered
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.benchmarks.figures import by_group
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.vlmevalkit import VLMEVALKIT

ANSWER = re.compile(r"Answer\s*:\s*([A-D])\b", re.IGNORECASE)
FALLBACK = "A"
"""What the authors' code reads where it finds no answer."""


def last_answer_line(completion: str) -> str | None:
    r"""Take the letter of the last "Answer: X", a capital; A where there is no such line, as the authors do.

    Examples
    --------
    >>> [last_answer_line(text) for text in ("Answer: B\nAnswer: C", "answer:d", "B")]
    ['C', None, 'A']
    """
    found = ANSWER.findall(completion)
    if not found:
        return FALLBACK
    return found[-1] if found[-1].isupper() else None


def read_omnispatial(path: Path) -> Columns:
    """Read ``data.json``; the answer is the position of the right option, and an id repeats from task to task.

    Questions of one picture share the first part of their id.
    """
    rows = read_published(path, ("id", "question", "options", "answer", "task_type", "sub_task_type"))
    keys = list(zip(rows["task_type"], rows["sub_task_type"], rows["id"], strict=True))
    repeated = len(set(rows["id"])) < len(rows["id"])
    return {
        "id": ["/".join(map(str, key)) for key in keys] if repeated else rows["id"],
        "question": rows["question"],
        "question_type": rows["sub_task_type"],
        "ground_truth": [LETTERS[int(place)] for place in rows["answer"]],
        "options": [lettered(options) for options in rows["options"]],
        "group": rows["task_type"],
        "pictures": [[f"{task}/{str(name).partition('_')[0]}.png"] for task, _, name in keys],
    }


OFFICIAL = letters_only("official", last_answer_line, "qizekun/OmniSpatial, its scorer by pattern")

OMNISPATIAL = Benchmark(
    name="omnispatial",
    description="OmniSpatial: accuracy; overall = mean of all questions; 4 tasks and 10 sub-tasks beside it",
    source="arXiv 2506.03135; qizekun/OmniSpatial; lmms-eval, lmms_eval/tasks/omnispatial (eval_type re)",
    overall="rows",
    every_type="choice",
    file="data.json: id, question, options, answer (position from 0), task_type, sub_task_type",
    read=read_omnispatial,
    request='End with a line of the form "Answer: X", where X is the letter of the right option.',
    official=OFFICIAL,
    harnesses={**lmms_eval(OFFICIAL), "vlmevalkit": VLMEVALKIT},
    figures=by_group(),
    log=LogColumns(question_type=("sub_task_type", "sub_task", "category"), group=("task_type", "task")),
)
