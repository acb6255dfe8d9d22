"""Write score rows."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from qa_contract.files import atomic_path

from qa_eval.errors import QAEvalError
from qa_eval.scoring.answers import Scored

INTERCHANGE = (
    *("id", "scene_name", "question_type", "options", "ground_truth", "prediction", "parsed", "score", "parse_failed"),
    *("reason", "frame_set_id", "benchmark", "parser"),
)
"""Columns of the rows that `score --out` writes for predictions of other tools."""

NEVER_LEFT_OUT = ("id", "question_type", "ground_truth", "prediction", "parsed", "score", "parse_failed")


def write_scores(
    path: Path, scored: Scored, *, is_table: bool, benchmark: str, parser: str, force: bool = False
) -> None:
    """Write one row per answer with question, truth, prediction and score, or the scores table.

    Parameters
    ----------
    path : Path
    scored : Scored
    is_table : bool
        Whether the predictions came as the workspace's table: they give the scores table (Parquet). Others give JSONL,
        or Parquet where the name ends so.
    benchmark, parser : str
    force : bool
        Replace the file.

    Raises
    ------
    QAEvalError
        The file exists and `force` is false, or its suffix does not fit.
    """
    path = Path(path)
    check_output_file(path, is_table, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not is_table:
        write_rows(path, interchange(scored, benchmark=benchmark, parser=parser))
        return
    from qa_contract.tableio import table_metadata, with_every_column, write_table
    from qa_contract.tables import SCORES

    frame = scored.frame.with_columns(
        pl.col("id").cast(pl.String).alias("question_id"),
        pl.col("prediction").alias("completion"),
        benchmark=pl.lit(benchmark),
        parser=pl.lit(parser),
    )
    runs = sorted(frame["run_id"].drop_nulls().unique()) if "run_id" in frame.columns else []
    metadata = table_metadata("scores", "qa-eval score", {"benchmark": benchmark, "parser": parser, "runs": runs}, 0)
    write_table(with_every_column(frame, SCORES), path, SCORES, metadata)


def interchange(scored: Scored, *, benchmark: str, parser: str) -> pl.DataFrame:
    """Select the columns of rows that other tools read; those that are null throughout are left out."""
    frame = scored.frame.with_columns(
        benchmark=pl.lit(benchmark), parser=pl.lit(parser), frame_set_id=pl.col("frames")
    ).select(*INTERCHANGE)
    return frame.select(
        column for column in frame.iter_columns() if column.name in NEVER_LEFT_OUT or column.null_count() < len(column)
    )


def check_output_file(path: Path, is_table: bool, *, force: bool) -> None:
    """Refuse an output file that exists or has a suffix that does not fit, before any work is done."""
    suffixes = (".parquet",) if is_table else (".jsonl", ".parquet")
    if path.suffix not in suffixes:
        raise QAEvalError(f"{path}: --out needs a name that ends in {' or '.join(suffixes)}.")
    if path.exists() and not force:
        raise QAEvalError(f"{path}: the file exists. Choose another --out, or pass --force.")


def write_rows(path: Path, rows: pl.DataFrame) -> None:
    """Write rows as JSONL, or as Parquet where the name ends so; the file appears whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        if path.suffix == ".parquet":
            rows.write_parquet(temporary)
        else:
            lines = (json.dumps(dict(zip(rows.columns, row, strict=True))) for row in rows.iter_rows())
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
