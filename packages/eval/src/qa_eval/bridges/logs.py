"""Read the per-sample logs of lmms-eval and VLMEvalKit as rows that `qa-eval score` takes."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qa_eval.errors import QAEvalError, unknown_name

Row = dict[str, Any]


def read_log(path: Path, tool: str) -> list[Row]:
    """Read a log as rows of id, question_type, ground_truth, prediction (and scene_name, options where it has them).

    Parameters
    ----------
    path : Path
        lmms-eval: ``*_samples_<task>.jsonl`` of ``--log_samples``. VLMEvalKit: the prediction file as TSV, CSV or JSON.
    tool : str
        A key of `LOGS`.

    Raises
    ------
    QAEvalError
        The tool is unknown, or the file is not such a log.
    """
    if tool not in LOGS:
        raise unknown_name("log format", tool, LOGS)
    try:
        rows = LOGS[tool](Path(path))
    except (OSError, ValueError, csv.Error) as error:
        raise QAEvalError(f"{path}: not readable as a log of {tool} ({error}).") from error
    if not rows:
        raise QAEvalError(f"{path}: the log has no rows.")
    return rows


def _lmms_eval(path: Path) -> list[Row]:
    """Read one object per line; the question stands in the value of any metric, the answer in `filtered_resps`."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        sample = json.loads(line)
        docs = [value for value in sample.values() if isinstance(value, dict) and "question_type" in value]
        if not docs:
            raise ValueError(f"line {number} has no metric that carries its question (question_type)")
        answer = sample.get("filtered_resps", docs[0].get("prediction"))
        answer = answer[0] if isinstance(answer, list) and answer else answer
        rows.append(_row(docs[0] | {"prediction": answer}, sample.get("doc_id"), sample.get("target")))
    return rows


def _vlmevalkit(path: Path) -> list[Row]:
    """Read a table with `index`, `prediction`, `answer` and `question_type` (or `type`, `category`)."""
    if path.suffix in (".xlsx", ".pkl"):
        raise ValueError(f"save the {path.suffix} file as TSV, CSV or JSON first")
    if path.suffix == ".json":
        records: list[Row] = json.loads(path.read_text(encoding="utf-8"))
    else:
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        with path.open(encoding="utf-8", newline="") as stream:
            records = list(csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))
    rows = []
    for record in records:
        kind = next((record[name] for name in ("question_type", "type", "category") if record.get(name)), None)
        if "prediction" not in record or kind is None:
            raise ValueError(f"expected prediction and question_type, found {', '.join(map(str, record))}")
        rows.append(_row(record | {"question_type": kind}, record.get("index"), record.get("answer")))
    return rows


def _row(doc: Row, position: object, truth: object) -> Row:
    """Pick the columns; the benchmark's own id comes before the position in the file."""
    row = {
        "id": doc.get("id", position),
        "question_type": doc["question_type"],
        "ground_truth": doc.get("ground_truth", truth),
        "prediction": doc["prediction"],
    }
    return row | {name: doc[name] for name in ("scene_name", "options") if doc.get(name)}


LOGS: dict[str, Callable[[Path], list[Row]]] = {"lmms-eval": _lmms_eval, "vlmevalkit": _vlmevalkit}
"""Tool to reader."""
