"""RoboSpatial-Home: is it there, does it fit, and where is room for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.points import JSON_REQUEST, Points, json_points, mask_text, text_mask, without_thought
from qa_eval.files import Columns, read_published
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.official import OFFICIAL

YES_NO = ("configuration", "compatibility")
CONTEXT = "context"


def last_line_score(completion: str, ground_truth: str) -> float | None:
    r"""1 where the last line holds the right one of yes and no, and not the other.

    Examples
    --------
    >>> last_line_score("It is near.\nAnswer: Yes", "yes"), last_line_score("No", "yes"), last_line_score("left", "no")
    (1.0, 0.0, None)
    """
    line = without_thought(completion).strip().lower().split("\n")[-1]
    said = [word for word in ("yes", "no") if word in line]
    if not said:
        return None
    right = "yes" if ground_truth.strip().lower() == "yes" else "no"
    return float(said == [right])


def any_inside(completion: str, ground_truth: str) -> float | None:
    """1 where one of the points lies inside the mask."""
    mask = text_mask(ground_truth)
    height, width = mask.shape
    points: Points = json_points(without_thought(completion), width, height)
    if not points:
        return None
    return float(any(0 <= x < width and 0 <= y < height and bool(mask[y, x]) for x, y in points))


def read_robospatial(path: Path) -> Columns:
    """Read the Parquet file; the id is the position from 0 where there is none."""
    names = ("category", "question", "answer")
    rows = read_published(path, names, optional=("id", "mask"), pictures=[("img",), ("image",)])
    n = len(rows["answer"])
    masks: list[Any] = rows.get("mask") or [None] * n
    is_place = [category == CONTEXT for category in rows["category"]]
    return {
        "id": rows.get("id") or list(range(n)),
        "question": rows["question"],
        "question_type": rows["category"],
        "ground_truth": [mask_text(masks[i]) if is_place[i] else rows["answer"][i] for i in range(n)],
        "pictures": rows["pictures"],
    }


ROBOSPATIAL = Benchmark(
    name="robospatial",
    description="RoboSpatial-Home: yes or no, and a point in the mask; overall = mean of all questions",
    source="arXiv 2411.16537; chanhee-luke/RoboSpatial-Home; lmms-eval, lmms_eval/tasks/robo_spatial",
    metrics=dict.fromkeys((*YES_NO, CONTEXT), "special"),
    overall="rows",
    file="Parquet: category, question, answer, mask",
    read=read_robospatial,
    request={**dict.fromkeys(YES_NO, "Answer with yes or no in the last line."), CONTEXT: JSON_REQUEST},
    official=OFFICIAL,
    harnesses=lmms_eval(OFFICIAL),
    special={**dict.fromkeys(YES_NO, last_line_score), CONTEXT: any_inside},
    aliases=("robo_spatial",),
)
