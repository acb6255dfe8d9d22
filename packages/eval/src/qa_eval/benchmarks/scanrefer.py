"""ScanRefer: find the one object of a ScanNet scene that a description is about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from qa_eval.benchmarks.base import Benchmark, unique_ids
from qa_eval.benchmarks.boxes import REQUEST, THRESHOLDS, box_iou, read_boxes, truth_boxes
from qa_eval.benchmarks.columns import UNTOLD, LogColumns
from qa_eval.files import Columns, read_published
from qa_eval.parsers.official import OFFICIAL

TYPES = ("unique", "multiple")
"""Whether the scene holds one object of the class, or several."""
EPSILON = 1e-8


def answer_iou(completion: str, ground_truth: str) -> float | None:
    """Intersection over union of the one box of an answer with the right one; None where it holds no or several boxes.

    Examples
    --------
    >>> round(answer_iou("[[0, 0, 0], [2, 1, 1]]", "[[[0, 0, 0], [1, 1, 1]]]"), 6), answer_iou("by the door", "[]")
    (0.5, None)
    """
    given = read_boxes(completion)
    if given is None or len(given) != 1:
        return None
    return float(box_iou(given, truth_boxes(ground_truth), EPSILON)[0, 0])


def hit(completion: str, ground_truth: str) -> float | None:
    """1 where the intersection over union is at least a half."""
    iou = answer_iou(completion, ground_truth)
    return None if iou is None else float(iou >= THRESHOLDS[1])


def row_id(record: Mapping[str, Any]) -> str:
    """Name a description by scene, object and annotation."""
    return "|".join(str(record[name]) for name in ("scene_id", "object_id", "ann_id"))


def _kind(record: Mapping[str, Any]) -> str:
    value = record.get("unique_multiple")
    if value is None:
        return UNTOLD
    if int(value) not in (0, 1):
        raise ValueError(f"unique_multiple is {value}; expected 0 (unique) or 1 (multiple)")
    return TYPES[int(value)]


def read_scanrefer(path: Path) -> Columns:
    """Read rows with the box of the object, as eight or two corners.

    `eval_type` is unique or multiple; older files hold it as `unique_multiple`, 0 or 1, or only in the predictions.
    """
    names = ("scene_id", "object_id", "ann_id", "bbox")
    rows = read_published(path, names, optional=("description", "eval_type", "unique_multiple"))
    n = len(rows["bbox"])
    kinds = rows.get("eval_type") or [
        _kind({"unique_multiple": value}) for value in rows.get("unique_multiple", [None] * n)
    ]
    found: Columns = {
        "id": unique_ids([row_id({name: rows[name][i] for name in names}) for i in range(n)], path),
        "question_type": kinds,
        "ground_truth": [json.dumps([box]) for box in rows["bbox"]],
        "scene_name": rows["scene_id"],
    }
    return found | ({"question": rows["description"]} if "description" in rows else {})


def accuracies(rows: pl.DataFrame) -> Mapping[str, float]:
    """Shares of the rows at both thresholds, by type and overall, as the paper's table."""
    pairs = zip(rows["prediction"].fill_null(""), rows["ground_truth"], strict=True)
    ious = pl.Series([answer_iou(text, truth) or 0.0 for text, truth in pairs], dtype=pl.Float64)
    found = {}
    for name in (*TYPES, "overall"):
        part = ious if name == "overall" else ious.filter(rows["question_type"] == name)
        if len(part):
            found |= {f"{name} Acc@{k}": float((part >= k).to_numpy().mean()) for k in THRESHOLDS}
    return found


SCANREFER = Benchmark(
    name="scanrefer",
    description="ScanRefer: share of the boxes with IoU >= 0.5; overall = mean of all rows; unique, multiple, overall "
    "at 0.25 and 0.5 beside it",
    source="arXiv 1912.08830; daveredrum/ScanRefer, benchmark/eval.py and utils/box_util.py",
    metrics=dict.fromkeys((*TYPES, UNTOLD), "special"),
    overall="rows",
    columns={f"{name.capitalize()}@{k}": f"{name} Acc@{k}" for name in (*TYPES, "overall") for k in THRESHOLDS},
    file="JSON: scene_id, object_id, ann_id, bbox (8 or 2 corners), eval_type or unique_multiple (description)",
    read=read_scanrefer,
    request=REQUEST,
    official=OFFICIAL,
    special=dict.fromkeys((*TYPES, UNTOLD), hit),
    figures=accuracies,
    lists_are_answers=True,
    results=LogColumns(
        id=(),
        derive_id=row_id,
        question_type=("eval_type",),
        prediction=("bbox", "aabb"),
        derive_type=_kind,
    ),
)
