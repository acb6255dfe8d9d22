"""Read the per-sample logs of lmms-eval and VLMEvalKit as rows that `qa-eval score` takes."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qa_eval.benchmarks import BENCHMARKS
from qa_eval.bridges.xlsx import read_xlsx
from qa_eval.errors import QAEvalError, unknown_name
from qa_eval.scoring.normalise import answer_text

Row = dict[str, Any]


def read_log(path: Path, tool: str) -> list[Row]:
    """Read a log as rows of id, question_type, ground_truth, prediction (and scene_name, options where it has them).

    Parameters
    ----------
    path : Path
        lmms-eval: ``*_samples_<task>.jsonl`` of ``--log_samples``, or thinking-in-space's ``<task>.json``. VLMEvalKit:
        the prediction file as XLSX, TSV, CSV or JSON.
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


def log_benchmark(path: Path) -> str | None:
    """Guess the benchmark from the name of a log, which holds that of the task; None where it says nothing.

    Examples
    --------
    >>> log_benchmark(Path("20260801_samples_mindcube_tiny.jsonl")), log_benchmark(Path("Qwen_ERQA.xlsx"))
    ('mindcube', 'erqa')
    """
    name = "".join(c for c in path.stem.lower() if c.isalnum())
    known = {"".join(c for c in benchmark if c.isalnum()): benchmark for benchmark in BENCHMARKS}
    known |= {key.removesuffix("bench"): benchmark for key, benchmark in known.items() if len(key) > len("bench") + 3}
    return next((known[key] for key in sorted(known, key=len, reverse=True) if key in name), None)


def _lmms_eval(path: Path) -> list[Row]:
    """Read one object per line, or the list at `logs` of one object, as thinking-in-space writes it.

    The question stands in the value of any metric, or at `doc`; the answer in `filtered_resps`.
    """
    text = path.read_text(encoding="utf-8")
    rows = []
    for number, sample in enumerate(_samples(text, path), start=1):
        docs = [value for value in sample.values() if isinstance(value, dict) and "question_type" in value]
        if not docs:
            raise ValueError(f"sample {number} has no metric that carries its question (question_type)")
        answer = sample.get("filtered_resps", docs[-1].get("prediction"))
        rows.append(_row(docs[-1] | {"prediction": answer_text(answer)}, sample.get("doc_id"), sample.get("target")))
    return rows


def _samples(text: str, path: Path) -> list[Row]:
    if path.suffix == ".json":
        whole = json.loads(text)
        samples = whole.get("logs") if isinstance(whole, dict) else whole
        if not isinstance(samples, list):
            raise ValueError("expected an object with a list at 'logs'")
    else:
        samples = [json.loads(line) for line in text.split("\n") if line.strip()]
    if not all(isinstance(sample, dict) for sample in samples):
        raise ValueError("a sample is no object")
    return samples


def _vlmevalkit(path: Path) -> list[Row]:
    """Read a table with `index`, `prediction`, `answer` and `question_type` (or `type`, `category`)."""
    if path.suffix == ".pkl":
        raise ValueError("save the .pkl file as XLSX, TSV, CSV or JSON first")
    if path.suffix == ".xlsx":
        records = read_xlsx(path)
    elif path.suffix == ".json":
        records = json.loads(path.read_text(encoding="utf-8"))
    else:
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        with path.open(encoding="utf-8", newline="") as stream:
            records = list(csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))
    rows = []
    for record in records:
        kind = next((record[name] for name in ("question_type", "type", "category") if record.get(name)), None)
        if "prediction" not in record or kind is None:
            raise ValueError(f"expected prediction and question_type, found {', '.join(map(str, record))}")
        answer = answer_text(record["prediction"])
        rows.append(
            _row(record | {"question_type": kind, "prediction": answer}, record.get("index"), record.get("answer"))
        )
    return rows


def _row(doc: Row, position: object, truth: object) -> Row:
    """Pick the columns; the benchmark's own id comes before the position in the file."""
    row = {
        "id": doc.get("id", position),
        "question_type": doc["question_type"],
        "ground_truth": answer_text(doc.get("ground_truth", truth)),
        "prediction": doc["prediction"],
    }
    return row | {name: doc[name] for name in ("scene_name", "options") if doc.get(name)}


LOGS: dict[str, Callable[[Path], list[Row]]] = {"lmms-eval": _lmms_eval, "vlmevalkit": _vlmevalkit}
"""Tool to reader."""
