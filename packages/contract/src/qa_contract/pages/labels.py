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
PADDING_PX = 2.0
"""Between two labels."""
LEADER_FROM_PX = 5.0
"""A label farther from what it names gets a leader line."""

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
    is named, and a fixed price for each line that it covers or that its leader line crosses.
    """
    order = sorted(range(len(wanted)), key=lambda i: (not wanted[i].must, -wanted[i].reach_x * wanted[i].reach_y, i))
    found: list[Placed | None] = [None] * len(wanted)
    taken, strokes = np.zeros((0, 4)), np.zeros((0, 2, 2))
    fixed = np.zeros((0, 2, 2)) if lines is None else np.asarray(lines, dtype=np.float64).reshape(-1, 2, 2)
    for i in order:
        place = _place(wanted[i], bounds, taken, strokes, fixed, leaders=leaders)
        if place is None:
            continue
        found[i] = place
        taken = np.vstack([taken, place.bounds])
        if place.leader is not None:
            strokes = np.concatenate([strokes, np.array([place.leader])])
    return found


def _place(
    label: Wanted,
    bounds: tuple[float, float, float, float],
    taken: Array,
    strokes: Array,
    fixed: Array,
    *,
    leaders: bool,
) -> Placed | None:
    """Find the cheapest free place of one label."""
    width, height = text_width(label.text, label.size), label.size * LINE_HEIGHT
    half = np.array([width, height]) / 2
    middles = _candidates(label, half, bounds, leaders=leaders)
    boxes = np.column_stack([middles - half, middles + half])
    inside = (boxes[:, :2] >= bounds[:2]).all(axis=1) & (boxes[:, 2:] <= bounds[2:]).all(axis=1)
    wide = boxes + np.array([-1.0, -0.5, 1.0, 0.5]) * PADDING_PX
    apart = (
        (wide[:, None, 0] >= taken[None, :, 2])
        | (wide[:, None, 2] <= taken[None, :, 0])
        | (wide[:, None, 1] >= taken[None, :, 3])
        | (wide[:, None, 3] <= taken[None, :, 1])
    )
    free = inside & apart.all(axis=1)
    if not free.any():
        return None
    middles, boxes = middles[free], boxes[free]
    anchor = np.array([label.x, label.y])
    reach = np.array([label.reach_x, label.reach_y])
    gap = np.hypot(*np.maximum(np.abs(middles - anchor) - half - reach, 0).T)
    off_center = np.hypot(*((middles - anchor) / (half + reach)).T)
    ends = np.clip(np.broadcast_to(anchor, middles.shape), boxes[:, :2], boxes[:, 2:])
    rays = np.stack([np.broadcast_to(anchor, ends.shape), ends], axis=1)
    led = gap > LEADER_FROM_PX
    cost = gap + 3 * off_center + 12 * led
    cost += 14 * _hits(boxes, fixed) + 60 * _hits(boxes, strokes)
    if led.any():
        blocked = _count(shapely.intersects, _segments(rays), shapely.box(*taken.T))
        cost += led * (200 * blocked + 40 * _crossings(rays, strokes))
    best = int(np.argmin(cost))
    leader = None
    if led[best]:
        leader = (tuple(rays[best, 0].tolist()), tuple(rays[best, 1].tolist()))
    x, y = middles[best].tolist()
    return Placed(label.text, x, y, width, height, label.size, leader)  # type: ignore[arg-type]


def _candidates(label: Wanted, half: Array, bounds: tuple[float, float, float, float], *, leaders: bool) -> Array:
    """Middles of places to try (k, 2): on the thing, beside it, on rings around it, anywhere."""
    anchor = np.array([label.x, label.y])
    reach = np.array([label.reach_x, label.reach_y])
    steps = np.array([(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (1, -1), (-1, 1), (1, 1)], dtype=np.float64)
    within = anchor + steps[1:] * np.maximum(reach - half, 0)
    beside = anchor + steps[1:] * (reach + half + 3)
    tried = [anchor[None], within, beside]
    if leaders:
        angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        circle = np.column_stack([np.cos(angles), np.sin(angles)])
        for radius in (12, 20, 30, 44, 62, 84, 110, 140, 180):
            tried.append(anchor + circle * (reach * 0.9 + half + radius))
    elif reach.max() > 0:
        tried.append(anchor + steps[1:] * reach * 0.5)
    if label.must:
        left, top, right, bottom = bounds
        xs = np.arange(left + half[0], right - half[0] + 1e-9, 12.0)
        ys = np.arange(top + half[1], bottom - half[1] + 1e-9, 6.0)
        tried.append(np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2))
    # Labels of things at the edge are pushed back inside.
    low, high = np.array(bounds[:2]) + half, np.array(bounds[2:]) - half
    tried.append(np.clip(np.concatenate([anchor[None], beside]), low, np.maximum(low, high)))
    return np.concatenate(tried)


def _hits(boxes: Array, lines: Array) -> NDArray[np.int64]:
    """Count the lines (m, 2, 2) that cross each box (k, 4) : (k,)."""
    return _count(shapely.intersects, shapely.box(*boxes.T), _segments(lines))


def _crossings(rays: Array, lines: Array) -> NDArray[np.int64]:
    """Count the lines (m, 2, 2) that cross each ray (k, 2, 2) : (k,)."""
    return _count(shapely.crosses, _segments(rays), _segments(lines))


def _segments(lines: Array) -> NDArray[np.object_]:
    return np.asarray(shapely.linestrings(lines), dtype=object) if len(lines) else np.empty(0, dtype=object)


def _count(test: Callable[..., Any], ours: NDArray[np.object_], theirs: NDArray[np.object_]) -> NDArray[np.int64]:
    """Count, for each of our geometries, theirs that pass a test."""
    return np.asarray(test(ours[:, None], theirs[None]), dtype=np.int64).sum(axis=1)
