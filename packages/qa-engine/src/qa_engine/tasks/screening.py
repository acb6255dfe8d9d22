"""Questions that the frames of a frame set do not answer, and the frames that show what the others ask about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qa_engine.arrays import Rows
from qa_engine.tasks.base import order_number
from qa_engine.tasks.columns import lists_of

if TYPE_CHECKING:
    from qa_engine.facts.batch import Batch
    from qa_engine.tasks.base import Candidates, Task


def not_visible(task: Task, batch: Batch, found: Candidates) -> NDArray[np.bool_]:
    """Tell which candidates ask about what the frame set does not show.

    Returns
    -------
    (n,) bool
        False also where the frame set does not tell what it shows.

    Notes
    -----
    Every object of every operand has to be recognised in a frame. For an order of appearance one object of each
    category is enough, but the frames have to show them one after the other, in the order of the answer. What only asks
    about what is seen is always visible.
    """
    if task.basis.shown == "seen" or task.shows == "frames":
        return np.zeros(len(found), dtype=bool)
    if task.basis.shown == "first":
        place = first_of_category(batch)[found.roles]
        ascending = np.sort(place, axis=1)
        apart = (np.diff(ascending, axis=1) > 0).all(axis=1) & (ascending[:, 0] >= 0)
        visible = apart & (order_number(place) == found.answers.answer)
    else:
        complete = np.concatenate([batch.recognised == batch.boxes, batch.best_place >= 0, [True]])  # -1: not used
        visible = complete[found.roles[:, task.roles_of_kind("name")]].all(axis=1)
    return ~visible & batch.judged[found.scene]


def first_of_category(batch: Batch) -> Rows:
    """Place of the first frame that shows enough of any object of each category, (c,); -1 where none does."""
    seen = batch.first_place >= 0
    first = np.full(len(batch.categories), np.iinfo(np.int64).max)
    np.minimum.at(first, batch.code[seen], batch.first_place[seen])
    return np.where(batch.recognised > 0, first, -1)


def evidence_frames(task: Task, batch: Batch, scene: Rows, roles: Rows) -> pl.Series:
    """List the frames that show the operands of each question best, in the order in which a model sees them.

    For an order of appearance, they are the frames that show each category first.

    Returns
    -------
    Series of lists of frame ids
        Null where the frame set does not tell what it shows.
    """
    n_frames = np.array([0 if found is None else len(found.frame_ids) for found in batch.evidence], dtype=np.int64)
    shows = np.zeros((len(batch.scene_of_code) + 1, int(n_frames.max(initial=0))), dtype=bool)
    if task.basis.shown == "first":
        first = first_of_category(batch)
        code = np.flatnonzero(first >= 0)
        shows[code, first[code]] = True
    else:
        seen = batch.best_place >= 0
        shows[batch.code[seen], batch.best_place[seen]] = True
        shows[len(batch.categories) + np.flatnonzero(seen), batch.best_place[seen]] = True
    wanted = np.zeros((len(roles), shows.shape[1]), dtype=bool)
    for column in roles[:, task.roles_of_kind("name")].T:
        wanted |= shows[column]
    question, place = np.nonzero(wanted)
    names = pl.Series([name for found in batch.evidence if found for name in found.frame_ids], dtype=pl.String)
    start = np.cumsum(n_frames) - n_frames
    lists = lists_of(names.gather(start[scene[question]] + place), wanted.sum(axis=1))
    return pl.select(pl.when(pl.Series(batch.judged[scene])).then(lists)).to_series()
