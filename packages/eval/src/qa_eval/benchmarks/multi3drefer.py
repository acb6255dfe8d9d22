"""Multi3DRefer: find all objects of a ScanNet scene that a description is about: none, one or several."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from qa_eval.benchmarks.base import Benchmark, unique_ids
from qa_eval.benchmarks.boxes import REQUEST, THRESHOLDS, box_iou, read_boxes, truth_boxes
from qa_eval.benchmarks.columns import UNTOLD, LogColumns
from qa_eval.errors import QAEvalError
from qa_eval.files import Columns, read_published
from qa_eval.parsers.official import OFFICIAL

TYPES = ("zt_w_d", "zt_wo_d", "st_w_d", "st_wo_d", "mt")
"""Zero, single or multiple targets; with or without distractors of the same class."""
EPSILON = float(np.finfo(np.float32).eps)


def f1_scores(completion: str, ground_truth: str) -> list[float] | None:
    """F1 of the boxes at both thresholds, after matching them one to one by the greatest sum of overlaps.

    Without targets an empty list is right, and any box is wrong. None where the answer holds no list of boxes.

    Examples
    --------
    >>> f1_scores("[[[0, 0, 0], [1, 1, 1]], [[5, 0, 0], [6, 1, 1]]]", "[[[0, 0, 0], [1, 1, 3]]]")
    [0.6666666666666666, 0.0]
    >>> f1_scores("[]", "[]"), f1_scores("[[0, 0, 0], [1, 1, 1]]", "[]"), f1_scores("none", "[]")
    ([1.0, 1.0], [0.0, 0.0], None)
    """
    from scipy.optimize import linear_sum_assignment

    given, right = read_boxes(completion, np.float32), truth_boxes(ground_truth, np.float32)
    if given is None:
        return None
    if not len(right):
        return [float(not len(given))] * len(THRESHOLDS)
    overlaps = box_iou(given, right, EPSILON)
    size = max(overlaps.shape)
    square = np.zeros((size, size), dtype=np.float32)
    square[: len(given), : len(right)] = overlaps
    matched = square[linear_sum_assignment(-square)]
    return [2 * int((matched >= k).sum()) / (len(given) + len(right)) for k in THRESHOLDS]


def f1_at_half(completion: str, ground_truth: str) -> float | None:
    """F1 at an intersection over union of a half."""
    found = f1_scores(completion, ground_truth)
    return None if found is None else found[1]


def row_id(record: Mapping[str, Any]) -> str:
    """Name a description by scene and annotation."""
    return f"{record['scene_id']}|{record['ann_id']}"


def read_multi3drefer(path: Path) -> Columns:
    """Read rows with the boxes of the targets as `aabb_bound` (two corners each) or `bbox`."""
    names = ("scene_id", "ann_id", "eval_type")
    rows = read_published(path, names, optional=("aabb_bound", "bbox", "description"))
    boxes = rows.get("aabb_bound") or rows.get("bbox")
    if boxes is None:
        raise QAEvalError(
            f"{path}: expected the boxes of the targets as 'aabb_bound' or 'bbox', found {', '.join(rows)}."
        )
    found: Columns = {
        "id": unique_ids([row_id({name: rows[name][i] for name in names}) for i in range(len(boxes))], path),
        "question_type": rows["eval_type"],
        "ground_truth": [json.dumps(value) for value in boxes],
        "scene_name": rows["scene_id"],
    }
    return found | ({"question": rows["description"]} if "description" in rows else {})


def f1_figures(rows: pl.DataFrame) -> Mapping[str, float]:
    """Mean F1 at both thresholds, by type and overall, as the paper's table."""
    pairs = zip(rows["prediction"].fill_null(""), rows["ground_truth"], strict=True)
    scores = np.array([f1_scores(text, truth) or [0.0, 0.0] for text, truth in pairs], dtype=np.float32)
    found = {}
    for name in (*TYPES, "overall"):
        part = scores if name == "overall" else scores[(rows["question_type"] == name).to_numpy()]
        if len(part):
            found |= {f"{name} F1@{k}": float(part[:, i].mean()) for i, k in enumerate(THRESHOLDS)}
    return found


MULTI3DREFER = Benchmark(
    name="multi3drefer",
    description="Multi3DRefer: F1 of the boxes at IoU 0.5; overall = mean of all rows; zero (zt), single (st), several "
    "(mt) targets, with and without distractors (w_d, wo_d), at 0.25 and 0.5 beside it",
    source="arXiv 2309.05251; 3dlg-hcvc/M3DRef-CLIP, m3drefclip/evaluation/multi3drefer_evaluator.py",
    metrics=dict.fromkeys((*TYPES, UNTOLD), "special"),
    overall="rows",
    columns={
        f"{head} F1@{k}": f"{name} F1@{k}"
        for k in THRESHOLDS
        for head, name in zip(
            ("ZT w/ D", "ZT w/o D", "ST w/ D", "ST w/o D", "MT", "All"), (*TYPES, "overall"), strict=True
        )
    },
    file="JSON: scene_id, ann_id, eval_type, aabb_bound (a list of boxes of two corners; description)",
    read=read_multi3drefer,
    request=REQUEST,
    official=OFFICIAL,
    special=dict.fromkeys((*TYPES, UNTOLD), f1_at_half),
    figures=f1_figures,
    lists_are_answers=True,
    results=LogColumns(
        id=(),
        derive_id=row_id,
        question_type=("eval_type",),
        prediction=("aabb", "aabb_bound"),
        derive_type=lambda _: UNTOLD,
    ),
)
