"""Other readings of the boxes of a scene: what is mistaken most often, undone, and the switch that undoes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array
from qa_engine.errors import IngestReason
from qa_engine.formats.canonical import Z_UP_FROM, turn_onto
from qa_engine.geometry import Boxes

MIN_TILT_DEG, MAX_TILT_DEG = 9.0, 80.0
"""Tilts of a world that are an error: smaller ones are those of scans (up to 7 degrees in ScanNet's raw orientation),
larger ones another axis that points up."""
TOGETHER_DEG = 4.0
"""Axes of boxes point the same way if they are this close."""
MAX_DIRECTIONS = 4


@dataclass(frozen=True)
class Reading:
    """One way to read the same boxes.

    Attributes
    ----------
    name : str
        What would be true: `y points up`.
    switch : str
        What `--set` of own scans says so.
    field : str
        The field that was misread.
    reason : IngestReason
    apply : callable
        Takes the boxes as given to the boxes as they are by this reading.
    turn : (3, 3) float64 or None
        Where the whole world is turned: the same for points and cameras.
    """

    name: str
    switch: str
    field: str
    reason: IngestReason
    apply: Callable[[Boxes], Boxes]
    turn: NDArray[np.float64] | None = None


def turned(matrix: NDArray[np.float64], source: NDArray[np.float64]) -> Reading:
    """Make a reading that turns the world by (3, 3) `matrix`, after `source`, which the switch replaces."""
    up = source.T @ matrix[2]
    axis = next((name for name, turn in Z_UP_FROM.items() if turn[2, :3] @ up > 0.9999), None)
    if axis is None:
        degrees = np.degrees(np.arccos(np.clip(matrix[2, 2], -1, 1)))
        name, switch = f"the world is tilted by {degrees:.0f} degrees", ",".join(f"{x + 0.0:.3f}" for x in up)
    else:
        name, switch = f"{axis.removeprefix('-')} points {'down' if axis.startswith('-') else 'up'}", axis

    def apply(boxes: Boxes) -> Boxes:
        return Boxes(boxes.center @ matrix.T, boxes.size, boxes.rotation @ matrix.T)

    return Reading(name, f"up={switch}", "up", IngestReason.NOT_UPRIGHT, apply, matrix)


def turns(source: NDArray[np.float64]) -> list[Reading]:
    """List the worlds in which another axis points up."""
    return [turned(matrix[:3, :3], source) for axis, matrix in Z_UP_FROM.items() if axis != "z"]


def _reordered(order: list[int]) -> Callable[[Boxes], Boxes]:
    """Read the numbers of the quaternion of each box in another order."""

    def apply(boxes: Boxes) -> Boxes:
        from scipy.spatial.transform import Rotation

        numbers = Rotation.from_matrix(boxes.rotation.transpose(0, 2, 1)).as_quat()[:, order]
        return Boxes(boxes.center, boxes.size, Rotation.from_quat(numbers).as_matrix().transpose(0, 2, 1))

    return apply


AXES = (
    Reading(
        "the axes of `rotation` are its columns",
        "axes=columns",
        "objects.rotation",
        IngestReason.BOX_AXES,
        lambda boxes: Boxes(boxes.center, boxes.size, boxes.rotation.transpose(0, 2, 1)),
    ),
    *(
        Reading(
            "the numbers of `quaternion` have the other order",
            "quaternion=xyzw, or wxyz",
            "objects.rotation",
            IngestReason.BOX_AXES,
            _reordered(order),
        )
        for order in ([3, 0, 1, 2], [1, 2, 3, 0])
    ),
)
"""Boxes whose axes were read from the wrong numbers."""


def directions(
    rotation: Array, source: NDArray[np.float64], low_deg: float = MIN_TILT_DEG, high_deg: float = MAX_TILT_DEG
) -> list[Reading]:
    """Find tilted directions along which boxes have an axis, those of most boxes first: any may be the vertical.

    Parameters
    ----------
    rotation : (n, 3, 3) float64
        Rows are the axes of boxes.
    source : (3, 3) float64
        How the source was turned.
    low_deg, high_deg : float
        Between the direction and the vertical as given.
    """
    axes = rotation.reshape(-1, 3)
    axes = axes * np.where(axes[:, 2:] < 0, -1.0, 1.0)
    tilt = np.degrees(np.arccos(np.clip(axes[:, 2], -1, 1)))
    axes = axes[(tilt > low_deg) & (tilt < high_deg)]
    found: list[Reading] = []
    while len(axes) and len(found) < MAX_DIRECTIONS:
        near = axes @ axes.T > np.cos(np.deg2rad(TOGETHER_DEG))
        best = near[int(near.sum(axis=1).argmax())]
        up = np.median(axes[best], axis=0)
        up /= np.linalg.norm(up)
        found.append(turned(turn_onto(up, np.eye(3)[2])[:3, :3], source))
        axes = axes[~best]
    return found
