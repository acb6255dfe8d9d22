"""The scale of an upright scene: how many metres one of its units is, by each kind of evidence, and all joined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qa_engine.alignment.sources import Sources
from qa_engine.arrays import Array
from qa_engine.ingestion.plausible import FACTORS, judge, scale_likelihood, student
from qa_engine.ingestion.poses import Seen
from qa_engine.ingestion.surroundings import EYE_M, EYE_SPREAD_M
from qa_engine.scenes.cameras import back_project

CEILING_M, CEILING_SPREAD = 2.6, 0.13
"""Height of rooms, and the spread of its logarithm: 2.4 to 2.8 m in homes and offices, 3 m and more in old houses and
halls."""

EYE_SPREAD = EYE_SPREAD_M / EYE_M

SIZES_SPREAD = 0.06
"""What sizes are off by together, however many agree (logarithm): annotators and makers differ from scene to scene."""

SHEET = 0.02
"""Share of the points that a ceiling has, or a floor."""

FIRST = 0.35
"""The lowest level sheet with so many points of the largest one below the middle is the floor; so for ceilings."""

UNITS = {"millimetres": 0.001, "centimetres": 0.01}
"""Units that are taken to be meant where the evidence holds them: nothing else is so far from a metre."""

DEPTH_FACTORS = np.exp(np.arange(-300, 301) * 0.01)
DEPTH_PIXELS = 24
"""Pixels per side of the grid by which depth of one frame is looked for in another."""
DEPTH_FITS = 0.04
"""Depth is the same in two frames up to this share."""
MIN_DEPTH_MARGIN = 0.15
"""Share of the pixels that must fit better at the scale found than at scales which are clearly others."""
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


def likelihood(sources: Sources) -> Array:
    """Log-likelihood of each of `FACTORS`, by which lengths would be too large, for a scene that is upright."""
    total = np.zeros(len(FACTORS))
    if len(sources.prior):
        total += scale_likelihood(sources.boxes, sources.prior)
    floor, ceiling = heights(sources)
    if floor is not None and len(sources.poses):
        eyes = float(np.median(sources.poses[:, 2, 3])) - floor
        total += student(eyes / FACTORS - EYE_M, EYE_SPREAD_M)
    if floor is not None and ceiling is not None:
        total += student(np.log((ceiling - floor) / FACTORS / CEILING_M), CEILING_SPREAD)
    return total


def heights(sources: Sources) -> tuple[float | None, float | None]:
    """Find floor and ceiling of an upright scene among its points, else the floor by what stands on it.

    Returns
    -------
    floor, ceiling : float or None
        In its own units; a ceiling is a level sheet of points at the very top.
    """
    if len(sources.points):
        z = sources.points[:, 2]
        low, high = np.quantile(z, [0.002, 0.998])
        if high > low:
            bins = np.clip((z - low) / (high - low) * 100, -1, 101).astype(np.int64) + 1
            count = np.convolve(np.bincount(bins, minlength=103) / len(z), np.ones(2), "same")
            floor, top = _first_sheet(count[:35]), 102 - _first_sheet(count[:90:-1])
            ends = [low + (k - 1) * (high - low) / 100 for k in (floor, top)]
            return (ends[0] if count[floor] > SHEET else None), (ends[1] if count[top] > SHEET else None)
    if len(sources.prior):
        fit = scale_likelihood(sources.boxes, sources.prior)
        factor = float(FACTORS[int(fit.argmax())])
        return judge(sources.shrunk(factor).boxes, sources.prior).floor_m * factor, None
    return None, None


def _first_sheet(count: Array) -> int:
    """Find the first of the bins, from the outside, that holds nearly as many points as any: beds are level, too."""
    enough = np.flatnonzero(count >= FIRST * count.max())
    k = int(enough[0])
    return k + int(count[k : k + 3].argmax())


def measures(upright: Sources, seen: tuple[Seen, ...]) -> list[Measure]:
    """Estimate the scale of an upright scene by each kind of evidence that it has."""
    found: list[Measure] = []
    prior = upright.prior
    if len(prior):
        fit = scale_likelihood(upright.boxes, prior)
        share = np.exp(fit - fit.max())
        share /= share.sum()
        middle = float(share @ np.log(FACTORS))
        spread = float(np.sqrt(share @ (np.log(FACTORS) - middle) ** 2 + SIZES_SPREAD**2))
        words = f"{len(prior)} objects of known categories are {np.exp(middle):.3g} times as large as usual"
        doors = np.flatnonzero(np.char.find(upright.category[prior.rows].astype(str), "door") >= 0)
        if len(doors):
            tall = float(np.median(upright.boxes.size[prior.rows[doors]].max(axis=1)))
            words += f"; doors are {tall:.3g} units high, 2.02 m by norm"
        found.append(Measure("sizes", -middle, spread, words))
    floor, ceiling = heights(upright)
    if floor is not None and len(upright.poses):
        eyes = float(np.median(upright.poses[:, 2, 3])) - floor
        if eyes > 0:
            words = f"cameras are {eyes:.3g} units above the floor, {EYE_M:g} m as a rule"
            found.append(Measure("cameras", float(np.log(EYE_M / eyes)), EYE_SPREAD, words))
    if floor is not None and ceiling is not None and ceiling > floor:
        words = f"the ceiling is {ceiling - floor:.3g} units above the floor, {CEILING_M:g} m as a rule"
        found.append(Measure("ceiling", float(np.log(CEILING_M / (ceiling - floor))), CEILING_SPREAD, words))
    if (by_depth := depth_scale(seen)) is not None:
        found.append(by_depth)
    return found


def joined(parts: list[Measure]) -> Measure | None:
    """Join measures, each by its error; where they differ by more, the error grows until they agree.

    Examples
    --------
    >>> both = joined([Measure("sizes", 0.0, 0.1, ""), Measure("cameras", 0.8, 0.1, "")])
    >>> round(both.log_m, 9), bool(both.error > 0.8)
    (0.4, True)
    """
    if not parts:
        return None
    weight = np.array([part.spread**-2 for part in parts])
    values = np.array([part.log_m for part in parts])
    middle = float(weight @ values / weight.sum())
    chi2 = float(weight @ (values - middle) ** 2)
    grown = max(chi2 / (len(parts) - 1), 1.0) if len(parts) > 1 else 1.0
    return Measure("all", middle, float(np.sqrt(grown / weight.sum())), "; ".join(part.words for part in parts))


def unit_of(measure: Measure) -> str | None:
    """Name the unit that lengths are in, where the evidence holds one that is far from all others."""
    for name, metres in UNITS.items():
        if abs(np.log(metres) - measure.log_m) < max(2.5 * measure.spread, 0.2) and measure.spread < 0.5:
            return name
    return None


def depth_scale(seen: tuple[Seen, ...]) -> Measure | None:
    """Tell how large the poses are in the metres of depth images: depth of one frame must lie where others see it.

    Returns
    -------
    Measure or None
        Where frames see the same things and one scale fits clearly best.
    """
    pairs = [(i, j) for i in range(len(seen)) for j in (i + 1, i + 2) if j < len(seen)]
    pairs += [(j, i) for i, j in pairs]
    fits = np.array([row for i, j in pairs if (row := _fit(seen[i], seen[j])) is not None])
    if len(fits) < 4:
        return None
    score = fits.mean(axis=0)
    best = int(score.argmax())
    away = np.abs(np.arange(len(score)) - best) > 20
    if score[best] - score[away].max() < MIN_DEPTH_MARGIN:
        return None
    metres = float(DEPTH_FACTORS[best])
    words = f"{score[best]:.0%} of depth fits other frames if a unit of the poses is {metres:.3g} m, {score[300]:.0%} "
    return Measure("depth", float(np.log(metres)), DEPTH_SPREAD, words + "if it is a metre")


def _fit(one: Seen, other: Seen) -> Array | None:
    """Share of the depth of one frame that another confirms, for each of `DEPTH_FACTORS`; None if it sees none."""
    (camera, _, depth), (second, _, seen) = one, other
    assert depth is not None
    assert seen is not None
    step = max(1, max(depth.shape) // DEPTH_PIXELS)
    points = back_project(depth[::step, ::step], camera.every(step)).astype(np.float64)
    if len(points) < 50:
        return None
    # Positions of the poses are scaled, depth is not: the same as moving the second camera along the line of both.
    start, way = camera.world_from_camera[:3, 3], second.world_from_camera[:3, 3] - camera.world_from_camera[:3, 3]
    if np.linalg.norm(way) < 1e-9:
        return None
    local = (points - start) @ second.world_from_camera[:3, :3]
    shift = way @ second.world_from_camera[:3, :3]
    moved = local[None] - DEPTH_FACTORS[:, None, None] * shift
    with np.errstate(divide="ignore", invalid="ignore"):
        pixel = moved / moved[..., 2:] @ second.intrinsics.T
    column, row = (np.nan_to_num(pixel[..., a], nan=-1, posinf=-1, neginf=-1) for a in (0, 1))
    inside = (moved[..., 2] > 0) & (column > 0) & (row > 0) & (column < second.width - 1) & (row < second.height - 1)
    at = np.where(inside, np.rint(row).astype(np.int64, casting="unsafe"), 0), np.where(inside, np.rint(column), 0)
    there = seen[at[0], at[1].astype(np.int64)]
    known = inside & (there > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        fits = known & (np.abs(np.log(moved[..., 2] / there)) < DEPTH_FITS)
    return fits.sum(axis=1) / len(points) if known[300].any() or known.any() else None
