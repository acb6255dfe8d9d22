"""Quarter turns of a picture and its camera together: phones record sideways when they are held upright."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qa_engine.formats.lenses import Lens

CLEAR = 1.3
"""The best turn must bring the up direction this much further up than the next one does."""

_CAMERA_FROM_TURNED = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
"""One turn against the clock: x of the new picture is y of the old one, y of the new is -x of the old."""


def upright_turns(world_from_camera: Sequence[NDArray[np.float64]]) -> int:
    """Find the quarter turns against the clock that bring up to the top of most pictures of a recording.

    Parameters
    ----------
    world_from_camera : sequence of (4, 4) float64
        Z up, OpenCV camera axes.

    Returns
    -------
    int
        0 to 3; 0 where no turn is clearly the best, as for cameras that look straight down.

    Examples
    --------
    >>> sideways = np.array([[0, 0, 1.0, 0], [0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    >>> upright_turns([sideways]), upright_turns([sideways @ _CAMERA_FROM_TURNED])
    (1, 0)
    """
    if not len(world_from_camera):
        return 0
    right, down = np.sum([pose[2, :2] for pose in world_from_camera], axis=0)
    scores = np.array([-down, right, down, -right])
    order = np.argsort(-scores, kind="stable")
    return int(order[0]) if scores[order[0]] > CLEAR * max(scores[order[1]], 0) else 0


def turned_lens(lens: Lens, turns: int) -> Lens:
    """Give the camera of a picture without distortion after quarter turns against the clock.

    Examples
    --------
    >>> lens = turned_lens(Lens(width=8, height=6, fx=4, fy=5, cx=3, cy=2), 1)
    >>> lens.width, lens.height, lens.fx, lens.cx, lens.cy
    (6, 8, 5, 2, 4)
    """
    for _ in range(turns % 4):
        lens = Lens(lens.height, lens.width, lens.fy, lens.fx, lens.cy, lens.width - 1 - lens.cx)
    return lens


def turned_pose(world_from_camera: NDArray[np.float64], turns: int) -> NDArray[np.float64]:
    """Give the pose of the camera after quarter turns of its picture against the clock."""
    return world_from_camera @ np.linalg.matrix_power(_CAMERA_FROM_TURNED, turns % 4)
