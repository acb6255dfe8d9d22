"""Rows of other tools' files as flat records, whatever the format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qa_eval.bridges.xlsx import read_xlsx
from qa_eval.files import read_table_rows

Record = dict[str, Any]

CARRIED = ("doc_id", "target", "resps", "filtered_resps")
"""What a sample of lmms-eval holds beside the question and the metrics."""


def lmms_eval_records(path: Path) -> list[Record]:
    """Read one object per line, or the list at `logs` of one object, as thinking-in-space writes it.

    The question stands at `doc` where it is kept, and in the values of the metrics; they become one record.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        whole = json.loads(text)
        samples = whole.get("logs") if isinstance(whole, dict) else whole
        if not isinstance(samples, list):
            raise ValueError("expected an object with a list at 'logs'")
    else:
        samples = [json.loads(line) for line in text.split("\n") if line.strip()]
    if not all(isinstance(sample, dict) for sample in samples):
        raise ValueError("a sample is no object")
    return [_flat(sample) for sample in samples]


def _flat(sample: Record) -> Record:
    record = {name: sample[name] for name in CARRIED if name in sample}
    for name, value in sample.items():
        if isinstance(value, dict):
            record |= {key: inner for key, inner in value.items() if key not in record}
        elif isinstance(value, bool | int | float) and name not in record:
            record[name] = value
    return record


def table_records(path: Path) -> list[Record]:
    """Read the rows of an XLSX, TSV, CSV, JSON or JSONL file."""
    if path.suffix == ".xlsx":
        return read_xlsx(path)
    if path.suffix in (".json", ".jsonl"):
        text = path.read_text(encoding="utf-8")
        found = list(_rows(json.loads(text))) if path.suffix == ".json" else _lines(text)
        if not all(isinstance(row, dict) for row in found):
            raise ValueError("a row is no object")
        return found
    if path.suffix in (".tsv", ".csv"):
        return read_table_rows(path)
    raise ValueError("save it as XLSX, TSV, CSV or JSON first")


def _lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def _texts(value: Any) -> bool:
    """Whether a value is a text, or a list of nothing but texts."""
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
    )


def _rows(value: Any) -> Iterator[Any]:
    """Yield the rows of a list, of the lists of an object (a split each), or of an object of rows by id."""
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict) and value and all(_texts(inner) for inner in value.values()):
        yield from ({"id": name, "prediction": texts} for name, texts in value.items())
    elif isinstance(value, dict) and value and all(isinstance(inner, list) for inner in value.values()):
        for inner in value.values():
            yield from inner
    elif isinstance(value, dict) and value and all(isinstance(inner, dict) for inner in value.values()):
        yield from ({"id": name, **inner} for name, inner in value.items())
    else:
        raise ValueError("expected a list of rows, or an object of rows by id")
