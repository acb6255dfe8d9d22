"""Bearings on the floor plan and the sectors that questions about direction use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_engine.arrays import Array


@dataclass(frozen=True)
class Sectors:
    """A full turn cut into named sectors, counter-clockwise from straight ahead.

    Attributes
    ----------
    borders : tuple of float
        Degrees, ascending; the first is 0, and sector i reaches from border i up to the next (to 360 for the last).
    names : tuple of str
        One name per sector.
    """

    borders: tuple[float, ...]
    names: tuple[str, ...]

    def index(self, angle_deg: ArrayLike) -> NDArray[np.int64]:
        """Sector of each angle in [0, 360).

        Examples
        --------
        >>> THIRDS.index([10, 180, 300]).tolist()
        [0, 1, 2]
        """
        return np.searchsorted(np.array(self.borders), np.asarray(angle_deg, dtype=np.float64), side="right") - 1

    def margin_deg(self, angle_deg: ArrayLike) -> Array:
        """Angle to the nearest border, either way.

        Examples
        --------
        >>> QUADRANTS.margin_deg([85, 100, 359]).tolist()
        [5.0, 10.0, 1.0]
        """
        angle = np.asarray(angle_deg, dtype=np.float64)[..., None]
        # Where the last sector is the first one again, straight ahead is no border.
        borders = self.borders[1:] if self.names[0] == self.names[-1] else (*self.borders, 360.0)
        return np.abs(angle - np.array(borders)).min(axis=-1)


HALVES = Sectors((0.0, 180.0), ("left", "right"))
"""Left and right of the line of sight."""

THIRDS = Sectors((0.0, 135.0, 225.0), ("left", "back", "right"))
"""Left, right, and back where one has to turn by at least 135 degrees (VSI-Bench's medium level)."""

QUADRANTS = Sectors((0.0, 90.0, 180.0, 270.0), ("front-left", "back-left", "back-right", "front-right"))
"""Quadrants of the plane of somebody who faces along +y (VSI-Bench's hard level)."""


FRONT_BACK = Sectors((0.0, 90.0, 270.0), ("front", "back", "front"))
"""Front and back of somebody who faces straight ahead."""

CLOCK = Sectors(
    (0.0, *(15.0 + 30.0 * k for k in range(12))), tuple(f"{hour} o'clock" for hour in (12, *range(11, 0, -1), 12))
)
"""Hours of a clock that lies on the floor, 12 straight ahead; each is 30 degrees wide."""

COMPASS = Sectors(
    (0.0, *(22.5 + 45.0 * k for k in range(8))),
    ("north", "north-west", "west", "south-west", "south", "south-east", "east", "north-east", "north"),
)
"""Eight points of the compass, where straight ahead is north; each is 45 degrees wide."""


QUARTERS = Sectors((0.0, 45.0, 135.0, 225.0, 315.0), ("in front", "to the left", "behind", "to the right", "in front"))
"""Four sides of somebody, each 90 degrees wide."""


def bearing_deg(origin: ArrayLike, target: ArrayLike) -> Array:
    """Direction from `origin` to `target` on the floor plan.

    Parameters
    ----------
    origin, target : (..., 2 or 3) float64, metres
        Only x and y count.

    Returns
    -------
    (...) float64, degrees
        Counter-clockwise from the x axis, in (-180, 180]; 0 where the points coincide.

    Examples
    --------
    >>> float(bearing_deg([0, 0, 0], [0, 2, 1]))
    90.0
    """
    delta = np.asarray(target, dtype=np.float64) - np.asarray(origin, dtype=np.float64)
    return np.degrees(np.arctan2(delta[..., 1], delta[..., 0]))


def turn_deg(facing_deg: ArrayLike, target_deg: ArrayLike) -> Array:
    """Counter-clockwise turn from one bearing to another.

    Returns
    -------
    (...) float64, degrees, in [0, 360)
        Below 180 the target is to the left.

    Examples
    --------
    >>> turn_deg([0, 90], [90, 0]).tolist()
    [90.0, 270.0]
    """
    turn = np.mod(np.asarray(target_deg, dtype=np.float64) - np.asarray(facing_deg, dtype=np.float64), 360.0)
    return np.where(turn >= 360.0, 0.0, turn)
