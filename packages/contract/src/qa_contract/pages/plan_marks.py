"""Marks on a plan that explain an answer: points, distances, arrows, routes, sectors. Metres, world frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_contract.pages.drawing import Drawing
from qa_contract.pages.labels import Wanted

Array = NDArray[np.float64]
Place = Callable[[ArrayLike], Array]
"""Places points (..., 3), metres, on the sheet."""
Drawn = tuple[list[Wanted], list[Array]]
"""Labels that a mark wants, and its lines (2, 2), which labels keep off."""


class Mark(Protocol):
    """What a mark offers to a plan."""

    def points(self) -> list[Array]:
        """Points (3,) that have to be on the sheet."""
        ...

    def draw(self, sheet: Drawing, place: Place, *, above: bool) -> Drawn:
        """Draw the mark."""
        ...


def flat(point: ArrayLike) -> Array:
    """Make a point or direction of the floor one of space: (2,) or (3,) to (3,)."""
    point = np.asarray(point, dtype=np.float64)
    return point if len(point) == 3 else np.append(point, 0.0)


@dataclass(frozen=True)
class PointMark:
    """A point, (2,) or (3,)."""

    at: ArrayLike
    label: str = ""
    tone: str = "ink"

    def points(self) -> list[Array]:
        """Points (3,) that have to be on the sheet."""
        return [flat(self.at)]

    def draw(self, sheet: Drawing, place: Place, *, above: bool) -> Drawn:
        """Draw the mark."""
        spot = place(flat(self.at))
        sheet.circle(spot, 4.5, self.tone, stroke="page", tip=self.label)
        return _label(self.label, spot), []


@dataclass(frozen=True)
class Distance:
    """A measured line between two points, such as a distance or a side of a box."""

    start: ArrayLike
    end: ArrayLike
    label: str = ""
    tone: str = "ink"

    def points(self) -> list[Array]:
        """Points (3,) that have to be on the sheet."""
        return [flat(self.start), flat(self.end)]

    def draw(self, sheet: Drawing, place: Place, *, above: bool) -> Drawn:
        """Draw the mark."""
        ends = place(np.stack(self.points()))
        sheet.line(ends, self.tone, width=2.4, tip=self.label)
        way = ends[1] - ends[0]
        length = float(np.hypot(*way))
        side = np.array([-way[1], way[0]]) / length * 4.5 if length > 1e-6 else np.array([0.0, 4.5])
        for end in ends:
            sheet.line([end - side, end + side], self.tone, width=2.0)
        return _label(self.label, ends.mean(axis=0)), [ends]


@dataclass(frozen=True)
class Arrow:
    """A direction from one point to another."""

    start: ArrayLike
    end: ArrayLike
    label: str = ""
    tone: str = "ink"

    def points(self) -> list[Array]:
        """Points (3,) that have to be on the sheet."""
        return [flat(self.start), flat(self.end)]

    def draw(self, sheet: Drawing, place: Place, *, above: bool) -> Drawn:
        """Draw the mark."""
        ends = place(np.stack(self.points()))
        _arrow(sheet, ends, self.tone, self.label)
        return _label(self.label, ends.mean(axis=0)), [ends]


@dataclass(frozen=True)
class Route:
    """A walk along points; `labels`, one per stop or none, are written at the stops."""

    stops: Sequence[ArrayLike]
    labels: Sequence[str] = ()
    tone: str = "ink"

    def points(self) -> list[Array]:
        """Points (3,) that have to be on the sheet."""
        return [flat(stop) for stop in self.stops]

    def draw(self, sheet: Drawing, place: Place, *, above: bool) -> Drawn:
        """Draw the mark."""
        spots = place(np.stack(self.points()))
        legs = [np.stack(leg) for leg in pairwise(spots)]
        for number, leg in enumerate(legs, 1):
            _arrow(sheet, leg, self.tone, f"leg {number}")
        for number, spot in enumerate(spots, 1):
            sheet.circle(spot, 3.2, self.tone, stroke="page", tip=f"stop {number}")
        wanted = [w for text, spot in zip(self.labels, spots, strict=False) for w in _label(text, spot)]
        return wanted, legs


@dataclass(frozen=True)
class Sector:
    """A sector on the floor, between two angles counter-clockwise from x; drawn from above alone."""

    center: ArrayLike
    low_deg: float
    high_deg: float
    radius_m: float = 1.2
    label: str = ""
    tone: str = "s2"

    def points(self) -> list[Array]:
        """Points (3,) that have to be on the sheet."""
        return [flat(self.center), *self._rim()]

    def _rim(self) -> Array:
        angle = np.radians(np.linspace(self.low_deg, self.high_deg, 40))
        return flat(self.center) + np.column_stack([np.cos(angle), np.sin(angle), np.zeros(40)]) * self.radius_m

    def draw(self, sheet: Drawing, place: Place, *, above: bool) -> Drawn:
        """Draw the mark."""
        if not above:
            return [], []
        corners = place(np.vstack(self.points()))
        sheet.polygon(corners, self.tone, self.tone, opacity=0.16, width=0.8, tip=self.label)
        return [], []


def _label(text: str, spot: Array) -> list[Wanted]:
    return [Wanted(text, float(spot[0]), float(spot[1]), 3, 3, must=True)] if text else []


def _arrow(sheet: Drawing, ends: Array, tone: str, tip: str) -> None:
    """Draw a line with a head."""
    way = ends[1] - ends[0]
    length = float(np.hypot(*way))
    if length < 1e-6:
        return
    along = way / length
    across = np.array([-along[1], along[0]])
    head = min(10.0, length / 2)
    back = ends[1] - head * along
    sheet.line([ends[0], back], tone, width=2.2, tip=tip)
    sheet.polygon([ends[1], back + 0.45 * head * across, back - 0.45 * head * across], tone)
