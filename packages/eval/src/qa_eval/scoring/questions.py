"""Questions to score against: our table, or a published file."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from qa_contract.prompts import PROMPTS
from qa_contract.tableio import read_metadata, read_table
from qa_contract.tables import QUESTIONS

from qa_eval.errors import QAEvalError
from qa_eval.files import read_published

QUESTION_COLUMNS = (
    *("question_id", "scene_name", "question_type", "question", "options", "ground_truth"),
    *("frame_set_id", "prompt_id", "signature"),
)


def read_questions(source: Path) -> pl.DataFrame:
    """Read the columns of a questions table that a run needs, or rows in VSI-Bench's names (JSONL, JSON or Parquet).

    Such rows get no frames and the prompt ``vsi-bench``; a column `video` is kept.

    Raises
    ------
    QAEvalError
        The table is empty, ids repeat, or a prompt_id is unknown.
    TableError
        The table is missing or lacks columns.
    """
    source = Path(source)
    if source.suffix in (".jsonl", ".ndjson", ".json") or _is_published(source):
        frame = _interchange(source)
    else:
        frame = read_table(source, "questions", QUESTIONS, columns=QUESTION_COLUMNS)
    if frame.is_empty():
        raise QAEvalError(f"{source}: the questions table has no rows.")
    repeated = frame.filter(pl.col("question_id").is_duplicated())["question_id"]
    if len(repeated):
        raise QAEvalError(f"{source}: question_id {repeated[0]} occurs more than once; ids must be unique.")
    unknown = set(frame["prompt_id"].unique().to_list()) - set(PROMPTS)
    if unknown:
        raise QAEvalError(f"{source}: unknown prompt_id {sorted(map(str, unknown))}. Valid: {', '.join(PROMPTS)}.")
    return frame


def _is_published(source: Path) -> bool:
    """Whether a file is Parquet with rows named `id`, as benchmarks publish them."""
    if source.suffix != ".parquet" or not source.is_file():
        return False
    try:
        names = pl.read_parquet_schema(source)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise QAEvalError(f"{source}: not a readable Parquet file ({error}).") from error
    return "id" in names and "question_id" not in names


def _interchange(source: Path) -> pl.DataFrame:
    """Read rows with id, scene_name, question_type, question, ground_truth and, for choices, options."""
    names = ("id", "scene_name", "question_type", "question", "ground_truth")
    rows = read_published(source, names, optional=("options", "frame_set_id", "prompt_id", "video"))
    n = len(rows["id"])
    ids = [str(value) for value in rows["id"]]
    columns = {
        "question_id": ids,
        **{name: [str(value) for value in rows[name]] for name in ("scene_name", "question_type", "question")},
        "options": rows.get("options") or [None] * n,
        "ground_truth": [str(value) for value in rows["ground_truth"]],
        "frame_set_id": rows.get("frame_set_id") or [None] * n,
        "prompt_id": rows.get("prompt_id") or ["vsi-bench"] * n,
        "signature": ids,
    }
    schema = {name: QUESTIONS[name] for name in QUESTION_COLUMNS}
    if "video" in rows:
        columns["video"], schema["video"] = rows["video"], pl.String
    try:
        return pl.DataFrame(columns, schema=schema)
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise QAEvalError(f"{source}: the rows do not fit a questions table ({error}).") from error


def questions_revision(source: Path) -> dict[str, str]:
    """Name the producer and the run of a questions table; empty for other files."""
    source = Path(source)
    path = source if source.is_file() else source / "questions.parquet"
    if path.suffix != ".parquet" or not path.is_file():
        return {}
    stored = read_metadata(path)
    return {name: stored[name] for name in ("producer", "run_id", "seed") if name in stored}
