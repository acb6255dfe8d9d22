"""The scale of an upright scene: how many metres one of its units is, by each kind of evidence, and all joined."""

from __future__ import annotations

import numpy as np

from qa_engine.alignment.depth import Measure
from qa_engine.alignment.sources import Sources
from qa_engine.arrays import Array
from qa_engine.ingestion.plausible import FACTORS, judge, scale_likelihood, student
from qa_engine.ingestion.surroundings import EYE_M, EYE_SPREAD_M

CEILING_M, CEILING_SPREAD = 2.6, 0.13
"""Height of rooms, and the spread of its logarithm: 2.4 to 2.8 m in homes and offices, 3 m and more in old houses and
halls."""

EYE_SPREAD = EYE_SPREAD_M / EYE_M

SIZES_SPREAD = 0.06
"""What sizes are off by together, however many agree (logarithm): annotators and makers differ from scene to scene."""

SHEET = 0.02
"""Share of the points that a ceiling has, or a floor."""

FLOOR, CEILING = 0.1, 0.35
"""The lowest level sheet with so many points of the largest below the middle is the floor, however little of it is
seen; a ceiling has more, or it is the top of what was scanned."""

UNITS = {"millimetres": 0.001, "centimetres": 0.01}
"""Units that are taken to be meant where the evidence holds them: nothing else is so far from a metre."""


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
            floor, top = _first_sheet(count[:35], FLOOR), 102 - _first_sheet(count[:90:-1], CEILING)
            ends = [low + (k - 1) * (high - low) / 100 for k in (floor, top)]
            return (ends[0] if count[floor] > SHEET else None), (ends[1] if count[top] > SHEET else None)
    if len(sources.prior):
        fit = scale_likelihood(sources.boxes, sources.prior)
        factor = float(FACTORS[int(fit.argmax())])
        return judge(sources.shrunk(factor).boxes, sources.prior).floor_m * factor, None
    return None, None


def _first_sheet(count: Array, share: float) -> int:
    """Find the first of the bins, from the outside, that holds this share of the points of the fullest."""
    enough = np.flatnonzero(count >= share * count.max())
    k = int(enough[0])
    return k + int(count[k : k + 3].argmax())


def measures(upright: Sources) -> list[Measure]:
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
    return found if upright.depth is None else [*found, upright.depth]


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
