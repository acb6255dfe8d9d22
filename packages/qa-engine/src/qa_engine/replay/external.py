"""Questions of others: files in VSI-Bench's schema, read as they are."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from qa_contract.tableio import table_files
from qa_contract.tables import QUESTIONS

from qa_engine.errors import QAEngineError


def read_question_rows(source: Path) -> pl.DataFrame:
    """Read a file of questions as it is: JSONL, Parquet, or a folder with table `questions`.

    Raises
    ------
    QAEngineError
        The file is missing or unreadable.
    """
    files = table_files(source, "questions")
    try:
        if files[0].suffix == ".parquet":
            return pl.read_parquet(files)
        return pl.read_ndjson(source, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise QAEngineError(f"{source}: neither JSONL nor Parquet ({error}).") from error


def read_external_questions(source: Path, *, with_truth: bool = False) -> pl.DataFrame:
    """Read questions in VSI-Bench's schema: `id`, `scene_name`, `question_type`, `question`, `options`.

    Parameters
    ----------
    source : Path
        JSONL, Parquet, or a folder with our table `questions`, whose `question_id` becomes `id`.
    with_truth : bool
        Also `ground_truth`, null where the file has none.

    Raises
    ------
    QAEngineError
        The file is missing, unreadable or lacks a column.
    """
    return external_columns(read_question_rows(source), source, with_truth=with_truth)


def external_columns(table: pl.DataFrame, source: Path | str, *, with_truth: bool = False) -> pl.DataFrame:
    """Take the columns of VSI-Bench's schema from rows of others or of our own; `source` stands in the message.

    Raises
    ------
    QAEngineError
        A column is missing or has another type.
    """
    if "id" not in table.columns and "question_id" in table.columns:
        table = table.rename({"question_id": "id"})
    if "options" not in table.columns:
        table = table.with_columns(options=pl.lit(None, dtype=QUESTIONS["options"]))
    if "ground_truth" not in table.columns:
        table = table.with_columns(ground_truth=pl.lit(None, dtype=pl.String))
    truth = [pl.col("ground_truth").cast(pl.String)] if with_truth else []
    needed = ["id", "scene_name", "question_type", "question", "options"]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise QAEngineError(f"{source}: lacks {', '.join(missing)}; found {', '.join(table.columns)}.")
    try:
        texts = pl.col(needed[1:4]).cast(pl.String)
        return table.select("id", texts, pl.col("options").cast(QUESTIONS["options"]), *truth)
    except pl.exceptions.PolarsError as error:
        raise QAEngineError(f"{source}: a column has another type than text or list of texts ({error}).") from error
