"""RealWorldQA: pictures from vehicles and streets, answered by a letter or a word."""

from __future__ import annotations

from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, options_in_text
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import Parser
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.ranked import ranked_letter

CHOICE, OPEN = "choice", "open"


def plain_text(completion: str) -> str:
    """Fold case, outer white space and full stops at the end.

    Examples
    --------
    >>> plain_text(" Downhill. ")
    'downhill'
    """
    return completion.lower().strip().rstrip(".")


def read_realworldqa(path: Path) -> Columns:
    """Read the test file; the id is the position from 0."""
    rows = read_published(path, ("question", "answer"), pictures=[("image",)])
    truths = [str(text).strip() for text in rows["answer"]]
    return {
        "id": list(range(len(truths))),
        "question": rows["question"],
        "question_type": [CHOICE if truth.upper() in tuple("ABCD") else OPEN for truth in truths],
        "ground_truth": truths,
        "options": [options_in_text(str(text), ".") for text in rows["question"]],
        "pictures": rows["pictures"],
    }


OFFICIAL = Parser("official", ranked_letter, lambda _: None, "lmms-eval, lmms_eval/tasks/realworldqa", text=plain_text)

REALWORLDQA = Benchmark(
    name="realworldqa",
    description="RealWorldQA: accuracy of letters, exact match of words; overall = mean of all questions",
    source="xai-org/RealworldQA; lmms-lab-encoder/RealWorldQA; lmms-eval, lmms_eval/tasks/realworldqa",
    metrics={CHOICE: "choice", OPEN: "text"},
    overall="rows",
    file="Parquet: question, answer",
    read=read_realworldqa,
    request="",
    official=OFFICIAL,
    harnesses={"lmms-eval": OFFICIAL, "lmms-eval-cli": lmms_eval(OFFICIAL)["lmms-eval-cli"]},
)
