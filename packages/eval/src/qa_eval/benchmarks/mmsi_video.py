"""MMSI-Video-Bench: construction, motion, planning and prediction over one or several videos."""

from __future__ import annotations

from pathlib import Path

from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval

LETTERS = tuple("ABCDEF")
PHRASES = (
    *('"answer":', "answer is", "answer:", '"Answer":', "Answer is", "Answer:", "The answer is", "the answer is"),
)
NOISE = str.maketrans("", "", " \"'\n:")


def phrased_letter(completion: str) -> str | None:
    r"""Take a letter that is all of a box, of what follows a phrase, or of the first sentence; else one mentioned.

    Examples
    --------
    >>> texts = ("\\boxed{B}", "The answer is C, left", "D. left", "maybe (E) or A", "left", "B, but no answer")
    >>> [phrased_letter(text) for text in texts]
    ['B', 'C', 'D', 'A', None, None]
    """
    text = completion.strip()
    if "no answer" in text.lower():
        return None
    text = text.replace("<answer>", "").replace("</answer>", "")
    parts = [text.split("boxed{")[1].split("}")[0]] if "boxed{" in text else []
    parts += [text.split(phrase)[-1].split(",")[0].split(".")[0] for phrase in PHRASES if phrase in text]
    parts.append(text.split(".")[0])
    whole = next((bare for part in parts if (bare := part.translate(NOISE)) in LETTERS), None)
    if whole is not None:
        return whole
    forms = ("({})", " {} ", "{}.")
    padded = f" {text} "
    return next((a for a in LETTERS if any(form.format(a) in padded for form in forms)), None)


def read_mmsi_video(path: Path) -> Columns:
    """Read the rows; the ground truth is a letter or starts with it. The id is the position from 0 without one."""
    rows = read_published(path, ("question", "ground_truth"), optional=("id", "type", "question_type", "options"))
    n = len(rows["question"])
    return {
        "id": rows.get("id") or list(range(n)),
        "question": rows["question"],
        "question_type": rows.get("type") or rows["question_type"],
        "ground_truth": [str(text).strip().upper()[:1] for text in rows["ground_truth"]],
        "options": rows.get("options") or [None] * n,
    }


OFFICIAL = letters_only("official", phrased_letter, "lmms-eval, lmms_eval/tasks/mmsi_video/utils.py")

MMSI_VIDEO = Benchmark(
    name="mmsi-video",
    description="MMSI-Video-Bench: accuracy; overall = mean of all questions; 13 question types beside it",
    source="arXiv 2512.10863; rbler/MMSI-Video-Bench; lmms-eval, lmms_eval/tasks/mmsi_video",
    overall="rows",
    every_type="choice",
    file="rows with question, ground_truth, type (options)",
    read=read_mmsi_video,
    official=OFFICIAL,
    harnesses=lmms_eval(OFFICIAL),
    log=LogColumns(question_type=("type", "question_type")),
)
