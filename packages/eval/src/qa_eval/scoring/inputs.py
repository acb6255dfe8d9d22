"""Stored predictions, joined to their questions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.vsi_bench import subset
from qa_eval.errors import QAEvalError
from qa_eval.files import Columns, need_columns, read_columns
from qa_eval.scoring.answers import SCHEMA, Answers, answer_frame
from qa_eval.scoring.normalise import answer_text, array_text, option_list

CARRIED = {
    **dict.fromkeys(("run_id", "model_id", "runner", "frame_set_id", "prompt_id", "settings"), pl.String),
    "round": pl.Int32,
}
"""Columns of the predictions table that the scores table repeats."""

KEY = "_key"


@dataclass(frozen=True)
class StoredAnswers:
    """Predictions joined to their questions.

    Attributes
    ----------
    answers : Answers
        With the columns of `CARRIED` where the predictions came as the workspace's table.
    is_table : bool
        Whether they did.
    unknown : list of str or int
        Ids of predictions that belong to no question.
    doubled : int
        Rows that stood there once more, word by word; each counts once.
    """

    answers: Answers
    is_table: bool
    unknown: list[str | int]
    doubled: int = 0

    @property
    def empty_truths(self) -> int:
        """Rows whose ground truth is empty: they count as wrong."""
        return int((self.answers.frame["ground_truth"] == "").sum())


def read_answers(
    predictions: Path,
    questions: Path | None = None,
    *,
    benchmark: Benchmark | None = None,
    frames: str | None = None,
) -> StoredAnswers:
    """Read predictions and join them to their questions, by id, where a questions file is given.

    Parameters
    ----------
    predictions : Path
        Rows with `id` and `prediction` (and `question_type`, `ground_truth` where `questions` is None), or the
        predictions table with `question_id` and `completion`. An empty prediction is an answer that cannot be read; of
        a list the first one counts.
    questions : Path, optional
        Rows with `id`, `question_type`, `ground_truth`, the questions table, or the file that the benchmark publishes.
        Questions without a prediction become rows without a score.
    benchmark : Benchmark, optional
        Knows how its published file is read.
    frames : str, optional
        Keep the rows of this frame budget alone (column `num_frames`).

    Raises
    ------
    QAEvalError
        A file is missing or malformed, columns are missing, or ids repeat.
    """
    rows = read_columns(predictions, "predictions")
    key = "question_id" if "question_id" in rows else "id"
    text = "completion" if key == "question_id" and "completion" in rows else "prediction"
    need_columns(rows, [key, text], predictions)
    is_table = text == "completion"
    if is_table:
        rows = _own_answers(predictions, rows)
    rows, doubled = _once(rows, key, text, predictions)
    if questions is None:
        if "ground_truth" not in rows:
            raise QAEvalError(f"{predictions}: the rows carry no ground_truth; pass the questions with --questions.")
        need_columns(rows, ["question_type"], predictions)
        rows = rows if frames is None else _of_budget(rows, frames, predictions)
        frame = _frame(rows, key).with_columns(_answers(rows, text, benchmark))
        return StoredAnswers(Answers.of(frame), is_table, [], doubled)
    if benchmark is not None and benchmark.read is not None:
        source = benchmark.published(Path(questions))
    else:
        source = read_columns(questions, "questions")
    question_key = "question_id" if "question_id" in source else "id"
    need_columns(source, [question_key, "question_type", "ground_truth"], questions)
    if frames is not None:
        rows = _of_budget(rows, frames, predictions) if "num_frames" in rows else rows
        source = _of_budget(source, frames, questions)
    elif "num_frames" in source and len(set(source[question_key])) < len(source[question_key]):
        budgets = ", ".join(dict.fromkeys(str(value) for value in source["num_frames"]))
        raise QAEvalError(f"{questions}: holds several frame budgets ({budgets}); choose one with --frames.")
    asked = _frame(source, question_key)
    answered = [_texts(KEY, rows[key], str), *_answers(rows, text, benchmark)]
    if is_table:
        answered += [_texts(name, rows[name], _or_none, dtype=dtype) for name, dtype in CARRIED.items() if name in rows]
    if (own := _frames(rows)) is not None:
        asked = asked.drop("frames")
        answered.append(own)
    joined = _with_key(asked.drop("prediction")).join(
        pl.DataFrame(answered), on=KEY, how="left", maintain_order="left_right"
    )
    if benchmark is not None and benchmark.absent is not None:
        joined = joined.with_columns(pl.col("prediction").fill_null(benchmark.absent))
    known = set(_with_key(asked)[KEY])
    unknown = [value for value in rows[key] if str(value) not in known]
    carried = [name for name in joined.columns if name not in ("id", KEY, *SCHEMA)]
    return StoredAnswers(Answers.of(joined.select("id", *SCHEMA, *carried)), is_table, unknown, doubled)


def _once(rows: Columns, key: str, text: str, path: Path) -> tuple[Columns, int]:
    """Keep one of rows that are equal; two answers to one question are refused, as either could be the one meant.

    Files that hold several frame budgets may repeat an id once per budget.
    """
    budgets = rows.get("num_frames") or [None] * len(rows[key])
    places = list(zip(map(str, rows[key]), map(str, budgets), strict=True))
    if len(set(places)) == len(places):
        return rows, 0
    first: dict[tuple[str, str], int] = {}
    kept: list[int] = []
    for row, place in enumerate(places):
        earlier = first.setdefault(place, row)
        if earlier == row:
            kept.append(row)
        elif rows[text][earlier] != rows[text][row]:
            raise QAEvalError(
                f"{path}: id '{place[0]}' has two answers, {rows[text][earlier]!r} and {rows[text][row]!r}. "
                "Keep one of them; for several samples per question score each file of its own."
            )
    return {name: [values[row] for row in kept] for name, values in rows.items()}, len(rows[key]) - len(kept)


def read_ids(path: Path) -> set[str]:
    """Read a list of ids: a JSON array, or one id per line.

    Raises
    ------
    QAEvalError
        The file is missing, or holds no ids.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        ids = {str(value) for value in (json.loads(text) if text.lstrip().startswith("[") else text.split())}
    except (OSError, ValueError) as error:
        raise QAEvalError(f"{path}: not readable as a list of ids ({error}).") from error
    if not ids:
        raise QAEvalError(f"{path}: holds no ids.")
    return ids


