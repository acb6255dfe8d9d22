"""Why a question candidate is refused: the closed list behind `rejects.reason` of stage `generate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Reason(StrEnum):
    """Code of a refusal."""

    COUNT_BELOW_TWO = "count_below_two"
    """Counting a category with a single object."""
    NOT_UNIQUE = "not_unique"
    """The category has several objects, so "the chair" refers to none of them."""
    COUNT_MISMATCH = "count_mismatch"
    """The published count differs from the number of boxes."""
    NO_ROOM_SIZE = "no_room_size"
    """The source has no floor area."""
    TOO_FEW_OBJECTS = "too_few_objects"
    """The scene has too few categories to ask about."""
    TOO_CLOSE = "too_close"
    """Objects touch or nearly do."""
    TOO_FAR = "too_far"
    """Objects are further apart than the question type allows."""
    TIE_WITHIN_MARGIN = "tie_within_margin"
    """Two options are at nearly the same distance."""
    NEAR_SECTOR_BORDER = "near_sector_border"
    """The direction is close to the border between two answers."""
    VERTICES_IN_OTHER_SECTOR = "vertices_in_other_sector"
    """Too much of the object lies in the sector of another answer."""
    NOT_AN_OPTION = "not_an_option"
    """The object is behind, where the question offers left and right only."""
    NO_OBSERVATIONS = "no_observations"
    """Nobody looked at what the frames show, or they have no times."""
    APPEAR_TOGETHER = "appear_together"
    """Two categories first appear at nearly the same time."""
    NO_FLOOR_PLAN = "no_floor_plan"
    """The scene has no outline of its floor."""
    NO_ROUTE = "no_route"
    """No way with two stops or fewer is free, or the turns do not lead there."""
    TILTED = "tilted"
    """The box does not stand upright, or the camera looks straight up or down."""
    NO_POSES = "no_poses"
    """A frame in between has no camera."""
    NOT_VISIBLE = "not_visible"
    """The frames of the frame set do not show what the question asks about."""
    UNSTABLE = "unstable"
    """The answer flips within the stated noise of boxes."""
    BOX_UNSURE = "box_unsure"
    """A box is less sure than the stated noise, and the answer is one of several or would be half itself off."""
    SCENE_UNSURE = "scene_unsure"
    """Vertical or scale of the scene are less sure than the answer needs: it flips within their stated error, or would
    be half itself off."""
    ASKED_BEFORE = "asked_before"
    """The signature is in an excluded table."""
    BAD_SCENE = "bad_scene"
    """The scene cannot be read; its questions are lost."""


@dataclass(frozen=True)
class Reject:
    """One refused candidate, or all that were refused for one reason where candidates are combinations.

    Attributes
    ----------
    reason : Reason
    item : str
        The categories concerned, or empty for combinations.
    n : int
        Candidates refused.
    detail : str
        The figure behind the refusal.
    scene : int
        Number of the scene in its batch.
    """

    reason: Reason
    item: str = ""
    n: int = 1
    detail: str = ""
    scene: int = 0


def count_rejects(reason: Reason, counts: NDArray[np.int64]) -> list[Reject]:
    """Make one reject per scene with refused candidates; `counts` (s,) is their number.

    Examples
    --------
    >>> [(reject.scene, reject.n) for reject in count_rejects(Reason.TOO_FAR, np.array([1, 0, 2]))]
    [(0, 1), (2, 2)]
    """
    scenes = np.flatnonzero(counts)
    return [Reject(reason, n=n, scene=k) for k, n in zip(scenes.tolist(), counts[scenes].tolist(), strict=True)]


def first_broken(
    scene: NDArray[np.int64], rules: Sequence[tuple[Reason, NDArray[np.bool_]]]
) -> tuple[NDArray[np.int64], list[Reject]]:
    """Refuse each candidate for the first rule that it breaks.

    Parameters
    ----------
    scene : (n,) int64
        Scene of each candidate.
    rules : sequence of (Reason, (n,) bool)
        In the order in which they apply; True where the rule is broken.

    Returns
    -------
    (k,) int64, list of Reject
        Numbers of the candidates that break none, ascending, and one reject per scene and reason that occurs.

    Examples
    --------
    >>> close, far = np.array([True, False, False]), np.array([True, True, False])
    >>> kept, rejects = first_broken(np.array([0, 0, 1]), [(Reason.TOO_CLOSE, close), (Reason.TOO_FAR, far)])
    >>> kept.tolist(), [(str(reject.reason), reject.scene, reject.n) for reject in rejects]
    ([2], [('too_close', 0, 1), ('too_far', 0, 1)])
    """
    left = np.ones(len(scene), dtype=bool)
    rejects = []
    for reason, broken in rules:
        rejects += count_rejects(reason, np.bincount(scene[broken & left]))
        left &= ~broken
    return np.flatnonzero(left), rejects
