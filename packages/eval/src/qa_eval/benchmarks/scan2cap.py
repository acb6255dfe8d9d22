"""Scan2Cap: describe the objects that are found in a ScanNet scene."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.boxes import THRESHOLDS
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.errors import QAEvalError
from qa_eval.files import Columns, read_published
from qa_eval.parsers.official import OFFICIAL

KIND = "caption"
LONGEST = 30
"""Words of a reference; what follows is cut off."""
START, END = "sos", "eos"


def framed(words: Sequence[str]) -> list[str]:
    """Put the marks of start and end around words, where they are missing.

    Examples
    --------
    >>> framed(["a", "chair"]), framed(["sos", "a", "eos"])
    (['sos', 'a', 'chair', 'eos'], ['sos', 'a', 'eos'])
    """
    return [*([] if list(words[:1]) == [START] else [START]), *words, *([] if list(words[-1:]) == [END] else [END])]


def said(completion: str) -> tuple[list[str], float]:
    """Split an answer into the words of its caption and the overlap of its box; a bare caption is of the right box.

    Examples
    --------
    >>> said('{"caption": "A red chair.", "iou": 0.6}'), said("a chair")
    ((['a', 'red', 'chair', '.'], 0.6), (['a', 'chair'], 1.0))
    >>> said('{"caption": "a chair", "iou": null}')
    (['a', 'chair'], 0.0)
    """
    iou: Any = 1.0
    if completion.lstrip().startswith("{"):
        try:
            record = json.loads(completion)
            completion, iou = str(record["caption"]), record.get("iou", 1.0)
        except (ValueError, KeyError, AttributeError, RecursionError):
            pass
    try:
        overlap = float(iou)
    except (ValueError, TypeError):
        overlap = 0.0  # no box that could be the right one
    for mark in ".,":
        completion = completion.replace(mark, f" {mark} ")
    return completion.lower().split(), overlap


def candidate(completion: str, threshold: float) -> list[str]:
    """Words that count: those of the caption where its box overlaps by more than the threshold, else none."""
    words, iou = said(completion)
    return framed(words if iou > threshold else [])


def rouge_at_half(completion: str, ground_truth: str) -> float:
    """ROUGE-L of one caption whose box overlaps by more than a half."""
    from qa_eval.metrics.captions import rouge_l

    references = [text.split() for text in json.loads(ground_truth)]
    return float(rouge_l([candidate(completion, THRESHOLDS[1])], [references])[0])


def captions_at(rows: pl.DataFrame) -> Mapping[str, float]:
    """CIDEr, BLEU-4 and ROUGE-L of all captions together at both thresholds, as the paper's table."""
    from qa_eval.metrics.captions import bleu_scores, cider_scores, rouge_l

    references = [[text.split() for text in json.loads(truth)] for truth in rows["ground_truth"]]
    found = {}
    for k in THRESHOLDS:
        given = [candidate(text or "", k) for text in rows["prediction"]]
        found[f"CIDEr@{k}"] = float(np.mean(cider_scores(given, references)))
        found[f"BLEU-4@{k}"] = bleu_scores(given, references)[3]
        found[f"ROUGE-L@{k}"] = float(np.mean(rouge_l(given, references)))
    return found


def read_scan2cap(path: Path) -> Columns:
    """Read a corpus (an object of ``scene|object|name`` to its captions), or ScanRefer's rows with `token`."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else None
    except (OSError, ValueError) as error:
        raise QAEvalError(f"{path}: not readable as JSON ({error}).") from error
    corpus: dict[str, list[str]] = {}
    if isinstance(whole, dict):
        corpus = {str(key): [" ".join(framed(text.split())) for text in texts] for key, texts in whole.items()}
    else:
        rows = read_published(path, ("scene_id", "object_id", "object_name", "token"))
        columns = (rows[name] for name in ("scene_id", "object_id", "object_name", "token"))
        for scene, number, name, words in zip(*columns, strict=True):
            corpus.setdefault(f"{scene}|{number}|{name}", []).append(" ".join(framed(words[:LONGEST])))
    if not corpus:
        raise QAEvalError(f"{path}: no captions (expected an object of scene|object|name to captions, or rows).")
    return {
        "id": list(corpus),
        "question_type": [KIND] * len(corpus),
        "ground_truth": [json.dumps(texts) for texts in corpus.values()],
        "scene_name": [key.partition("|")[0] for key in corpus],
    }


SCAN2CAP = Benchmark(
    name="scan2cap",
    description="Scan2Cap: ROUGE-L at IoU 0.5; overall = mean of all objects; CIDEr, BLEU-4, ROUGE-L at 0.25 and 0.5 "
    "beside it; an object without an answer counts as an empty caption",
    source="arXiv 2012.02206; daveredrum/Scan2Cap, lib/eval_helper.py and lib/capeval",
    metrics={KIND: "special"},
    overall="rows",
    columns={
        f"{head}@{k}": f"{name}@{k}"
        for k in THRESHOLDS
        for head, name in (("C", "CIDEr"), ("B-4", "BLEU-4"), ("R", "ROUGE-L"))
    },
    file="JSON: scene|object|name to captions (corpus_val.json), or ScanRefer's rows with scene_id, object_id, "
    "object_name, token",
    read=read_scan2cap,
    official=OFFICIAL,
    special={KIND: rouge_at_half},
    figures=captions_at,
    absent="",
    results=LogColumns(question_type=(), prediction=("prediction", "caption"), derive_type=lambda _: KIND),
)
