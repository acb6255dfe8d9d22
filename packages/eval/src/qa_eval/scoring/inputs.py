"""Stored predictions, joined to their questions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa_eval.benchmarks.base import Benchmark
from qa_eval.errors import QAEvalError
from qa_eval.files import Columns, need_columns, read_columns
from qa_eval.scoring.score import Answers


@dataclass(frozen=True)
class StoredAnswers:
    """Predictions joined to their questions.

    Attributes
    ----------
    answers : Answers
    columns : dict of str to list
        The remaining columns, aligned with `answers`; None in rows whose question has no prediction.
    is_table : bool
        Whether the predictions came as the workspace's table.
    unknown : list of str or int
        Ids of predictions that belong to no question.
    repeated : int
        Rows whose id occurred before.
    """

    answers: Answers
    columns: Columns
    is_table: bool
    unknown: list[str | int]
    repeated: int


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
        predictions table with `question_id` and `completion`.
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
    if questions is None:
        if "ground_truth" not in rows:
            raise QAEvalError(f"{predictions}: the rows carry no ground_truth; pass the questions with --questions.")
        need_columns(rows, ["question_type"], predictions)
        rows = source = rows if frames is None else _of_budget(rows, frames, predictions)
        order, unknown = list(range(len(rows[key]))), []
        ids = rows[key]
    else:
        read = benchmark.read if benchmark else None
        source = read_columns(questions, "questions") if read is None else read(Path(questions))
        question_key = "question_id" if "question_id" in source else "id"
        need_columns(source, [question_key, "question_type", "ground_truth"], questions)
        if frames is not None:
            rows = _of_budget(rows, frames, predictions) if "num_frames" in rows else rows
            source = _of_budget(source, frames, questions)
        elif "num_frames" in source and len(set(source[question_key])) < len(source[question_key]):
            budgets = ", ".join(dict.fromkeys(str(value) for value in source["num_frames"]))
            raise QAEvalError(f"{questions}: holds several frame budgets ({budgets}); choose one with --frames.")
        ids, order, source, unknown = _join(rows, key, source, question_key)
    options = source.get("options")
    scenes = source.get("scene_name")
    answers = Answers(
        ids=ids,
        question_type=[str(value) for value in source["question_type"]],
        ground_truth=[_text(value) for value in source["ground_truth"]],
        prediction=[None if i is None else _text(rows[text][i]) for i in order],
        options=[list(o) if o else None for o in options] if options is not None else None,
        references=source.get("references"),
        frames=_frames(source, rows, order),
        scene_name=[str(s) for s in scenes] if scenes is not None and None not in scenes else None,
    )
    columns = {name: [None if i is None else values[i] for i in order] for name, values in rows.items()}
    repeated = len(ids) - len(set(ids))
    return StoredAnswers(answers, columns, is_table, unknown, repeated)


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
    found = [str(value) for value in stored.answers.ids]
    missing = ids - set(found)
    if missing:
        raise QAEvalError(f"{len(missing)} of {len(ids)} listed ids have no row (first: {min(missing)}).")
    rows = [i for i, value in enumerate(found) if value in ids]

    def take(values: Sequence[Any] | None) -> list[Any] | None:
        return None if values is None else [values[i] for i in rows]

    a = stored.answers
    answers = Answers(
        ids=[a.ids[i] for i in rows],
        question_type=[a.question_type[i] for i in rows],
        ground_truth=[a.ground_truth[i] for i in rows],
        prediction=[a.prediction[i] for i in rows],
        options=take(a.options),
        references=take(a.references),
        frames=take(a.frames),
        scene_name=take(a.scene_name),
    )
    columns = {name: [values[i] for i in rows] for name, values in stored.columns.items()}
    return StoredAnswers(answers, columns, stored.is_table, stored.unknown, len(rows) - len({found[i] for i in rows}))


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


def _join(
    rows: Columns, key: str, source: Columns, question_key: str
) -> tuple[list[str | int], list[int | None], Columns, list[str | int]]:
    """Align predictions to questions: ids, row of the prediction or None, question columns, unknown ids.

    Several predictions of a question stay in their order; ids are compared as text.
    """
    at: dict[str, list[int]] = {}
    for i, value in enumerate(rows[key]):
        at.setdefault(str(value), []).append(i)
    pairs: list[tuple[int, int | None]] = []
    for q, value in enumerate(source[question_key]):
        pairs += [(q, i) for i in at.get(str(value), [])] or [(q, None)]
    known = {str(value) for value in source[question_key]}
    unknown = [value for value in rows[key] if str(value) not in known]
    aligned = {name: [values[q] for q, _ in pairs] for name, values in source.items()}
    return aligned[question_key], [i for _, i in pairs], aligned, unknown


def _frames(source: Columns, rows: Columns, order: Sequence[int | None]) -> list[str | None] | None:
    """Frames that each row was answered from: of the prediction where it says so, else of the question."""
    for name in ("frame_set_id", "num_frames"):
        if name in rows:
            return [None if i is None or rows[name][i] is None else str(rows[name][i]) for i in order]
        if name in source:
            return [None if value is None else str(value) for value in source[name]]
    return None


def _text(value: object) -> str | None:
    """Text of a prediction or ground truth; numbers are written out, other types are no answer."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
