"""Which direction of a scene is up: every likely one is tried, and each kind of evidence says how well it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa_engine.alignment.metres import CEILING_M, heights, likelihood
from qa_engine.alignment.planes import main_directions
from qa_engine.alignment.sources import Sources
from qa_engine.alignment.vertical import estimates, joined
from qa_engine.arrays import Array
from qa_engine.formats.canonical import Z_UP_FROM, turn_onto
from qa_engine.ingestion.plausible import FACTORS, judge
from qa_engine.ingestion.surroundings import eyes_likelihood, floor_likelihood, level_likelihood

SURE = 5.0
"""By this much the log-likelihood of what is up leads that of any other direction."""

SURE_BY_POINTS = 7.0
"""By this much where points alone tell: an empty room looks alike from all sides."""

AS_GIVEN = 3.0
"""Log-likelihood that z is up as given, where nobody doubts it: most programs write it so."""

APART_DEG = 12.0
"""Directions closer to each other than this are one, to be made exact."""

STEPS = 3
"""Times that a direction is made exact: what counts as level follows it."""

MIDDLE = 0.12
"""Share of the extent of a room at its walls, where shelves and pictures are."""

FURNITURE = 4.0
"""What doubling the points in the lower half is worth, over log 2."""

FAR = np.cos(np.radians(30.0))
"""Directions closer than this to the best do not contend with it: its own error holds them."""


@dataclass(frozen=True, eq=False)
class Up:
    """A direction that may be up.

    Attributes
    ----------
    direction : (3,) float64
        In the world as given.
    factor : float
        By which lengths are too large if it is.
    by : dict of str to float
        Log-likelihood by kind of evidence: `boxes`, `points`, `cameras`; and `as given`.
    """

    direction: Array
    factor: float
    by: Mapping[str, float]

    @property
    def total(self) -> float:
        """The sum."""
        return sum(self.by.values())


def find_up(sources: Sources, *, doubted: bool) -> list[Up]:
    """Try all directions that may be up, the best first.

    Parameters
    ----------
    sources : Sources
    doubted : bool
        Nobody claims that z is up.
    """
    found = [_judged(sources, direction, doubted=doubted) for direction in _candidates(sources)]
    return sorted(found, key=lambda up: -up.total)


def rivals(found: list[Up]) -> list[Up]:
    """List the directions that are not clearly worse than the best, and clearly another one."""
    best = found[0]
    alone = not best.by["boxes"] and not best.by["cameras"]
    lead = SURE_BY_POINTS if alone else SURE
    return [up for up in found[1:] if best.total - up.total < lead and up.direction @ best.direction < FAR]


def contradiction(found: list[Up]) -> dict[str, Up]:
    """Find the kinds of evidence that clearly speak for another direction than the best: each with its favourite."""
    best = found[0]
    named: dict[str, Up] = {}
    for kind in ("boxes", "points", "cameras"):
        other = max(found, key=lambda up: up.by[kind])
        if other.by[kind] - best.by[kind] > SURE and other.direction @ best.direction < FAR:
            named[kind] = other
    return named


def turn_to(direction: Array) -> NDArray[np.float64]:
    """Give the smallest turn (3, 3) that brings a direction to z; to the opposite one, about x."""
    if direction[2] < -0.999:
        half = Z_UP_FROM["-z"][:3, :3]
        return turn_onto(half @ direction, np.eye(3)[2])[:3, :3] @ half
    return turn_onto(direction, np.eye(3)[2])[:3, :3]


def _candidates(sources: Sources) -> list[Array]:
    """Directions of boxes, planes and cameras, and the axes of the world, of either sign, the exact ones first."""
    axes = sources.boxes.rotation.reshape(-1, 3)
    every = [main_directions(axes, np.ones(len(axes)), 4.0, 4)]
    every.append(main_directions(sources.planes.normal, sources.planes.weight, 4.0, 6))
    if len(sources.poses) > 1:
        sides = sources.poses[:, :3, 0]
        for side in (sides, sources.poses[:, :3, 1]):  # of cameras held level and sideways
            every.append(np.linalg.eigh(side.T @ side)[1][:, 0][None])
        every.append(-sources.poses[:, :3, 1].sum(axis=0)[None])
    every.append(np.eye(3))
    kept: list[Array] = []
    for direction in np.concatenate(every):
        length = np.linalg.norm(direction)
        if length > 1e-6:
            for one in (direction / length, -direction / length):
                if all(one @ other < np.cos(np.radians(APART_DEG)) for other in kept):
                    kept.append(one)
    return kept


def _judged(sources: Sources, direction: Array, *, doubted: bool) -> Up:
    """Make a direction exact and say how well it fits."""
    near = sources.turned(turn_to(direction))
    for _ in range(STEPS):
        exact = joined(estimates(near))
        if exact is None:
            break
        direction = turn_to(direction).T @ np.array([*exact.tilt, 1.0])
        direction = direction / np.linalg.norm(direction)
        near = sources.turned(turn_to(direction))
        if exact.tilt_deg < 0.1:
            break
    factor = _factor(near)
    scaled = near.shrunk(factor)
    by = {"boxes": 0.0, "points": 0.0, "cameras": 0.0, "as given": 0.0 if doubted else AS_GIVEN * (direction[2] > 0.98)}
    if len(scaled.boxes.size):
        by["boxes"] = judge(scaled.boxes, scaled.prior).total
    if len(scaled.points):
        by["points"] = floor_likelihood(scaled.points[:, 2]) + _furniture(scaled.points)
    if len(scaled.poses):
        by["cameras"] = level_likelihood(scaled.poses[:, :3, :3])
        floor = heights(scaled)[0]
        if floor is not None:
            by["cameras"] += eyes_likelihood(scaled.poses[:, 2, 3] - floor)
    return Up(direction, factor, by)


def _factor(upright: Sources) -> float:
    """Give the scale to judge a direction at: by what has one, else as if all of its height were one storey."""
    fit = likelihood(upright)
    if fit.any():
        return float(FACTORS[int(fit.argmax())])
    z = upright.points[:, 2]
    return float(max(np.ptp(z), 1e-9)) / CEILING_M if len(z) else 1.0


def _furniture(points: Array) -> float:
    """Judge what lies between walls, floor and ceiling: things stand in the lower half, air fills the upper one."""
    low, high = np.quantile(points, [0.01, 0.99], axis=0)
    share = (points - low) / np.maximum(high - low, 1e-9)
    between = ((share[:, :2] > MIDDLE) & (share[:, :2] < 1 - MIDDLE)).all(axis=1)
    z = share[between, 2]
    lower, upper = (((z > edge) & (z < edge + 0.35)).sum() / len(points) for edge in (0.1, 0.55))
    return float(np.clip(FURNITURE * np.log((lower + 0.01) / (upper + 0.01)), -2 * SURE, 2 * SURE))
