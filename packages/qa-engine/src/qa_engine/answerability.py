"""Tell whether chosen frames show what a question asks about: by the table `observations`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qa_engine.errors import QAEngineError, unknown_name
from qa_engine.observations import read_observations
from qa_engine.store import Store
from qa_engine.tables import QUESTIONS

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


class EvidenceIndex:
    """What one frame set shows of each scene of a store.

    Parameters
    ----------
    store : Store
    frame_set_id : str

    Raises
    ------
    QAEngineError
        There is no such frame set, or `observe` has not run.
    """

    def __init__(self, store: Store, frame_set_id: str) -> None:
        if frame_set_id not in store.frame_set_ids():
            raise unknown_name(
                "frame set", frame_set_id, store.frame_set_ids(), "See 'qa-engine sample-frames --help'."
            )
        self._store = store
        self._frame_set_id = frame_set_id
        self._observations = read_observations(store.path)

    @cached_property
    def _by_scene(self) -> dict[str, pl.DataFrame]:
        return {str(key[0]): part for key, part in self._observations.group_by("scene_name")}

    @cached_property
    def _frame_ids(self) -> dict[str, list[str]]:
        rows = self._store.frame_sets.filter(pl.col("frame_set_id") == self._frame_set_id)
        return dict(zip(rows["scene_name"].to_list(), rows["frame_ids"].to_list(), strict=True))

    def scene(self, scene_name: str, instance_id: Rows) -> Evidence | None:
        """Find what the frames show of one scene; None where they cannot tell: no frames, or none with a camera."""
        if scene_name not in self._by_scene or scene_name not in self._frame_ids:
            return None
        size = {frame.frame_id: (frame.width or 0) * (frame.height or 0) for frame in self._store.frames(scene_name)}
        ids = self._frame_ids[scene_name]
        return evidence(self._by_scene[scene_name], instance_id, ids, [size[frame_id] for frame_id in ids])


def screen(questions: pl.DataFrame, found: Evidence, instance_id: Rows) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Separate the questions about one scene that the frames answer from those that they do not.

    Parameters
    ----------
    questions : DataFrame
        Rows of the table `questions`, all about the scene of `found`.
    found : Evidence
    instance_id : (n,) int64
        Objects of the scene, in its order.

    Returns
    -------
    DataFrame, DataFrame
        Questions with `evidence_frames` filled, and those that have an operand out of view. A count needs all that it
        counts in view; a question without operands passes.

    Raises
    ------
    QAEngineError
        An operand is no object of the scene.
    """
    operands = (
        questions.select("operands")
        .with_row_index("number")
        .explode("operands")
        .with_columns(instance_id=pl.col("operands").struct.field("instance_ids"))
        .explode("instance_id")
        .drop_nulls("instance_id")
        .select("number", "instance_id")
    )
    asked, question = operands["instance_id"].to_numpy(), operands["number"].to_numpy().astype(np.int64)
    place = {int(number): row for row, number in enumerate(instance_id)}
    rows = np.array([place.get(number, -1) for number in asked.tolist()], dtype=np.int64)
    if (rows < 0).any():
        raise QAEngineError("A question names an object that its scene does not have: they are from different stores.")
    passed = answerable(found, rows, question, questions.height)
    frames = evidence_frames(found, rows, question, questions.height)
    filled = questions.with_columns(evidence_frames=pl.Series(frames, dtype=QUESTIONS["evidence_frames"]))
    return filled.filter(passed), questions.filter(~passed)
