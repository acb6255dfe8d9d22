"""MindCube: three-view questions about what is where after a turn or from another place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qa_eval.benchmarks.base import Benchmark, options_in_text, unique_ids
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.vlmevalkit import VLMEVALKIT

TAGGED = re.compile(r"<Answer>(.*?)(?:<|$)", re.DOTALL)
IN_TAG = (re.compile(r"[Mm]y answer is ([A-E])"), re.compile(r"[Tt]he answer is ([A-E])"), re.compile(r"\b([A-E])\b"))
WITH_DOT = re.compile(r"([A-E])\.")
ANYWHERE = (
    re.compile(r"(?:^|\n)(?:Answer: )?([A-E])(?:$|\s)"),
    re.compile(r"[*\"]([A-E])[*\"]"),
    re.compile(r"\bAnswer:?\s*([A-E])\b"),
    re.compile(r"[Mm]y answer is ([A-E])"),
    re.compile(r"answer is ([A-E])"),
)
ALONE = re.compile(r"\b([A-E])\b")


def last_marked_letter(completion: str) -> str | None:
    r"""Read the last letter A to E that is marked as an answer.

    Notes
    -----
    In order: the last letter with a dot anywhere; in the first ``<Answer>`` tag, the last letter after "answer is", or
    alone; a letter at the start of a line, in asterisks or quotes, after "Answer", after "my answer is", after
    "answer is"; and, from the last line up, the first letter alone in a line.

    Examples
    --------
    >>> [last_marked_letter(t) for t in ("A. left or B. right", "<Answer>C", "The answer is D", "so A\nor B", "left")]
    ['B', 'C', 'D', 'B', None]
    """
    text = completion.strip()
    if found := WITH_DOT.findall(text):
        return found[-1]
    tag = TAGGED.search(text)
    for pattern in IN_TAG if tag else ():
        if tag and (found := pattern.findall(tag.group(1))):
            return found[-1]
    for pattern in ANYWHERE:
        if found := pattern.findall(text):
            return found[-1]
    letters = [m.group(1) for line in reversed(text.split("\n")) if (m := ALONE.search(line))]
    return letters[0] if letters else None


def setting(question_id: str) -> str:
    """Tell the setting of a question from the first part of its id.

    Examples
    --------
    >>> setting("aroundnew_group001_q0_1_1")
    'around'
    """
    first = question_id.partition("_")[0]
    return {"aroundnew": "around"}.get(first, first if first in ("among", "around", "rotation") else "other")


def _setting_of(record: Mapping[str, Any]) -> str | None:
    return setting(str(record["id"])) if record.get("id") else None


def read_mindcube(path: Path) -> Columns:
    """Read ``MindCube_tinybench.jsonl`` or ``MindCube.jsonl``; questions that share a first image are one scene."""
    rows = read_published(path, ("id", "question", "images", "gt_answer"), pictures=[("images",)])
    ids = [str(value) for value in unique_ids(rows["id"], path)]
    return {
        "id": ids,
        "question": [str(text) for text in rows["question"]],
        "question_type": [setting(value) for value in ids],
        "ground_truth": rows["gt_answer"],
        "options": [options_in_text(str(text), ".") for text in rows["question"]],
        "scene_name": [min(images) if images else name for images, name in zip(rows["images"], ids, strict=True)],
        "pictures": rows["pictures"],
    }


OFFICIAL = letters_only("official", last_marked_letter, "mll-lab-nu/MindCube, src/evaluation")

MINDCUBE = Benchmark(
    name="mindcube",
    description="MindCube: accuracy; overall = mean of all questions; settings rotation, among, around beside it",
    source="arXiv 2506.21458; MLL-Lab/MindCube; answer extraction as mll-lab-nu/MindCube and lmms-eval mindcube",
    overall="rows",
    columns={"Rotation": "rotation", "Among": "among", "Around": "around"},
    every_type="choice",
    file="MindCube_tinybench.jsonl: id, question, images, gt_answer",
    read=read_mindcube,
    official=OFFICIAL,
    harnesses={**lmms_eval(OFFICIAL), "vlmevalkit": VLMEVALKIT},
    # lmms-eval writes the name of a variable in place of the target.
    log=LogColumns(ground_truth=("gt_answer", "ground_truth", "answer"), derive_type=_setting_of),
    results=LogColumns(
        question_type=(),
        ground_truth=("gt_answer",),
        prediction=("answer",),
        derive_type=_setting_of,
    ),
)
