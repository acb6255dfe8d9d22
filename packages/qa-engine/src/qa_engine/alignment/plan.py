"""Floor and yaw of an upright scene: where z = 0 is, and how its walls and furniture are turned about the vertical."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qa_engine.alignment.metres import heights
from qa_engine.alignment.sources import Sources
from qa_engine.arrays import Array
from qa_engine.geometry import box_bounds

LEVEL = 0.3
"""A direction whose vertical share is below this is a wall's, or a side of furniture."""

FEWEST_SIDES = 3
"""Planes or objects by which a main direction is told."""

TURNED_ALIKE = 0.5
"""Mean length of the unit vectors of four times their angles from which on directions are said to agree."""

FLOOR_SPREAD_M = 0.02
"""What a floor is off by, however well its evidence agrees: its own level, and the first cell of a scanner."""

STANDING_SPREAD_M = 0.05
"""And where undersides of furniture alone tell it: boxes around points begin above the floor."""


@dataclass(frozen=True)
class Found:
    """A value with the error that holds it in 95% of cases, and from what."""

    source: str
    value: float
    error: float
    words: str


def floor_of(sources: Sources) -> Found | None:
    """Find the height of the floor of an upright, metric scene, metres."""
    floor, _ = heights(sources)
    if floor is None:
        return None
    standing = sources.prior.rows[sources.prior.bottom == 0]
    boxes = sources.boxes
    low = box_bounds(boxes.center[standing], boxes.size[standing], boxes.rotation[standing])[:, 0, 2] - floor
    off = float(np.median(low)) if len(low) else 0.0
    if not len(sources.points):
        spread = 1.4826 * float(np.median(np.abs(low - off))) / np.sqrt(max(len(low), 1)) if len(low) else 0.0
        error = 1.96 * float(np.hypot(STANDING_SPREAD_M, spread))
        return Found("undersides", floor, error, f"{len(standing)} objects that stand on a floor")
    words = "the lowest level sheet of points"
    if len(low) >= 3:
        words += f"; what stands on it begins {off:+.2f} m above"
        sheet = sources.points[:, 2] - floor
        return Found("points", floor, max(1.96 * FLOOR_SPREAD_M, abs(off) * (np.abs(sheet) < 0.05).any()), words)
    return Found("points", floor, 1.96 * FLOOR_SPREAD_M, words)


def yaw_of(sources: Sources) -> Found | None:
    """Find the smallest turn about the vertical, degrees, that brings walls and furniture along x and y."""
    found = [
        one
        for name, directions, weight, group in _sides(sources)
        if (one := _yaw(name, directions, weight, group)) is not None
    ]
    return min(found, key=lambda one: one.error, default=None)


def _sides(sources: Sources) -> list[tuple[str, Array, Array, Array]]:
    """List level directions: of walls by plane, and of sides of boxes by object."""
    rotation = sources.boxes.rotation.reshape(-1, 3)
    planes = sources.planes
    listed = [
        ("planes", planes.normal, planes.weight, np.arange(len(planes))),
        ("boxes", rotation, np.repeat(sources.prior.weight, 3), np.repeat(np.arange(len(rotation) // 3), 3)),
    ]
    level = [np.abs(directions[:, 2]) < LEVEL for _, directions, _, _ in listed]
    return [(name, d[k], w[k], g[k]) for (name, d, w, g), k in zip(listed, level, strict=True)]


def _yaw(name: str, directions: Array, weight: Array, group: Array) -> Found | None:
    groups, member = np.unique(group, return_inverse=True)
    n = len(groups)
    if n < FEWEST_SIDES:
        return None
    angle = 4 * np.arctan2(directions[:, 1], directions[:, 0])  # walls and their neighbours point the same way then
    by_group = np.bincount(member, weight * np.cos(angle)) + 1j * np.bincount(member, weight * np.sin(angle))
    total = np.bincount(member, weight)
    main = by_group.sum()
    if np.abs(main) < TURNED_ALIKE * total.sum():
        return None
    alike = np.abs(np.angle(by_group / main)) < np.radians(60)  # 15 degrees: the others are turned otherwise
    main = by_group[alike].sum()
    off = np.angle(by_group[alike] / main) / 4
    share = total[alike] / total[alike].sum()
    spread = float(np.sqrt((share**2 @ off**2) * len(off) / max(len(off) - 2, 1)))
    error = 1.96 * float(np.hypot(np.degrees(spread), 0.3))
    words = f"{int(alike.sum())} of {n} {name} are turned alike"
    return Found(name, float(-np.degrees(np.angle(main)) / 4), error, words)
