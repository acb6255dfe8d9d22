"""Draw questions from a table, alike over question types and cells: what a clean pass is asked, or a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from qa_contract.files import output_folder
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import CONFIDENCE, QUESTIONS

from qa_engine.errors import QAEngineError
from qa_engine.generation.choosing import place
from qa_engine.generation.inputs import table_digest

DOUBTS = ("question_id", "scene_name", "confidence", "score", "scene_doubt", "scene_suspect")
"""Columns of a signal that a draw reads."""

SURE, WRONG_BELOW = 0.9, 0.5
"""An answer is in doubt that scored below the second at an expected score of at least the first."""

CLOSER_LOOK = 0.25
"""Share of a draw that goes to the scenes most in doubt."""

LEAST_DOUBT = 0.02
"""Probability of wrong ground truths from which on a scene is worth a closer look."""


def draw(questions: pl.DataFrame, count: int, *, seed: int) -> pl.DataFrame:
    """Draw questions so that types share alike, and cells alike within a type, as far as there are any.

    Parameters
    ----------
    questions : DataFrame
        question_id, question_type, cell.
    count : int
        How many; all where there are no more.
    seed : int
        A question's place in the draw depends on it and on the question's id alone.

    Returns
    -------
    DataFrame
        In the order given.

    Examples
    --------
    >>> rows = [("a1", "a", "x"), ("a2", "a", "x"), ("a3", "a", "y"), ("b1", "b", "z"), ("b2", "b", "z")]
    >>> table = pl.DataFrame(rows, ["question_id", "question_type", "cell"], orient="row")
    >>> draw(table, 4, seed=0)["question_type"].to_list()
    ['a', 'a', 'b', 'b']
    """
    rows = questions.select("question_type", "cell", place(questions["question_id"], seed)).with_row_index("row")
    # The n-th of every cell comes before the (n + 1)-th of any, and likewise for types: a round-robin of both.
    rows = rows.sort("key").with_columns(turn=pl.int_range(pl.len()).over("question_type", "cell"))
    rows = rows.sort("turn", "key").with_columns(place=pl.int_range(pl.len()).over("question_type"))
    chosen = rows.sort("place", "key").head(count)["row"].sort()
    return questions[chosen]


def doubted(questions: pl.DataFrame, confidence: pl.DataFrame) -> pl.DataFrame:
    """Keep the questions whose answer was sure and wrong, which a second clean pass should see again.

    Parameters
    ----------
    questions : DataFrame
    confidence : DataFrame
        question_id, confidence, score of a signal.
    """
    sure = confidence.filter((pl.col("confidence") >= SURE) & (pl.col("score") < WRONG_BELOW))
    return questions.filter(pl.col("question_id").is_in(sure["question_id"].implode()))


def closer_look(questions: pl.DataFrame, confidence: pl.DataFrame, count: int, *, seed: int) -> pl.DataFrame:
    """Draw questions about the scenes whose ground truths are most in doubt and that no signal has named yet.

    Parameters
    ----------
    questions : DataFrame
        question_id, scene_name.
    confidence : DataFrame
        scene_name, scene_doubt, scene_suspect of a signal; null where scenes were not weighed.
    count : int
        At most so many, and none about scenes below `LEAST_DOUBT`.
    seed : int

    Returns
    -------
    DataFrame
        In the order given.
    """
    open_ = (pl.col("scene_doubt") >= LEAST_DOUBT) & ~pl.col("scene_suspect")
    scenes = confidence.filter(open_).select("scene_name", "scene_doubt").unique("scene_name", maintain_order=True)
    rows = questions.select("scene_name", place(questions["question_id"], seed)).with_row_index("row")
    rows = rows.join(scenes, on="scene_name").sort("scene_doubt", "key", descending=[True, False])
    return questions[rows.head(count)["row"].sort()]


@dataclass(frozen=True)
class Drawn:
    """What a draw wrote: questions in all, drawn of how many, and of those about scenes in doubt."""

    written: int
    drawn: int
    offered: int
    looked: int


def write_drawn(
    questions: Path,
    out: Path,
    count: int,
    *,
    whole: Sequence[Path] = (),
    again: Path | None = None,
    doubts: Path | None = None,
    seed: int = 0,
    force: bool = False,
) -> Drawn:
    """Draw questions, put those that are taken whole before them, and write the table.

    Parameters
    ----------
    questions : Path
        Table `questions` to draw from.
    out : Path
        Folder to write.
    count : int
    whole : sequence of Path
        Tables that are taken whole.
    again, doubts : Path, optional
        Questions of an earlier draw and the signal about them: what was sure and wrong is taken again, and scenes that
        it doubts get `CLOSER_LOOK` of the draw.
    seed : int
    force : bool
        Replace what `out` holds.

    Raises
    ------
    QAEngineError
        One of `again` and `doubts` is missing.
    """
    if (again is None) != (doubts is None):
        raise QAEngineError("--again and --doubts belong together: give both, or neither.")
    table = read_table(questions, "questions", QUESTIONS)
    parts = [read_table(path, "questions", QUESTIONS) for path in whole]
    looked = table.clear()
    if again is not None and doubts is not None:
        told = read_table(doubts, "confidence", CONFIDENCE, columns=DOUBTS)
        looked = closer_look(table, told, round(CLOSER_LOOK * count), seed=seed)
        parts.append(doubted(read_table(again, "questions", QUESTIONS), told))
    rest = table.join(looked, on="question_id", how="anti", maintain_order="left")
    chosen = pl.concat([looked, draw(rest, count - len(looked), seed=seed)])
    parts.append(chosen)
    found = pl.concat(parts).unique("question_id", keep="first", maintain_order=True)
    config = {"count": count, "parts": [table_digest(part) for part in parts]}
    with output_folder(out, force=force) as folder:
        metadata = table_metadata("questions", "qa-engine draw", config, seed)
        write_table(found, folder / "questions.parquet", QUESTIONS, metadata)
    return Drawn(len(found), len(chosen), len(table), len(looked))
