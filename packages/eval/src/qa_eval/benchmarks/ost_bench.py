"""OST-Bench: what an agent knows of itself, of what it sees and of objects around it while it explores."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, Special
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.files import Columns, read_published
from qa_eval.parsers.official import OFFICIAL
from qa_eval.pictures import MARK

TASKS = {
    "state, judgement": ("A_orientation(option)", "A_position(option)"),
    "state, estimation": ("A_orientation(float)", "A_position(float)"),
    "visible info, judgement": ("A_object-existence(option)", "A_object-order(option)", "A_object-diversity(option)"),
    "visible info, temporal": ("A_object-existence(int1)", "A_object-existence(int2)"),
    "visible info, counting": ("A_object-quantity(int)",),
    "object, judgement": tuple(f"AO_{what}(option{n})" for what in ("direction", "distance") for n in (1, 2, 3)),
    "object, estimation": ("AO_direction(float)", "AO_distance(float)"),
    "object, temporal": ("AO_direction(int)", "AO_distance(int)"),
}
SKIPPED = "A_room-size(float)"
"""The authors do not score it."""
PLACE = "<ImageHere>"
"""Its mark of a picture in the text."""
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ERRORS = tuple(1 - (0.5 + 0.05 * step) for step in range(10))


def stated_answer(completion: str) -> str:
    """Take what stands behind "answer" in an object with answer and reason; else the whole text.

    Examples
    --------
    >>> stated_answer("{'answer': 'left', 'reason': 'it turned'}"), stated_answer("left")
    ('left', 'left')
    """
    text = completion.replace("'", '"')
    if "reason" in text and "answer" in text:
        marks = next(((a, r) for a, r in (('"answer":', '"reason"'), ("answer:", "reason")) if a in text), None)
        if marks is None:
            return ""
        text = text.split(marks[0])[1].split(marks[1])[0].split("\n")[0].strip().strip(",").strip()
    return text.strip('"')


def judgement(completion: str, ground_truth: str) -> float | None:
    """1 where the right option shares the longest subsequence of characters with the answer, the first of equals.

    `ground_truth` is an object of `answer` and `options` in JSON.

    Examples
    --------
    >>> judgement("Turned left", '{"answer": "left", "options": ["left", "right"]}')
    1.0
    """
    truth = json.loads(ground_truth)
    said = stated_answer(completion).strip().lower()
    if not completion:
        return None
    return float(max(truth["options"], key=lambda o: common_length(said, o.strip().lower())) == truth["answer"])


def common_length(a: str, b: str) -> int:
    """Length of the longest common subsequence.

    Examples
    --------
    >>> common_length("turned left", "left"), common_length("abc", "")
    (4, 0)
    """
    row = [0] * (len(b) + 1)
    for x in a:
        before = row
        row = [0]
        for place, y in enumerate(b):
            row.append(before[place] + 1 if x == y else max(before[place + 1], row[-1]))
    return row[-1]


def estimation(completion: str, ground_truth: str) -> float | None:
    """Share of ten thresholds that the relative error stays strictly below; None where the answer is no number.

    Examples
    --------
    >>> estimation("1.9", "2"), estimation("about 2", "2")
    (0.9, None)
    """
    try:
        given, truth = float(stated_answer(completion)), float(ground_truth)
    except ValueError:
        return None
    if truth == 0:
        return float(given == 0)
    error = abs(truth - given) / abs(truth)
    return 0.1 * sum(error < most for most in ERRORS)


def enumeration(completion: str, ground_truth: str) -> float | None:
    """1 where the number is right; the first word from zero to ten that occurs counts as its number.

    Examples
    --------
    >>> enumeration("There are two", "2"), enumeration("3", "2"), enumeration("many", "2")
    (1.0, 0.0, None)
    """
    said = stated_answer(completion)
    word = next((value for value, word in enumerate(WORDS) if word in said.lower()), None)
    try:
        return float((int(said) if word is None else word) == int(ground_truth))
    except ValueError:
        return None


def scorer(question_type: str) -> Callable[[str, str], float | None]:
    """Choose the function of a question type by what stands in its brackets."""
    kind = re.sub(r".*\(([a-z]+)\d?\)", r"\1", question_type)
    return {"option": judgement, "float": estimation, "int": enumeration}[kind]


def read_ost(path: Path) -> Columns:
    """Read the rows of the test file; the id is `index`, or the position from 0. Room sizes are left out."""
    names = ("question", "answer", "type", "option")
    rows = read_published(path, names, optional=("index", "scan_id"), pictures=[("image",), ("image_path",)])
    kept = [i for i, kind in enumerate(rows["type"]) if kind != SKIPPED]
    ids = rows.get("index") or list(range(len(rows["type"])))
    found = {
        "id": [ids[i] for i in kept],
        "question": [str(rows["question"][i]).replace(PLACE, MARK) for i in kept],
        "pictures": [rows["pictures"][i] for i in kept],
        "question_type": [rows["type"][i] for i in kept],
        "ground_truth": [_truth(rows, i) for i in kept],
    }
    return found | ({"scene_name": [rows["scan_id"][i] for i in kept]} if "scan_id" in rows else {})


def _truth(rows: Columns, row: int) -> str:
    answer = str(rows["answer"][row]).replace('"', "")
    if "(option" not in rows["type"][row]:
        return answer
    options = rows["option"][row]
    try:
        listed = ast.literal_eval(options) if isinstance(options, str) else options
    except (ValueError, SyntaxError):
        listed = None
    return json.dumps({"answer": answer, "options": listed or [answer]})


SCORERS: Special = {name: scorer(name) for names in TASKS.values() for name in names}

OST_BENCH = Benchmark(
    name="ost-bench",
    description="OST-Bench: judgement, estimation, counting and time; overall = mean of 8 groups of question types",
    source="arXiv 2507.07984; rbler/OST-Bench; rbler1234/OST-Bench, evaluation/OST_evaluator.py, as VLMEvalKit",
    metrics=dict.fromkeys(SCORERS, "special"),
    tasks=TASKS,
    file="rows with question, answer, type, option (index, scan_id)",
    read=read_ost,
    request="",
    official=OFFICIAL,
    harnesses={"vlmevalkit": OFFICIAL},
    special=SCORERS,
    log=LogColumns(question_type=("type",)),
)
