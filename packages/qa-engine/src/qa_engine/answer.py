"""Answer questions that others wrote, from geometry alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import StrEnum

import numpy as np
import polars as pl

from qa_engine.errors import QAEngineError
from qa_engine.facts import Facts
from qa_engine.grammar import parse_questions
from qa_engine.store import Store
from qa_engine.tasks import TASKS, Task, answer_texts
from qa_engine.tasks.base import Rows, fill

ANSWERS = {
    "prediction": pl.String,
    "value": pl.Float64,
    "program": pl.String,
    "margin": pl.Float64,
    "answer_low": pl.Float64,
    "answer_high": pl.Float64,
    "status": pl.String,
    "reason": pl.String,
}
"""Columns of the answers, after the `id` of the question."""

ALIASES = {"coat rack": "coat hanger"}
"""Names that questions use for another category of the metadata: the only one in VSI-Bench's 5,130 rows."""


class AnswerReason(StrEnum):
    """Why a question is not answered: a closed list."""

    UNKNOWN_QUESTION_TYPE = "unknown_question_type"
    """No task has this question type."""
    NOT_PARSED = "not_parsed"
    """The text is not the wording of its question type."""
    UNKNOWN_SCENE = "unknown_scene"
    """The store has no such scene, or cannot read it."""
    UNKNOWN_CATEGORY = "unknown_category"
    """The scene has no such category."""
    NOT_UNIQUE = "not_unique"
    """ "The chair" in a scene with several."""
    NO_BOX = "no_box"
    """The category is counted but has no box."""
    SAME_OBJECT = "same_object"
    """Two operands are one object."""
    NO_ROOM_SIZE = "no_room_size"
    """The scene has no floor area."""
    NO_OPTIONS = "no_options"
    """A choice without options."""
    NOT_AN_OPTION = "not_an_option"
    """The right answer is not among the options."""


