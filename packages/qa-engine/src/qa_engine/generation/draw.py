"""Draw questions from a table, alike over question types and cells: what a clean pass is asked, or a replay."""

from __future__ import annotations

import polars as pl

from qa_engine.generation.choosing import place

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
