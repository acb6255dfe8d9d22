"""Tell whether chosen frames show what a question asks about: pure functions over the table `observations`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

MIN_IMAGE_SHARE = 0.0005
"""Share of an image that an object covers at least to be recognised: 154 pixels of 640 x 480, a square of 12."""

MIN_VISIBLE_PX = 8
"""Pixels of an object at least, however small the image."""

MIN_VISIBLE_FRACTION = 0.2
"""Share of an object at least that nothing hides; where it is not known (no camera), pixels alone decide."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a choice of frames shows of the objects of one scene.

    Attributes
    ----------
    frame_ids : tuple of str
        The frames, in the order in which a model sees them.
    best : (n,) int64
        Per object the place in `frame_ids` of the frame that shows most of it, -1 where none shows enough.
    first : (n,) int64
        Per object the place of the first frame that shows enough of it, or -1.
    """

    frame_ids: tuple[str, ...]
    best: Rows
    first: Rows

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(n,) bool: objects that a frame shows well enough; their number is the count for this budget of frames."""
        return self.best >= 0


def evidence(
    observations: pl.DataFrame, instance_id: Rows, frame_ids: Sequence[str], frame_px: Sequence[int]
) -> Evidence:
    """Find what some frames of a scene show.

    Parameters
    ----------
    observations : DataFrame
        Rows of one scene, columns of the table `observations`.
    instance_id : (n,) int64
        Objects of the scene, in its order.
    frame_ids : sequence of str
        The frames of a frame set, in order.
    frame_px : sequence of int
        Pixels of each of them, width times height.

    Examples
    --------
    >>> rows = pl.DataFrame({"frame_id": ["a", "b", "b"], "instance_id": [7, 7, 9], "visible_px": [90, 400, 3],
    ...                      "visible_fraction": [0.5, 0.9, 1.0]})
    >>> found = evidence(rows, np.array([7, 9]), ["a", "b"], [10_000, 10_000])
    >>> found.best.tolist(), found.first.tolist()
    ([1, -1], [0, -1])
    """
    n = len(instance_id)
    best, first = np.full(n, -1, dtype=np.int64), np.full(n, len(frame_ids), dtype=np.int64)
    place = pl.DataFrame(
        {"frame_id": list(frame_ids), "place": range(len(frame_ids)), "frame_px": list(frame_px)},
        schema={"frame_id": pl.String, "place": pl.Int64, "frame_px": pl.Int64},
    )
    object_row = pl.DataFrame(
        {"instance_id": instance_id, "row": np.arange(n)}, schema={"instance_id": pl.Int64, "row": pl.Int64}
    )
    enough = (
        observations.join(place, on="frame_id")
        .join(object_row, on="instance_id")
        .filter(
            pl.col("visible_px") >= MIN_VISIBLE_PX,
            pl.col("visible_px") >= MIN_IMAGE_SHARE * pl.col("frame_px"),
            pl.col("visible_fraction").fill_null(1.0) >= MIN_VISIBLE_FRACTION,
        )
        .sort("visible_px", "place", descending=[False, True])
    )
    row, at = enough["row"].to_numpy(), enough["place"].to_numpy()
    best[row] = at  # the last one, with most pixels, stays
    np.minimum.at(first, row, at)
    return Evidence(tuple(frame_ids), best, np.where(best >= 0, first, -1))


def answerable(found: Evidence, rows: Rows, question: Rows, n_questions: int) -> NDArray[np.bool_]:
    """Tell which questions have all their operands in view.

    Parameters
    ----------
    found : Evidence
    rows, question : (k,) int64
        Object row of each operand, and the question, 0 to n_questions - 1, that it belongs to.
    n_questions : int

    Returns
    -------
    (n_questions,) bool
        True also for questions without operands.

    Examples
    --------
    >>> found = Evidence(("a", "b"), np.array([1, -1]), np.array([0, -1]))
    >>> answerable(found, np.array([0, 0, 1]), np.array([0, 1, 1]), 3).tolist()
    [True, False, True]
    """
    hidden = np.bincount(question[~found.seen[rows]], minlength=n_questions)
    return hidden == 0


def evidence_frames(found: Evidence, rows: Rows, question: Rows, n_questions: int) -> list[list[str]]:
    """List the frames that show the operands of each question best, in the order in which a model sees them.

    Examples
    --------
    >>> found = Evidence(("a", "b"), np.array([1, 0]), np.array([0, 0]))
    >>> evidence_frames(found, np.array([0, 1, 0]), np.array([0, 0, 1]), 2)
    [['a', 'b'], ['b']]
    """
    best = found.best[rows]
    pairs = np.unique(np.stack([question, best], axis=1)[best >= 0], axis=0)
    frames: list[list[str]] = [[] for _ in range(n_questions)]
    for number, place in pairs.tolist():
        frames[number].append(found.frame_ids[place])
    return frames
