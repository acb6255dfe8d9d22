"""Boxes in space that stand upright: as JSON, their overlap, and the score of one against another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from qa_contract.answers import share_within
from qa_contract.structures.numbers import read_numbers

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """An upright box.

    Attributes
    ----------
    center : list of float
        To the right, ahead and up from the camera, which is held level; metres.
    size : list of float
        Along the box's own first side, its second side, and up; metres.
    yaw : float
        From the right to the first side, counter-clockwise seen from above; degrees.
    """

    center: list[float]
    size: list[float]
    yaw: float

    def outline(self) -> list[Point]:
        """Corners seen from above, counter-clockwise."""
        angle = math.radians(self.yaw)
        along, across = self.size[0] / 2, self.size[1] / 2
        x, y = self.center[:2]
        cos, sin = math.cos(angle), math.sin(angle)
        sides = ((along, across), (-along, across), (-along, -across), (along, -across))
        return [(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in sides]


def read_box(value: Any) -> Box | None:
    """Read ``{"center": [x, y, z], "size": [a, b, c], "yaw": degrees}``; a size is above 0.

    Examples
    --------
    >>> read_box({"center": [0, 2, 1], "size": [1, 1, 2], "yaw": 0}).size
    [1.0, 1.0, 2.0]
    >>> read_box({"center": [0, 2, 1], "size": [1, 0, 2], "yaw": 0}), read_box({"center": [0, 2, 1]})
    (None, None)
    """
    if not isinstance(value, dict) or value.keys() != {"center", "size", "yaw"}:
        return None
    center, size = read_numbers(value["center"], 3), read_numbers(value["size"], 3)
    yaw = read_numbers([value["yaw"]], 1)
    if center is None or size is None or yaw is None or min(size) <= 0:
        return None
    return Box(center, size, yaw[0])


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of the volumes of two boxes.

    Examples
    --------
    >>> a, b = Box([0, 0, 0], [2, 2, 2], 0), Box([1, 0, 0], [2, 2, 2], 90)
    >>> round(overlap(a, b), 6), overlap(a, Box([3, 0, 0], [2, 2, 2], 45))
    (0.333333, 0.0)
    """
    low = max(box.center[2] - box.size[2] / 2 for box in (one, other))
    high = min(box.center[2] + box.size[2] / 2 for box in (one, other))
    if high <= low:
        return 0.0
    shared = _area(_clipped(one.outline(), other.outline())) * (high - low)
    volumes = [math.prod(box.size) for box in (one, other)]
    return shared / (sum(volumes) - shared)


def box_score(answer: Box, truth: Box) -> float:
    """Mean of two shares: the overlap, and how near the centre is, which tells boxes apart that miss each other.

    A centre is scored as a number of VSI-Bench: by the share of the ten thresholds that its error passes, as a part of
    the true distance from the camera.

    Examples
    --------
    >>> truth = Box([0, 4, 0], [1, 1, 1], 0)
    >>> box_score(truth, truth), box_score(Box([1.1, 4, 0], [1, 1, 1], 0), truth)
    (1.0, 0.25)
    """
    error = math.dist(answer.center, truth.center)
    near = share_within(error / math.hypot(*truth.center)) if error and any(truth.center) else float(error == 0)
    return (overlap(answer, truth) + near) / 2


def _clipped(outline: list[Point], window: list[Point]) -> list[Point]:
    """Cut a convex outline down to what lies within another, both counter-clockwise (Sutherland and Hodgman, 1974)."""
    for (ax, ay), (bx, by) in zip(window, [*window[1:], window[0]], strict=True):
        sides = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for x, y in outline]
        kept: list[Point] = []
        for k, point in enumerate(outline):
            before, at = sides[k - 1], sides[k]
            if (before < 0) != (at < 0):
                share = before / (before - at)
                (px, py), (qx, qy) = outline[k - 1], point
                kept.append((px + share * (qx - px), py + share * (qy - py)))
            if at >= 0:
                kept.append(point)
        outline = kept
    return outline


def _area(outline: list[Point]) -> float:
    """Area of an outline that runs counter-clockwise; 0 where it has no corner."""
    pairs = zip(outline, [*outline[1:], *outline[:1]], strict=True)
    return max(0.0, sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairs) / 2)
