"""Write score rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from qa_contract.files import atomic_path

from qa_eval.errors import QAEvalError
from qa_eval.scoring.inputs import StoredAnswers
from qa_eval.scoring.score import Scored


def write_scores(
    path: Path, stored: StoredAnswers, scored: Scored, *, benchmark: str, parser: str, force: bool = False
) -> None:
    """Write one row per answer: `id, question_type, score, parsed, parse_failed`, or the scores table.

    Predictions that came as the workspace's table give the scores table (Parquet); others give JSONL, or Parquet where
    the name ends so.

    Raises
    ------
    QAEvalError
        The file exists and `force` is false, or its suffix does not fit.
    """
    path = Path(path)
    check_output_file(path, stored.is_table, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[Any]] = {
        "id": stored.answers.ids,
        "question_type": stored.answers.question_type,
        "score": [None if np.isnan(value) else value for value in scored.score.tolist()],
        "parsed": scored.parsed.tolist(),
        "parse_failed": scored.parse_failed.tolist(),
    }
    if stored.is_table:
        write_scores_table(path, columns, stored.columns, benchmark=benchmark, parser=parser)
    else:
        names = list(columns)
        write_rows(path, [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)])


def check_output_file(path: Path, is_table: bool, *, force: bool) -> None:
    """Refuse an output file that exists or has a suffix that does not fit, before any work is done."""
    suffixes = (".parquet",) if is_table else (".jsonl", ".parquet")
    if path.suffix not in suffixes:
        raise QAEvalError(f"{path}: --out needs a name that ends in {' or '.join(suffixes)}.")
    if path.exists() and not force:
        raise QAEvalError(f"{path}: the file exists. Choose another --out, or pass --force.")


def write_scores_table(
    path: Path, columns: dict[str, list[Any]], carried: dict[str, list[Any]], *, benchmark: str, parser: str
) -> None:
    """Write the scores table; `carried` holds the columns that come from the predictions."""
    import polars as pl
    from qa_contract.tableio import table_metadata, write_table
    from qa_contract.tables import SCORES

    n = len(columns["id"])
    values = {"question_id": columns["id"], **{k: v for k, v in columns.items() if k != "id"}}
    values |= {"benchmark": [benchmark] * n, "parser": [parser] * n}
    values = {name: values.get(name) or carried.get(name) or [None] * n for name in SCORES}
    frame = pl.DataFrame(values, schema=dict(SCORES))
    runs = sorted({str(run) for run in values["run_id"] if run is not None})
    config = {"benchmark": benchmark, "parser": parser, "runs": runs}
    write_table(frame, path, SCORES, table_metadata("scores", "qa-eval score", config, 0))


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write objects as JSONL, or as Parquet where the name ends so; the file appears whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        _write_parquet(path, {name: [row.get(name) for row in rows] for row in rows[:1] for name in row})
    else:
        with atomic_path(path) as temporary:
            temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def _write_parquet(path: Path, columns: dict[str, list[Any]]) -> None:
    import polars as pl

    with atomic_path(path) as temporary:
        pl.DataFrame(columns).write_parquet(temporary)
