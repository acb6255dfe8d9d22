"""Walks over a floor plan: straight legs that keep clear of boxes, turns between them, and a robot that tries them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_engine.arrays import Array
from qa_engine.geometry.directions import Sectors, bearing_deg, turn_deg

ROBOT_RADIUS_M = 0.2
"""Half the width of the corridor that a leg needs: about that of a robot vacuum or a slim mobile base."""

TURNS = Sectors((0.0, 45.0, 135.0, 225.0, 315.0), ("forward", "left", "back", "right", "forward"))
"""What a robot does to face something: turns of a quarter or a half, or none."""

QUARTERS_DEG = {"forward": 0.0, "left": 90.0, "back": 180.0, "right": 270.0}
"""Counter-clockwise turn of each action."""


def free_legs(
    points: ArrayLike,
    own: ArrayLike,
    obstacles: NDArray[np.object_],
    outline: ArrayLike,
    *,
    radius_m: float = ROBOT_RADIUS_M,
) -> NDArray[np.bool_]:
    """Tell between which points a robot can drive straight.

    Parameters
    ----------
    points : (u, 2) float64, metres
        Middle of the objects that it drives from and to.
    own : (u,) int64
        Place in `obstacles` of each of them; it does not block its own legs. -1 for none.
    obstacles : (n,) shapely polygons, metres
    outline : (k, 2) float64, metres
        Corners of the floor.
    radius_m : float

    Returns
    -------
    (u, u) bool, symmetric; False on the diagonal

    Examples
    --------
    >>> import shapely
    >>> square = shapely.box(0.9, -0.1, 1.1, 0.1)
    >>> floor = [[-1, -1], [3, -1], [3, 2], [-1, 2]]
    >>> free_legs([[0, 0], [2, 0], [2, 1]], [-1, -1, -1], np.array([square]), floor)[0].tolist()
    [False, False, True]
    """
    import shapely

    xy, places = np.asarray(points, dtype=np.float64), np.asarray(own, dtype=np.int64)
    free = np.zeros((len(xy), len(xy)), dtype=bool)
    i, j = np.triu_indices(len(xy), k=1)
    if len(i) == 0:
        return free
    legs = np.asarray(shapely.linestrings(np.stack([xy[i], xy[j]], axis=1)), dtype=object)
    open_legs = np.asarray(shapely.covers(shapely.Polygon(np.asarray(outline, dtype=np.float64)), legs))
    inside = np.flatnonzero(open_legs)
    corridors = np.asarray(shapely.buffer(legs[inside], radius_m, cap_style="flat"), dtype=object)
    leg, obstacle = shapely.STRtree(obstacles).query(corridors, predicate="intersects")
    leg = inside[leg]
    foreign = (obstacle != places[i[leg]]) & (obstacle != places[j[leg]])
    open_legs[leg[foreign]] = False
    free[i, j] = free[j, i] = open_legs
    return free


def route_turns_deg(stops: ArrayLike) -> Array:
    """Counter-clockwise turns of a walk.

    Parameters
    ----------
    stops : (..., k, 2 or 3) float64, metres
        Where it begins, what is faced there, and the stops up to the goal.

    Returns
    -------
    (..., k - 2) float64, degrees, in [0, 360)
        The turn before each leg.

    Examples
    --------
    >>> route_turns_deg([[0, 0], [1, 0], [0, 2], [3, 2]]).tolist()
    [90.0, 270.0]
    """
    xy = np.asarray(stops, dtype=np.float64)
    walked = np.concatenate([xy[..., :1, :], xy[..., 2:, :]], axis=-2)
    bearing = bearing_deg(walked[..., :-1, :], walked[..., 1:, :])
    facing = bearing_deg(xy[..., 0, :], xy[..., 1, :])[..., None]
    return turn_deg(np.concatenate([facing, bearing[..., :-1]], axis=-1), bearing)


def reaches_goal(stops: ArrayLike, turns: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
    """Let a robot carry out turns, with "go forward until" the next stop after each, and see whether it arrives.

    Parameters
    ----------
    stops : (..., k, 2 or 3) float64, metres
        As in `route_turns_deg`.
    turns : (m, k - 2) sequence of sequences of str
        Sequences to try: one of `QUARTERS_DEG` per leg.

    Returns
    -------
    (..., m) bool
        False where some next stop is not ahead, within 45 degrees of the robot's heading.

    Notes
    -----
    The robot only turns by quarters; on the way to a stop it drives straight at it and keeps that heading. So its
    heading at a stop does not depend on the turns that brought it there.

    Examples
    --------
    >>> stops = [[0, 0], [1, 0], [0, 2], [3, 2]]
    >>> reaches_goal(stops, [("left", "right"), ("left", "left")]).tolist()
    [True, False]
    """
    xy = np.asarray(stops, dtype=np.float64)[..., :2]
    position = np.concatenate([xy[..., :1, :], xy[..., 2:, :]], axis=-2)
    way = np.diff(position, axis=-2)  # of each leg
    heading = np.concatenate([xy[..., 1:2, :] - xy[..., :1, :], way[..., :-1, :]], axis=-2)
    way, heading = (vector / np.linalg.norm(vector, axis=-1, keepdims=True) for vector in (way, heading))
    ahead = (way * heading).sum(axis=-1)[..., None, :]
    left = (way[..., 1] * heading[..., 0] - way[..., 0] * heading[..., 1])[..., None, :]
    angle = np.radians([[QUARTERS_DEG[name] for name in names] for names in turns])
    return (np.cos(angle) * ahead + np.sin(angle) * left > np.sqrt(0.5)).all(axis=-1)
