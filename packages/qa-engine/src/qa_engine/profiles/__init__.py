"""Answer profiles: what the distance between two objects means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import unknown_name
from qa_engine.geometry import box_distance
from qa_engine.profiles.vsi_bench import sampled_distance
from qa_engine.scene import Scene

PairDistance = Callable[[Scene, NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
"""From a scene and rows of its objects, (n,) and (n,), to (n,) distances in metres."""


def exact_distance(scene: Scene, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance between the solid oriented boxes of object rows `first` and `second`, (n,) metres."""
    return box_distance(
        scene.center[first],
        scene.size[first],
        scene.rotation[first],
        scene.center[second],
        scene.size[second],
        scene.rotation[second],
    )


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
