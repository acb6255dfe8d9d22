"""Scales that evidence gives, and that of depth: how many metres of depth images a unit of the poses is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qa_engine.arrays import Array
from qa_engine.ingestion.poses import Seen
from qa_engine.scenes.cameras import back_project

DEPTH_FACTORS = np.exp(np.arange(-75, 76) * 0.04)
DEPTH_PIXELS = 16
"""Pixels per side of the grid by which depth of one frame is looked for in another."""
DEPTH_FITS = 0.04
"""Depth is the same in two frames up to this share."""
DEPTH_PAIRS = 24
"""Pairs of frames that are compared, evenly spaced."""
MIN_DEPTH_MARGIN = 0.15
"""Share of the pixels that must fit better at the scale found than at scales which are clearly others."""
MIN_DEPTH_PAIRS = 4
MIN_DEPTH_SHARE = 0.2
"""Share of depth that other frames confirm from which on it makes one cloud."""
DEPTH_SPREAD = 0.02


@dataclass(frozen=True)
class Measure:
    """A scale by one kind of evidence, or by all.

    Attributes
    ----------
    source : str
    log_m : float
        Logarithm of the metres per unit.
    spread : float
        Standard deviation of that.
    words : str
    """

    source: str
    log_m: float
    spread: float
    words: str

    @property
    def metres(self) -> float:
        """Metres per unit."""
        return float(np.exp(self.log_m))

    @property
    def error(self) -> float:
        """Share by which it may be larger, or by one over one plus it smaller, in 95% of cases."""
        return float(np.expm1(1.96 * self.spread))


def depth_scale(seen: Sequence[Seen]) -> tuple[Measure | None, bool]:
    """Tell how large the poses are in the metres of depth images: depth of one frame must lie where others see it.

    Returns
    -------
    Measure or None
        Where frames see the same things and one scale fits clearly best.
    bool
        Whether depth and poses can be joined to points: at that scale, or as they are.
    """
    pairs = [(i, j) for i in range(len(seen)) for j in (i + 1, i + 2) if j < len(seen)]
    pairs = pairs[:: max(1, -(-len(pairs) // DEPTH_PAIRS))]
    fits = [(pair, row) for pair in pairs if (row := _fit(seen[pair[0]], seen[pair[1]], DEPTH_FACTORS)) is not None]
    if len(fits) < MIN_DEPTH_PAIRS:
        return None, len(seen) == 1
    score = np.mean([row for _, row in fits], axis=0)
    best, given = int(score.argmax()), float(score[len(score) // 2])
    away = np.abs(np.log(DEPTH_FACTORS / DEPTH_FACTORS[best])) > 0.2
    if score[best] - score[away].max() < MIN_DEPTH_MARGIN:
        return None, given > max(float(score[best]) - 0.05, MIN_DEPTH_SHARE)
    around = DEPTH_FACTORS[best] * np.exp(np.arange(-5, 6) * 0.01)
    again = [_fit(seen[i], seen[j], around) for (i, j), _ in fits]
    finer = np.mean([row for row in again if row is not None], axis=0)
    metres = float(around[int(finer.argmax())])
    words = f"{finer.max():.0%} of depth fits other frames if a unit of the poses is {metres:.3g} m, {given:.0%} "
    return Measure("depth", float(np.log(metres)), DEPTH_SPREAD, words + "if it is a metre"), True


def _fit(one: Seen, other: Seen, factors: Array) -> Array | None:
    """Share of the depth of one frame that another confirms, for each of some scales (f,) of the poses.

    None where a frame has hardly any depth, or both stand in one place, so that no scale matters.
    """
    (camera, _, depth), (second, _, seen) = one, other
    assert depth is not None
    assert seen is not None
    step = max(1, max(depth.shape) // DEPTH_PIXELS)
    points = back_project(depth[::step, ::step], camera.every(step)).astype(np.float64)
    start, way = camera.world_from_camera[:3, 3], second.world_from_camera[:3, 3] - camera.world_from_camera[:3, 3]
    if len(points) < 50 or np.linalg.norm(way) < 1e-9:
        return None
    # Poses are scaled, depth is not: the second camera moves along the line that joins both.
    local = (points - start) @ second.world_from_camera[:3, :3]
    moved = local[None] - factors[:, None, None] * (way @ second.world_from_camera[:3, :3])
    with np.errstate(divide="ignore", invalid="ignore"):
        pixel = moved / moved[..., 2:] @ second.intrinsics.T
    column, row = (np.nan_to_num(pixel[..., a], nan=-1, posinf=-1, neginf=-1) for a in (0, 1))
    inside = (moved[..., 2] > 0) & (column > 0) & (row > 0) & (column < second.width - 1) & (row < second.height - 1)
    at = [np.where(inside, np.rint(place), 0).astype(np.int64) for place in (row, column)]
    there = seen[at[0], at[1]]
    with np.errstate(divide="ignore", invalid="ignore"):
        fits = inside & (there > 0) & (np.abs(np.log(moved[..., 2] / there)) < DEPTH_FITS)
    return fits.sum(axis=1) / len(points)
