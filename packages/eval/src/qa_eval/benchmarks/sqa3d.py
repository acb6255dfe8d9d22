"""SQA3D: questions from a described place in a ScanNet scene."""

from __future__ import annotations

import re
from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, unique_ids
from qa_eval.errors import QAEvalError
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import Parser
from qa_eval.parsers.free_text import LEO, clean_text

FIRST_WORDS = ("what", "is", "how", "can", "which")


def question_class(question: str) -> str:
    """Class of a question by its first word: what, is, how, can, which, or other.

    Examples
    --------
    >>> question_class("What's behind me?"), question_class("Am I by the door?")
    ('what', 'other')
    """
    words = re.sub(r"[,.?]", "", question.lower()).replace("'s", " 's").split()
    return words[0] if words and words[0] in FIRST_WORDS else "other"


def read_sqa3d(path: Path) -> Columns:
    """Read ``v1_balanced_sqa_annotations_<split>_scannetv2.json`` and the questions file that lies beside it.

    Raises
    ------
    QAEvalError
        The name is another one, the questions file is missing, or a question has no annotation.
    """
    if "sqa_annotations" not in path.name:
        raise QAEvalError(f"{path}: pass the annotations, v1_balanced_sqa_annotations_<split>_scannetv2.json.")
    beside = path.with_name(path.name.replace("sqa_annotations", "questions"))
    rows = read_published(path, ("scene_id", "question_id", "answers"), inside="annotations")
    asked = read_published(beside, ("question_id", "question"), inside="questions")
    text = dict(zip(asked["question_id"], asked["question"], strict=True))
    missing = next((name for name in rows["question_id"] if name not in text), None)
    if missing is not None:
        raise QAEvalError(f"{beside}: lacks question {missing} of {path.name}.")
    answers = [[str(entry["answer"]) for entry in entries or ()] for entries in rows["answers"]]
    return {
        "id": unique_ids(rows["question_id"], path),
        "question": [text[name] for name in rows["question_id"]],
        "question_type": [question_class(text[name]) for name in rows["question_id"]],
        "ground_truth": [entries[0] if entries else None for entries in answers],
        "references": answers,
        "scene_name": rows["scene_id"],
    }


SQA3D = Benchmark(
    name="sqa3d",
    description="SQA3D: exact match after cleaning (EM@1; with --parser lenient the refined match EM-R); "
    "overall = mean of all questions; what, is, how, can, which, other beside it",
    source="arXiv 2210.07474; SilongYong/SQA3D (clean_answer of LLM/eval_sqa3d_llm.py, types of MCAN/load_data.py); "
    "EM-R as embodied-generalist (LEO)",
    overall="rows",
    columns={
        **{"What": "what", "Is": "is", "How": "how", "Can": "can", "Which": "which", "Others": "other"},
        **{"EM@1": "EM", "EM-R@1": "EM-R"},
    },
    every_type="text",
    file="v1_balanced_sqa_annotations_test_scannetv2.json, beside v1_balanced_questions_test_scannetv2.json",
    read=read_sqa3d,
    official=Parser("official", lambda _: None, lambda _: None, "SilongYong/SQA3D", text=clean_text),
    harnesses={"leo": LEO},
)
