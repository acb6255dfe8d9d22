"""Read question texts: each question type has one wording, and a text either is that wording or is not read at all."""

from __future__ import annotations

import re

import polars as pl

from qa_engine.tasks import Task
from qa_engine.tasks.base import PLACEHOLDER

NAME = r"[^\n]+?"
"""What may stand in a place of a wording: a category name, as short as the rest of the wording allows."""


def question_pattern(task: Task) -> tuple[str, list[str]]:
    """Regular expression of a task's wording, and the column that each group fills.

    Examples
    --------
    >>> from qa_engine.tasks import TASKS
    >>> pattern, columns = question_pattern(TASKS["object_counting"])
    >>> re.search(pattern, "How many chair(s) are in this room?").groups(), columns
    (('chair',), ['counted'])
    """
    parts = PLACEHOLDER.split(task.question)
    pattern = "".join(f"({NAME})" if i % 2 else re.escape(part) for i, part in enumerate(parts))
    return f"(?s)^{pattern}$", parts[1::2]


def named_by_text(task: Task) -> bool:
    """Tell whether a wording names all that the answer depends on, and nothing but categories.

    The frame of an image is not in the text, and a radius or the number of a frame is no category.

    Examples
    --------
    >>> from qa_engine.tasks import TASKS
    >>> [named_by_text(TASKS[name]) for name in ("object_abs_distance", "image_left_or_right")]
    [True, False]
    """
    named = set(task.roles) <= set(_groups(task, question_pattern(task)[1]))
    return named and set(task.kinds) <= {"name"}


def _groups(task: Task, names: list[str]) -> dict[str, int]:
    """Roles that a wording names, each with the group of its first mention."""
    found = {role: names.index(role) for role in task.roles if role in names}
    return found | {task.roles[place]: names.index(f"listed_{j}") for j, place in enumerate(task.listed)}


def parse_questions(task: Task, questions: pl.Series) -> pl.DataFrame:
    """Read the operands of questions of one type.

    Parameters
    ----------
    task : Task
        One of which `named_by_text` holds.
    questions : Series of str
        Texts; white space at the ends does not count.

    Returns
    -------
    DataFrame
        One column per role, with the category, in the order listed, and `parsed`. A row that is not the task's wording
        has nulls and False.

    Examples
    --------
    >>> from qa_engine.tasks import TASKS
    >>> text = "How many chair(s) are in this room?"
    >>> parse_questions(TASKS["object_counting"], pl.Series([text, "How many chairs are there?"])).rows()
    [('chair', True), (None, False)]
    """
    pattern, names = question_pattern(task)
    frame = (
        questions.str.strip_chars().alias("text").to_frame().with_columns(parsed=pl.col("text").str.contains(pattern))
    )
    groups = [pl.col("text").str.extract(pattern, i + 1).alias(f"group_{i}") for i in range(len(names))]
    frame = frame.with_columns(groups)
    # A name that occurs twice in the wording has to be the same both times.
    for i, name in enumerate(names):
        first = names.index(name)
        if first != i:
            frame = frame.with_columns(parsed=pl.col("parsed") & (pl.col(f"group_{i}") == pl.col(f"group_{first}")))
    source = _groups(task, names)
    columns = [
        pl.when("parsed").then(pl.col(f"group_{source[role]}")).otherwise(None).alias(role) for role in task.roles
    ]
    return frame.select(*columns, pl.col("parsed").fill_null(False))
