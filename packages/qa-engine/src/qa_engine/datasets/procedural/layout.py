"""Furnish a rectangular room with non-overlapping oriented boxes of real-world sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WALL_GAP_M = 0.02
"""Smallest distance between furniture and a wall."""
FURNITURE_GAP_M = 0.06
"""Smallest distance between two footprints, so that no two boxes touch."""
PATH_CLEARANCE_M = 0.30
"""Tall furniture keeps this distance from the camera walk."""
TALL_M = 1.25
"""Furniture above this height could hide the camera."""
ROOM_HEIGHT_M = 2.6
_TRIES = 40
_SIGNS = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


@dataclass(frozen=True)
class Furniture:
    """A category of the catalogue.

    Attributes
    ----------
    length_m, width_m, height_m : tuple of float
        Smallest and largest extent.
    counts : tuple of int
        Numbers of instances to draw from, all alike likely.
    colour : tuple of int
        RGB, 0 to 255.
    """

    length_m: tuple[float, float]
    width_m: tuple[float, float]
    height_m: tuple[float, float]
    counts: tuple[int, ...]
    colour: tuple[int, int, int]


# Sizes span what furniture shops sell. Colours are far apart, because a box has no other mark of its category.
CATALOGUE: dict[str, Furniture] = {
    "bathtub": Furniture((1.40, 1.85), (0.70, 0.85), (0.50, 0.62), (1,), (235, 238, 245)),
    "bed": Furniture((1.60, 2.20), (0.80, 1.80), (0.40, 0.60), (1, 1, 2), (70, 90, 200)),
    "cabinet": Furniture((0.45, 1.60), (0.35, 0.60), (0.60, 2.10), (1, 2, 3, 4), (140, 82, 32)),
    "chair": Furniture((0.40, 0.55), (0.40, 0.55), (0.75, 1.05), (1, 2, 3, 4, 5, 6, 7), (225, 45, 45)),
    "lamp": Furniture((0.22, 0.40), (0.22, 0.40), (0.50, 1.80), (1, 2, 3, 4, 5), (255, 225, 60)),
    "piano": Furniture((1.30, 1.60), (0.55, 0.75), (0.95, 1.25), (1,), (25, 25, 30)),
    "plant": Furniture((0.25, 0.50), (0.25, 0.50), (0.30, 1.60), (1, 2, 3, 4, 5, 6), (40, 165, 60)),
    "refrigerator": Furniture((0.55, 0.90), (0.55, 0.75), (0.85, 2.00), (1,), (150, 205, 225)),
    "shelf": Furniture((0.60, 1.80), (0.25, 0.40), (0.70, 2.20), (1, 2, 3, 4), (215, 160, 95)),
    "sofa": Furniture((1.20, 2.80), (0.75, 1.00), (0.65, 0.90), (1, 1, 2), (120, 40, 150)),
    "stool": Furniture((0.28, 0.42), (0.28, 0.42), (0.40, 0.70), (1, 2, 3, 4, 5, 6), (255, 140, 20)),
    "table": Furniture((0.60, 2.40), (0.55, 1.00), (0.45, 0.78), (1, 2, 3, 4), (0, 150, 150)),
    "tv": Furniture((0.60, 1.70), (0.08, 0.15), (0.40, 1.00), (1,), (90, 90, 100)),
    "washer": Furniture((0.55, 0.65), (0.50, 0.65), (0.80, 0.92), (1, 2), (245, 130, 190)),
}


@dataclass(frozen=True)
class Room:
    """A furnished room: metres, Z up, floor at z = 0, one corner at the origin.

    Attributes
    ----------
    extent : (2,) float64
        Length along x and y.
    category : (n,) object
    center, size : (n, 3) float64
        Centre and full extents of each box along its own axes.
    rotation : (n, 3, 3) float64
        Rows are the box axes in world; the third is vertical.
    path : (3, 2) float64
        Corners of the camera walk on the floor plan.
    colour : (n, 3) float64
        RGB of each box, 0 to 255.
    floor_colour, wall_colour : (3,) float64
    """

    extent: np.ndarray
    category: np.ndarray
    center: np.ndarray
    size: np.ndarray
    rotation: np.ndarray
    path: np.ndarray
    colour: np.ndarray
    floor_colour: np.ndarray
    wall_colour: np.ndarray

    @property
    def area_m2(self) -> float:
        """Floor area in square metres."""
        return float(self.extent.prod())

    @property
    def polygon(self) -> np.ndarray:
        """Floor polygon, (4, 2) metres, counter-clockwise."""
        x, y = self.extent
        return np.array([[0.0, 0.0], [x, 0.0], [x, y], [0.0, y]])


def furnish(rng: np.random.Generator) -> Room:
    """Draw a room of 7 to 48 square metres with 3 to 7 categories of furniture.

    Categories and counts are drawn first and each item is then tried at `_TRIES` places; what finds no room is left
    out, so that small rooms hold fewer items.

    Examples
    --------
    >>> room = furnish(np.random.default_rng(3))
    >>> bool((room.size > 0).all()), room.rotation.shape[1:]
    (True, (3, 3))
    """
    area, aspect = np.exp(rng.uniform(np.log(7.0), np.log(48.0))), rng.uniform(1.0, 1.7)
    extent = np.array([np.sqrt(area * aspect), np.sqrt(area / aspect)])
    if rng.random() < 0.5:
        extent = extent[::-1].copy()
    path = _walk_corners(extent, rng)
    names = rng.choice(np.array(list(CATALOGUE), dtype=object), size=int(rng.integers(3, 8)), replace=False)
    wanted = [name for name in names for _ in range(int(rng.choice(CATALOGUE[name].counts)))]
    sizes = np.array([_draw_size(CATALOGUE[name], rng) for name in wanted])
    order = np.argsort(-sizes[:, 0] * sizes[:, 1], kind="stable")  # large items first: they find a place less easily

    placed: list[tuple[str, np.ndarray, np.ndarray, float]] = []
    corners = np.zeros((0, 4, 2))
    for index in order:
        found = _place(sizes[index], extent, path, corners, rng)
        if found is not None:
            center, yaw, footprint = found
            placed.append((wanted[index], sizes[index], center, yaw))
            corners = np.concatenate([corners, footprint[None]])

    size = np.array([item[1] for item in placed])
    center = np.array([[*item[2], item[1][2] / 2] for item in placed])
    base = np.array([CATALOGUE[item[0]].colour for item in placed], dtype=float)
    return Room(
        extent=extent,
        category=np.array([item[0] for item in placed], dtype=object),
        center=center,
        size=size,
        rotation=_yaw_rotation(np.array([item[3] for item in placed])),
        path=path,
        colour=np.clip(base + rng.normal(0.0, 7.0, base.shape), 0.0, 255.0),
        floor_colour=np.array([178.0, 168.0, 155.0]) + rng.normal(0.0, 10.0, 3),
        wall_colour=np.array([222.0, 220.0, 212.0]) + rng.normal(0.0, 6.0, 3),
    )


def _walk_corners(extent: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Three successive corners of the room, inset by 0.3 m: the camera walks along two walls."""
    x, y = extent
    inset = 0.3
    corners = np.array([[inset, inset], [x - inset, inset], [x - inset, y - inset], [inset, y - inset]])
    start, step = int(rng.integers(4)), int(rng.choice([-1, 1]))
    return corners[[start, (start + step) % 4, (start + 2 * step) % 4]]


