"""Labels that do not cover each other: each at the cheapest free place, with a leader line where that is far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Array = NDArray[np.float64]

LINE_HEIGHT = 1.25
"""Height of a label, in sizes of its text."""
BASE_LINE = 0.33
"""Base line below the middle of a label, in sizes of its text."""
PADDING_PX = 5.0
"""Between two labels beside each other."""
COVERED_COST, OWN_COST, DOT_COST = 30.0, 5.0, 20.0
"""Of a label that covers a whole other thing, its own, or its own dot; all costs are in pixels of distance."""
DOT_PX = 6.0
"""Reach of things that a label would hide altogether."""
LEADER_COST, LINE_COST, CROSSING_COST, THROUGH_COST = 12.0, 14.0, 40.0, 1000.0
"""Of having a leader line, covering a line, crossing another leader line, and a leader line through a label."""
RINGS_PX = (12, 20, 30, 44, 62, 84, 110, 140, 180)
LEADER_FROM_PX = 5.0
"""A label farther from what it names gets a leader line."""

_STEPS = np.array([(x, y) for x in (0, -1, 1) for y in (-1, 1, 0) if x or y], dtype=np.float64)
_ANGLES = np.linspace(0, 2 * np.pi, 32, endpoint=False)
_CIRCLE = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
_WIDTHS = (
    ("ijl.,:;|!'` ", 0.28),
    ('frt()[]{}/\\-I"*', 0.37),
    ("csxykvzJ^", 0.52),
    ("mwMW@%&—", 0.92),
    ("ABCDEFGHKLNOPQRSTUVXYZ", 0.7),
)
_WIDTH_OF = {letter: width for letters, width in _WIDTHS for letter in letters}


@dataclass(frozen=True)
class Wanted:
    """A label that is wanted.

    Attributes
    ----------
    text : str
    x, y : float
        What the label names, a point of it.
    reach_x, reach_y : float
        How far it extends from there, left and right, up and down: a label inside needs no leader line.
    size : float
        Of the text.
    must : bool
        Is placed before the others, and in any case.
    """

    text: str
    x: float
    y: float
    reach_x: float = 0.0
    reach_y: float = 0.0
    size: float = 12.0
    must: bool = False


@dataclass(frozen=True)
class Placed:
    """A label with its place.

    Attributes
    ----------
    x, y : float
        Middle.
    width, height : float
    leader : tuple of ((x, y), (x, y)), optional
        Line from what is named to the label.
    """

    text: str
    x: float
    y: float
    width: float
    height: float
    size: float
    leader: tuple[tuple[float, float], tuple[float, float]] | None = None

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return (
            self.x - self.width / 2,
            self.y - self.height / 2,
            self.x + self.width / 2,
            self.y + self.height / 2,
        )

    @property
    def base_line(self) -> float:
        """Height at which the text stands."""
        return self.y + BASE_LINE * self.size


def text_width(text: str, size: float) -> float:
    """Estimate the width of a text in a sans-serif font, rather too wide than too narrow.

    Examples
    --------
    >>> text_width("ill", 10) < text_width("mmm", 10)
    True
    """
    return size * sum(_WIDTH_OF.get(c, 0.58 if ord(c) < 0x2E80 else 1.0) for c in text)


def shorten(text: str, size: float, width: float) -> str:
    """Cut a text so that it fits.

    Examples
    --------
    >>> shorten("object_rel_direction", 12, 60)
    'object_r…'
    """
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def place_labels(
    wanted: Sequence[Wanted],
    bounds: tuple[float, float, float, float],
    *,
    lines: Array | None = None,
    leaders: bool = True,
) -> list[Placed | None]:
    """Give labels places at which they do not cover each other.

    Parameters
    ----------
    wanted : sequence of Wanted
    bounds : (left, top, right, bottom)
        Labels stay inside.
    lines : (m, 2, 2) float64, optional
        Lines that labels should keep off, where there is room.
    leaders : bool
        Labels may stand away from what they name; otherwise they stand on it or beside it.

    Returns
    -------
    list of Placed or None
        In the order of `wanted`; None where no free place is left, which a label that `must` be placed only meets
        where the sheet is full of such labels.

    Notes
    -----
    Greedy: labels that must be placed first, then those of larger things. The cost of a place is its distance from what
    is named, the share of small things that it covers, and a price for each line that it or its leader line crosses.
    """
    sheet = _Sheet(wanted, bounds, lines)
    order = sorted(range(len(wanted)), key=lambda i: (not wanted[i].must, -wanted[i].reach_x * wanted[i].reach_y, i))
    found: list[Placed | None] = [None] * len(wanted)
    for i in order:
        found[i] = sheet.place(i, leaders=leaders)
    return found


class _Sheet:
    """Labels placed so far, and what the next ones keep off."""

    def __init__(
        self, wanted: Sequence[Wanted], bounds: tuple[float, float, float, float], lines: Array | None
    ) -> None:
        self._wanted, self._low, self._high = wanted, np.array(bounds[:2]), np.array(bounds[2:])
        self._lines = _segments(np.zeros((0, 2, 2)) if lines is None else lines.reshape(-1, 2, 2))
        self._anchors = np.array([(w.x, w.y) for w in wanted]).reshape(-1, 2)
        self._reach = np.array([(w.reach_x, w.reach_y) for w in wanted]).reshape(-1, 2)
        least = np.maximum(self._reach, 1.0)
        self._things = np.column_stack([self._anchors - least, self._anchors + least])
        self._taken = np.zeros((0, 4))
        self._leaders = np.zeros((0, 2, 2))

    def place(self, i: int, *, leaders: bool) -> Placed | None:
        """Place label `i` at the cheapest free place."""
        label = self._wanted[i]
        half = np.array([text_width(label.text, label.size), label.size * LINE_HEIGHT]) / 2
        best = self._best(
            i, half, _near(self._anchors[i], self._reach[i], half, self._low, self._high, leaders=leaders)
        )
        if label.must and (best is None or best[0] >= THROUGH_COST):
            anywhere = self._best(i, half, _grid(half, self._low, self._high))
            best = min((b for b in (best, anywhere) if b is not None), key=lambda b: b[0], default=None)
        if best is None:
            return None
        _, (x, y), leader = best
        place = Placed(label.text, x, y, 2 * float(half[0]), 2 * float(half[1]), label.size, leader)
        self._taken = np.vstack([self._taken, place.bounds])
        if leader is not None:
            self._leaders = np.concatenate([self._leaders, np.array([leader])])
        return place

    def _best(self, i: int, half: Array, middles: Array) -> tuple[float, tuple[float, float], Any] | None:
        """Give cost, middle and leader line of the cheapest of some places (k, 2)."""
        boxes = np.column_stack([middles - half, middles + half])
        free = (boxes[:, :2] >= self._low).all(axis=1) & (boxes[:, 2:] <= self._high).all(axis=1)
        free &= self._apart(boxes)
        if not free.any():
            return None
        middles, boxes, anchor, reach = middles[free], boxes[free], self._anchors[i], self._reach[i]
        gap = np.hypot(*np.maximum(np.abs(middles - anchor) - half - reach, 0).T)
        off_center = np.hypot(*((middles - anchor) / (half + reach)).T)
        price = np.full(len(self._things), COVERED_COST)
        price[i] = OWN_COST if reach.max() > DOT_PX else DOT_COST
        led = gap > LEADER_FROM_PX
        cost = gap + 3 * off_center + LEADER_COST * led + _covered(boxes, self._things) @ price
        outlines, strokes = _rectangles(boxes), _segments(self._leaders)
        cost += LINE_COST * _count(shapely.intersects, outlines, self._lines)
        cost += THROUGH_COST * _count(shapely.intersects, outlines, strokes)
        ends = np.clip(anchor, boxes[:, :2], boxes[:, 2:])
        rays = np.stack([np.broadcast_to(anchor, ends.shape), ends], axis=1)
        if led.any():
            ours = _segments(rays[led])
            cost[led] += THROUGH_COST * _count(shapely.intersects, ours, _rectangles(self._taken))
            cost[led] += CROSSING_COST * _count(shapely.crosses, ours, strokes)
        best = int(np.argmin(cost))
        (x, y), leader = middles[best].tolist(), tuple(map(tuple, rays[best].tolist()))
        return float(cost[best]), (x, y), leader if led[best] else None

    def _apart(self, boxes: Array) -> NDArray[np.bool_]:
        """Which boxes (k, 4) lie apart from all labels so far : (k,)."""
        wide, taken = boxes + np.array([-1.0, -0.2, 1.0, 0.2]) * PADDING_PX, self._taken
        after, before = wide[:, None, :2] >= taken[None, :, 2:], wide[:, None, 2:] <= taken[None, :, :2]
        return np.all(np.any(after | before, axis=2), axis=1)


def _near(anchor: Array, reach: Array, half: Array, low: Array, high: Array, *, leaders: bool) -> Array:
    """Middles to try (k, 2): on the thing, beside it, on rings around it; at the edge pushed back inside."""
    within = anchor + _STEPS * np.maximum(reach - half, 0)
    beside = anchor + _STEPS * (reach + half + 3)
    tried = [anchor[None], within, beside]
    if leaders:
        tried += [anchor + _CIRCLE * (reach * 0.9 + half + radius) for radius in RINGS_PX]
    tried.append(np.clip(np.concatenate([anchor[None], beside]), low + half, np.maximum(low + half, high - half)))
    return np.concatenate(tried)


def _grid(half: Array, low: Array, high: Array) -> Array:
    """Middles all over the sheet (k, 2)."""
    xs, ys = (np.arange(low[k] + half[k], high[k] - half[k] + 1e-9, step) for k, step in ((0, 24.0), (1, 12.0)))
    return np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)


def _covered(boxes: Array, things: Array) -> Array:
    """Share of each thing (n, 4) that each box (k, 4) covers : (k, n)."""
    over = np.minimum(boxes[:, None, 2:], things[None, :, 2:]) - np.maximum(boxes[:, None, :2], things[None, :, :2])
    return np.maximum(over, 0).prod(axis=2) / (things[:, 2:] - things[:, :2]).prod(axis=1)


def _rectangles(boxes: Array) -> NDArray[np.object_]:
    return np.asarray(shapely.box(boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3]), dtype=object)


def _segments(lines: Array) -> NDArray[np.object_]:
    return np.asarray(shapely.linestrings(lines), dtype=object) if len(lines) else np.empty(0, dtype=object)


def _count(test: Callable[..., Any], ours: NDArray[np.object_], theirs: NDArray[np.object_]) -> NDArray[np.int64]:
    """Count, for each of our geometries, theirs that pass a test."""
    return np.asarray(test(ours[:, None], theirs[None]), dtype=np.int64).sum(axis=1)
