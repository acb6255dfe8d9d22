"""Answer profiles: what the distance between two objects means."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import unknown_name
from qa_engine.geometry import box_distance

if TYPE_CHECKING:
    from qa_engine.geometry import Boxes

    PairDistance = Callable[[Boxes, NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
    """From boxes and their rows, (k,) and (k,), to (k,) distances in metres."""


def exact_distance(boxes: Boxes, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance between the solid oriented boxes in rows `first` and `second`, (k,) metres."""
    return box_distance(
        boxes.center[first],
        boxes.size[first],
        boxes.rotation[first],
        boxes.center[second],
        boxes.size[second],
        boxes.rotation[second],
    )


def sampled_distance(boxes: Boxes, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance as VSI-Bench's ground truth has it, (k,) metres; scipy is loaded when the first one is asked for."""
    from qa_engine.facts.profile_vsi_bench import sampled_distance as sampled

    return sampled(boxes, first, second)


PROFILES: dict[str, PairDistance] = {"exact": exact_distance, "vsi-bench": sampled_distance}
"""Profile name to its distance between objects; everything else is the same in all profiles."""


def get_profile(name: str) -> PairDistance:
    """Look up a profile.

    Raises
    ------
    QAEngineError
        There is no such profile.
    """
    if name not in PROFILES:
        raise unknown_name("profile", name, PROFILES, "The default is 'exact'.")
    return PROFILES[name]