def _draw_size(item: Furniture, rng: np.random.Generator) -> np.ndarray:
    """Full extents (length, width, height) in metres, to the centimetre."""
    ranges = np.array([item.length_m, item.width_m, item.height_m])
    return np.round(rng.uniform(ranges[:, 0], ranges[:, 1]), 2)


def _yaw_rotation(yaw: np.ndarray) -> np.ndarray:
    """Rotations (n, 3, 3) about z whose rows are the box axes."""
    cos, sin, zero, one = np.cos(yaw), np.sin(yaw), np.zeros_like(yaw), np.ones_like(yaw)
    rows = [[cos, sin, zero], [-sin, cos, zero], [zero, zero, one]]
    return np.moveaxis(np.array(rows), -1, 0)


def _place(
    size: np.ndarray, extent: np.ndarray, path: np.ndarray, others: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """Find a free place: floor centre (2,), yaw in radians and footprint (4, 2), or None.

    All `_TRIES` candidates are drawn and tested together; the first free one is taken.
    """
    aligned = rng.random(_TRIES) < 0.75
    turn = np.where(aligned, rng.normal(0.0, 0.07, _TRIES), rng.uniform(-np.pi / 4, np.pi / 4, _TRIES))
    yaw = rng.integers(4, size=_TRIES) * np.pi / 2 + turn
    share = rng.random((_TRIES, 2))
    axes = np.stack([np.stack([np.cos(yaw), np.sin(yaw)], -1), np.stack([-np.sin(yaw), np.cos(yaw)], -1)], 1)
    half = (np.abs(axes) * (size[:2] / 2)[:, None]).sum(1) + WALL_GAP_M
    free = (2 * half < extent).all(1)
    center = half + share * (extent - 2 * half)
    footprint = center[:, None] + (_SIGNS * size[:2] / 2) @ axes
    if size[2] > TALL_M:
        free &= ~_near_path(center, axes, size, path)
    if len(others):
        free &= ~_overlap(footprint, axes, others)
    if not free.any():
        return None
    first = int(free.argmax())
    return center[first], float(yaw[first]), footprint[first]


def _near_path(center: np.ndarray, axes: np.ndarray, size: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Tell which footprints (k,), grown by the clearance, hold a point of the walk."""
    share = np.linspace(0.0, 1.0, 60)[:, None]
    points = np.concatenate([path[0] + share * (path[1] - path[0]), path[1] + share * (path[2] - path[1])])
    local = np.abs((points[None] - center[:, None]) @ axes.transpose(0, 2, 1))
    inside: NDArray[np.bool_] = np.all(local < size[:2] / 2 + PATH_CLEARANCE_M, axis=-1)
    return np.any(inside, axis=-1)


def _overlap(footprint: np.ndarray, axes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Separating-axis test of rectangles (k, 4, 2) against all others (m, 4, 2), with the furniture gap; (k,) bool."""
    edges = np.diff(others[:, :3], axis=1)
    normals = edges / np.linalg.norm(edges, axis=-1, keepdims=True)  # (m, 2, 2)

    def gap(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        apart = np.maximum(theirs.min(-1) - mine.max(-1), mine.min(-1) - theirs.max(-1))  # (k, m, 2)
        return apart.max(-1)

    own_axes = gap(np.einsum("kad,kcd->kac", axes, footprint)[:, None], np.einsum("kad,mcd->kmac", axes, others))
    their_axes = gap(np.einsum("mad,kcd->kmac", normals, footprint), np.einsum("mad,mcd->mac", normals, others)[None])
    return np.any(np.maximum(own_axes, their_axes) < FURNITURE_GAP_M, axis=1)