def keep_ids(stored: StoredAnswers, ids: set[str]) -> StoredAnswers:
    """Keep the rows whose id is listed, for a subset of a benchmark such as VSI-Bench's debiased questions.

    Raises
    ------
    QAEvalError
        A listed id has no row.
    """
    frame = _with_key(stored.answers.frame)
    missing = ids - set(frame[KEY])
    if missing:
        raise QAEvalError(f"{len(missing)} of {len(ids)} listed ids have no row (first: {min(missing)}).")
    kept = frame.filter(pl.col(KEY).is_in(list(ids))).drop(KEY)
    return StoredAnswers(Answers.of(kept), stored.is_table, stored.unknown, stored.doubled)


def _frame(columns: Columns, key: str) -> pl.DataFrame:
    """Build the frame of questions, or of rows that carry their question, without predictions."""
    scenes, options, groups = columns.get("scene_name"), columns.get("options"), columns.get("group")
    if groups is None and "pruned" in columns:
        groups = [None if value is None else subset(value) for value in columns["pruned"]]
    truths = [answer_text(value) for value in columns["ground_truth"]]
    found = {
        "id": columns[key],
        "question_type": [str(value) for value in columns["question_type"]],
        "ground_truth": truths if any(truths) else [None] * len(truths),
        "references": columns.get("references"),
        "options": None if options is None else [option_list(value) for value in options],
        "scene_name": None if scenes is None else [_or_none(value) for value in scenes],
        "group": None if groups is None else [_or_none(value) for value in groups],
    }
    frame = answer_frame({name: values for name, values in found.items() if values is not None})
    frames = _frames(columns)
    return frame if frames is None else frame.with_columns(frames)


def _answers(rows: Columns, text: str, benchmark: Benchmark | None) -> list[pl.Series]:
    """Answers as text, and all of them where a row holds several."""
    if benchmark is not None and benchmark.lists_are_answers:
        return [_texts("prediction", rows[text], array_text)]
    found = [_texts("prediction", rows[text])]
    several = rows.get("predictions") or rows[text]
    if any(isinstance(value, list) and len(value) > 1 for value in several):
        lists = [[answer_text(v) for v in value] if isinstance(value, list) else None for value in several]
        found.append(pl.Series("predictions", lists, dtype=pl.List(pl.String)))
    return found


def _frames(columns: Columns) -> pl.Series | None:
    """Frames that each row was answered from, where the file says so."""
    name = next((name for name in ("frame_set_id", "num_frames") if name in columns), None)
    return None if name is None else _texts("frames", columns[name], _or_none)


def _of_budget(columns: Columns, frames: str, path: Path) -> Columns:
    """Keep the rows of one frame budget."""
    need_columns(columns, ["num_frames"], path)
    budgets = [str(value) for value in columns["num_frames"]]
    if frames not in budgets:
        raise QAEvalError(f"{path}: no row of {frames} frames; found {', '.join(dict.fromkeys(budgets))}.")
    return {name: [v for v, b in zip(values, budgets, strict=True) if b == frames] for name, values in columns.items()}


def _own_answers(path: Path, rows: Columns) -> Columns:
    """Drop the rows of the training pass: their completion is the ground truth, not an answer."""
    phases = rows.get("phase", [])
    keep = [i for i, phase in enumerate(phases) if phase != "train"]
    if phases and not keep:
        raise QAEvalError(
            f"{path}: all {len(phases)} rows are of phase 'train' (the completion is the ground truth); "
            "answers come from 'qa-eval run'."
        )
    return {name: [values[i] for i in keep] for name, values in rows.items()} if phases else rows


def _with_key(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the id as text: a file may hold the numbers of another as text."""
    return frame.with_columns(pl.col("id").cast(pl.String).fill_null("None").alias(KEY))


def _or_none(value: object) -> str | None:
    return None if value is None else str(value)


def _texts(name: str, values: Sequence[Any], read: Any = answer_text, *, dtype: Any = pl.String) -> pl.Series:
    """Make a column of text, or of `dtype` as it is."""
    return pl.Series(name, [read(value) for value in values] if dtype == pl.String else values, dtype=dtype)
