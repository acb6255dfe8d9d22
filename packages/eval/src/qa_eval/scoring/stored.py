"""Scored answers read back: a run's folder, a scores table, or the rows that `qa-eval score --out` writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.tableio import read_table, table_files, with_every_column
from qa_contract.tables import SCORES

from qa_eval.errors import QAEvalError
from qa_eval.files import need_columns, read_columns

OTHER_NAMES = {"id": "question_id", "prediction": "completion"}
"""Names in the rows of `score --out` to those of the scores table."""


@dataclass(frozen=True)
class Stored:
    """Scored answers of one run.

    Attributes
    ----------
    path : Path
    frame : DataFrame
        The columns of the scores table; null where the file lacks one.
    summary, manifest : dict, optional
        As a run wrote them; None where the answers were scored from a file.
    """

    path: Path
    frame: pl.DataFrame
    summary: dict[str, Any] | None = None
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """What moved the answers beside model and questions; empty where it is unknown."""
        known = self.frame["settings"].drop_nulls().unique().to_list()
        # Scores of older versions have none; their run's manifest does.
        return json.loads(known[0]) if len(known) == 1 else self.manifest.get("model", {})


def read_stored(path: Path) -> Stored:
    """Read scored answers.

    Raises
    ------
    QAEvalError
        There are none, they name no benchmark, or one question has several scores.
    TableError
    """
    path = Path(path)
    summary, manifest = (_json(path / f"{name}.json") for name in ("summary", "manifest"))
    if path.suffix in (".jsonl", ".ndjson", ".json") or _has_ids(path):
        frame = _interchange(path)
    else:
        frame = read_table(path, "scores", SCORES)
    if frame.is_empty():
        raise QAEvalError(f"{path}: no scored answers.")
    for name in ("benchmark", "parser"):
        found = frame[name].unique().to_list()
        if len(found) != 1 or found[0] is None:
            raise QAEvalError(f"{path}: expected one {name} in all rows, found {', '.join(map(str, found))}.")
    repeated = frame.filter(pl.col("question_id").is_duplicated())["question_id"]
    if len(repeated):
        raise QAEvalError(f"{path}: several scores of question '{repeated[0]}'; read one run at a time.")
    return Stored(path, frame, summary, manifest or {})


def unlike(runs: Sequence[Stored]) -> dict[str, list[str]]:
    """Tell in which settings runs differ: name to the value of each run; what one of them does not tell is left out."""
    told = [{"parser": str(run.frame["parser"][0])} | run.settings for run in runs]
    shared = [name for name in told[0] if all(name in one for one in told)]
    values = {name: [_plain(one[name]) for one in told] for name in shared}
    return {name: found for name, found in values.items() if len(set(found)) > 1}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _interchange(path: Path) -> pl.DataFrame:
    """Read the rows of `score --out` as JSONL or Parquet."""
    columns = (
        pl.read_parquet(path).to_dict(as_series=False) if path.suffix == ".parquet" else read_columns(path, "scores")
    )
    need_columns(columns, ["id", "question_type", "score", "benchmark", "parser"], path)
    renamed = {OTHER_NAMES.get(name, name): values for name, values in columns.items()}
    renamed["question_id"] = [str(value) for value in renamed["question_id"]]
    try:
        known = {name: pl.Series(name, values, SCORES[name]) for name, values in renamed.items() if name in SCORES}
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise QAEvalError(f"{path}: the rows are not those of 'qa-eval score --out' ({error}).") from error
    return with_every_column(pl.DataFrame(known), SCORES)


def _has_ids(path: Path) -> bool:
    """Whether a Parquet file holds rows named `id`."""
    if path.suffix != ".parquet" or not path.is_file():
        return False
    return "question_id" not in pl.read_parquet_schema(table_files(path, "scores")[0])


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return None
    except ValueError as error:
        raise QAEvalError(f"{path}: not valid JSON ({error}).") from error