def answer_questions(
    store: Store,
    questions: pl.DataFrame,
    *,
    profile: str = "exact",
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> pl.DataFrame:
    """Answer questions in VSI-Bench's schema.

    Parameters
    ----------
    store : Store
    questions : DataFrame
        Columns `id`, `scene_name`, `question_type`, `question`, `options`.
    profile : str
        A name in `PROFILES`.
    progress : callable
        Called with questions done and to do.

    Returns
    -------
    DataFrame
        Column `id` and those of `ANSWERS`, in the order of the questions. Where `status` is `not_answerable`, `reason`
        is an `AnswerReason` and the rest is null.
    """
    table = questions.with_row_index("row")
    parts = []
    facts = _FactsOfScene(store, profile)
    done = 0
    for (kind,), rows in table.group_by("question_type", maintain_order=True):
        task = TASKS.get(str(kind))
        if task is None:
            parts.append(_refused(rows["row"], AnswerReason.UNKNOWN_QUESTION_TYPE))
        else:
            parsed = pl.concat([rows, parse_questions(task, rows["question"])], how="horizontal")
            parts.append(_refused(parsed.filter(~pl.col("parsed"))["row"], AnswerReason.NOT_PARSED))
            parts.append(_answer_type(task, parsed.filter("parsed").sort("scene_name", maintain_order=True), facts))
        done += len(rows)
        progress(done, len(table))
    answers = pl.concat(parts) if parts else _refused(pl.Series("row", [], dtype=pl.UInt32), AnswerReason.NOT_PARSED)
    return pl.concat([questions.select("id"), answers.sort("row").drop("row")], how="horizontal")


class _FactsOfScene:
    """Facts per scene, made once; None for a scene that the store does not have."""

    def __init__(self, store: Store, profile: str) -> None:
        self.store = store
        self.profile = profile
        self.known: dict[str, Facts | None] = {}

    def __call__(self, name: str) -> Facts | None:
        if name not in self.known:
            try:
                self.known[name] = Facts(self.store.load_scene(name), self.profile)
            except QAEngineError:
                self.known[name] = None
        return self.known[name]


def _refused(rows: pl.Series, reason: AnswerReason) -> pl.DataFrame:
    """Answer rows with a reason instead."""
    values = {name: pl.lit(None, dtype=dtype) for name, dtype in ANSWERS.items()}
    values |= {"status": pl.lit("not_answerable"), "reason": pl.lit(str(reason))}
    return rows.alias("row").to_frame().with_columns(**values)


def _answer_type(task: Task, rows: pl.DataFrame, facts_of: _FactsOfScene) -> pl.DataFrame:
    """Answer parsed questions of one type, sorted by scene."""
    n = len(rows)
    names = [rows[role].to_list() for role in task.roles]
    reason = np.full(n, None, dtype=object)
    ids = np.full((n, len(task.roles)), -1, dtype=np.int64)
    columns = {name: np.full(n, np.nan) for name in ("value", "margin", "low", "high")}
    answer = np.full(n, -1)
    start = 0
    for scene_name, length in rows["scene_name"].rle().struct.unnest().select("value", "len").iter_rows():
        part = slice(start, start + length)
        start += length
        facts = facts_of(scene_name)
        if facts is None:
            reason[part] = AnswerReason.UNKNOWN_SCENE
            continue
        roles = _codes(facts, [column[part] for column in names], length)
        reason[part] = _operand_reasons(task, facts, roles)
        good = part.start + np.flatnonzero(reason[part] == None)  # noqa: E711 - compares items
        measured = task.measure(facts, roles[good - part.start])
        answer[good] = measured.answer
        for name, column in columns.items():
            column[good] = getattr(measured, name)
        for k in range(len(task.roles)):
            _rename(facts, roles[:, k], names[k], ids[:, k], part)
    return _written(task, rows, names, ids, answer, columns, reason)


def _codes(facts: Facts, names: Sequence[Sequence[str]], length: int) -> Rows:
    """Look up category codes, (length, roles); -1 for a category that the scene does not have."""
    known = facts.code_of_category
    columns = [[known.get(name, known.get(ALIASES.get(name, ""), -1)) for name in column] for column in names]
    return np.array(columns, dtype=np.int64).reshape(len(names), length).T


def _rename(facts: Facts, codes: Rows, names: list[str], ids: Rows, part: slice) -> None:
    """Put the scene's own names and the first instance ids of the categories in place."""
    for i, code in enumerate(codes.tolist(), start=part.start):
        if code >= 0:
            names[i] = facts.categories[code]
            row = facts.first_row[code]
            ids[i] = facts.scene.instance_id[row] if row >= 0 else -1


def _operand_reasons(task: Task, facts: Facts, roles: Rows) -> np.ndarray:
    """Reason why operands cannot be answered about, or None; the first that applies."""
    reason = np.full(len(roles), None, dtype=object)
    if facts.scene.room_size_m2 is None and task.question_type == "room_size_estimation":
        reason[:] = AnswerReason.NO_ROOM_SIZE
    if roles.shape[1] == 0:
        return reason
    boxed = [k for k in range(roles.shape[1]) if k in task.single or k in task.listed]
    codes = np.sort(roles, axis=1)
    reason[(codes[:, 1:] == codes[:, :-1]).any(axis=1)] = AnswerReason.SAME_OBJECT
    reason[(facts.boxes[roles[:, boxed]] == 0).any(axis=1)] = AnswerReason.NO_BOX
    reason[(facts.counts[roles[:, list(task.single)]] > 1).any(axis=1)] = AnswerReason.NOT_UNIQUE
    reason[(roles < 0).any(axis=1)] = AnswerReason.UNKNOWN_CATEGORY
    return reason


def _written(
    task: Task,
    rows: pl.DataFrame,
    names: list[list[str]],
    ids: Rows,
    answer: Rows,
    columns: dict[str, np.ndarray],
    reason: np.ndarray,
) -> pl.DataFrame:
    """Write predictions and programs."""
    prediction: list[str | None] = [None] * len(rows)
    good = [i for i, code in enumerate(reason.tolist()) if code is None]
    if task.answer_type == "choice":
        options = rows["options"].to_list()
        for i in good:
            text = task.choices[answer[i]] if task.choices else names[task.listed[answer[i]]][i]
            prediction[i], reason[i] = _letter(options[i], text)
    else:
        texts = answer_texts(columns["value"][good].tolist(), task.answer_type)
        for i, text in zip(good, texts, strict=True):
            prediction[i] = text
    frame = pl.DataFrame({"row": rows["row"]}).with_columns(
        *(pl.Series(f"{role}_id", ids[:, k]) for k, role in enumerate(task.roles)),
        *(_quoted(f"{role}_literal", names[k]) for k, role in enumerate(task.roles)),
        *(_quoted(f"listed_{j}_literal", names[k]) for j, k in enumerate(task.listed)),
    )
    answered = pl.Series(reason == None)  # noqa: E711 - compares items
    return frame.select(
        "row",
        prediction=pl.Series(prediction, dtype=pl.String),
        value=pl.Series(columns["value"]).fill_nan(None),
        program=pl.when(answered).then(fill(task.program)),
        margin=pl.when(answered).then(pl.Series(columns["margin"]).fill_nan(None)),
        answer_low=pl.Series(columns["low"]).fill_nan(None),
        answer_high=pl.Series(columns["high"]).fill_nan(None),
        status=pl.when(answered).then(pl.lit("answered")).otherwise(pl.lit("not_answerable")),
        reason=pl.Series([None if code is None else str(code) for code in reason], dtype=pl.String),
    )


def _letter(options: list[str] | None, text: str) -> tuple[str | None, AnswerReason | None]:
    """Find the letter of the option `text`, in the writing of VSI-Bench: "A. text"."""
    if not options:
        return None, AnswerReason.NO_OPTIONS
    for option in options:
        letter, _, rest = option.partition(". ")
        if rest == text or ALIASES.get(rest) == text:
            return letter, None
    return None, AnswerReason.NOT_AN_OPTION


def _quoted(name: str, texts: list[str]) -> pl.Series:
    """Put texts in the quotes of a program."""
    return pl.Series(name, [json.dumps(text, ensure_ascii=False) for text in texts], dtype=pl.String)
