"""ScanQA: free-text questions about ScanNet scenes."""

from __future__ import annotations

from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, unique_ids
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import Parser
from qa_eval.parsers.free_text import LEO, as_it_is

BEGINNINGS = (
    *(("Where", "Place"), ("How many", "Number"), ("What color", "Color"), ("What is the color", "Color")),
    *(("What shape", "Object nature"), ("What type", "Object nature"), ("What kind", "Object nature")),
    ("What is", "Object"),
)


def question_class(question: str) -> str:
    """Class of a question by the first of some phrases that it holds, as the authors' scorer sorts them.

    Examples
    --------
    >>> question_class("What color is the sofa?"), question_class("What sits by the door?")
    ('Color', 'Other')
    """
    return next((name for phrase, name in BEGINNINGS if phrase in question), "Other")


def read_scanqa(path: Path) -> Columns:
    """Read ``ScanQA_v1.0_val.json``; every one of its answers is right."""
    rows = read_published(path, ("scene_id", "question_id", "question", "answers"))
    return {
        "id": unique_ids(rows["question_id"], path),
        "question": rows["question"],
        "question_type": [question_class(str(text)) for text in rows["question"]],
        "ground_truth": [answers[0] if answers else None for answers in rows["answers"]],
        "references": rows["answers"],
        "scene_name": rows["scene_id"],
    }


SCANQA = Benchmark(
    name="scanqa",
    description="ScanQA: exact match with any answer (EM@1; with --parser lenient the refined match EM-R); "
    "overall = mean of all questions; BLEU-1 to 4, ROUGE-L and CIDEr of all answers together beside it",
    source="arXiv 2112.10482; ATR-DBI/ScanQA, scripts/score.py (EM; pycocoevalcap for the rest); EM-R as "
    "embodied-generalist (LEO)",
    overall="rows",
    columns={
        **{"EM@1": "EM", "EM@10": "EM@10", "EM-R@1": "EM-R"},
        **{f"B-{n}": f"BLEU-{n}" for n in range(1, 5)},
        **{"ROUGE-L": "ROUGE-L", "CIDEr": "CIDEr"},
    },
    every_type="text",
    file="ScanQA_v1.0_val.json: scene_id, question_id, question, answers",
    read=read_scanqa,
    official=Parser("official", lambda _: None, lambda _: None, "ATR-DBI/ScanQA, scripts/score.py", text=as_it_is),
    harnesses={"leo": LEO},
    captions=True,
    results=LogColumns(
        question_type=(),
        ground_truth=("answers",),
        prediction=("answer_top10", "pred_answers_at10", "prediction", "pred", "response"),
        derive_type=lambda record: question_class(str(record["question"])) if record.get("question") else None,
    ),
)
