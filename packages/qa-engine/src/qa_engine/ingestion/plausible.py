"""How well boxes fit what rooms are like: sizes, one level floor, upright axes, a ceiling above all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qa_engine.arrays import Array
from qa_engine.geometry import Boxes
from qa_engine.ingestion.typical import Prior

CEILING_M = 2.9
"""Things reach this high above the floor without being odd: rooms are 2.4 to 3 m high."""
CEILING_SPREAD_M = 0.3
BELOW_FLOOR_M = 0.1
"""Undersides reach this far below the floor by errors of a scan."""

UPRIGHT_SHARE = 0.75
"""Boxes of the VSI-Bench metadata with an axis within a few degrees of the vertical: all of ARKitScenes, nine of ten
of ScanNet++, seven of ten of ScanNet, whose boxes are the smallest and freely tilted."""
UPRIGHT_SPREAD_DEG = 3.0
UPRIGHT_COS = float(np.cos(np.deg2rad(10.0)))

FREEDOM = 3.0
"""Degrees of freedom of Student's t, by which everything is compared: some objects of any scene are cut off, hidden,
mislabelled or unusual, and none of them decides alone."""

AGREEMENT = (0.25, 0.5, 1.0, 2.0)
"""Undersides of standing furniture agree by the spread of their category times one of these: annotators who draw boxes
on one floor are exact, boxes around points are not."""

FACTORS = np.exp(np.arange(-180, 181) * 0.05)
"""Scales that are tried: from 1 : 8000 to 8000 : 1 by steps of 5%."""


@dataclass(frozen=True)
class Terms:
    """Log-likelihoods of one reading of the boxes of a scene, up to constants that all readings share, and figures.

    Attributes
    ----------
    heights : float
        Vertical extents of objects of known categories.
    level : float
        Undersides above the floor: furniture stands on it, pictures and lamps hang high.
    ceiling : float
        Nothing lies below the floor or above a ceiling.
    axes : float
        Boxes have a vertical axis.
    floor_m : float
        Height of the floor.
    height_error : float
        Median deviation of vertical extents from usual ones, as a fraction.
    off_floor_m : float
        Median distance between the floor and the undersides of what stands on it.
    reach_m : float
        From the lowest to the highest point of the boxes.
    upright : float
        Share of the boxes with an axis within 10 degrees of the vertical.
    """

    heights: float
    level: float
    ceiling: float
    axes: float
    floor_m: float
    height_error: float
    off_floor_m: float
    reach_m: float
    upright: float

    @property
    def total(self) -> float:
        """The sum."""
        return self.heights + self.level + self.ceiling + self.axes


def judge(boxes: Boxes, prior: Prior) -> Terms:
    """Score one reading of the boxes of a scene, which has some.

    Parameters
    ----------
    boxes : Boxes
        (n, ...)
    prior : Prior
        What is usual for these objects.

    Examples
    --------
    >>> from qa_engine.ingestion.typical import prior_of
    >>> boxes = Boxes(np.array([[0, 0, 0.43], [2, 0, 0.37]]), np.array([[0.5, 0.5, 0.86], [1.2, 0.8, 0.74]]),
    ...               np.stack([np.eye(3)] * 2))
    >>> terms = judge(boxes, prior_of(["chair", "table"]))
    >>> terms.off_floor_m, terms.reach_m, terms.upright
    (0.0, 0.86, 1.0)
    """
    rows = prior.rows
    middle, half = boxes.center[:, 2], _vertical(boxes) / 2
    low, high = middle - half, middle + half
    error = np.log(2 * half[rows] / prior.height)
    heights = float(student(error, prior.spread) @ prior.weight[rows])
    floor, level, off_floor, height_error = float(np.quantile(low, 0.1)), 0.0, 0.0, 0.0
    if len(rows):
        height_error = float(np.expm1(np.median(np.abs(error))))
        floor, level = _floor(low[rows], prior)
        if (standing := prior.bottom == 0).any():
            off_floor = float(np.median(np.abs(low[rows][standing] - floor)))
    beyond = np.maximum(high - floor - CEILING_M, 0) + np.maximum(floor - low - BELOW_FLOOR_M, 0)
    ceiling = float(student(beyond, CEILING_SPREAD_M) @ prior.weight)
    cosine = np.abs(boxes.rotation[:, :, 2]).max(axis=1)
    axes = float(_upright(np.degrees(np.arccos(np.minimum(cosine, 1)))) @ prior.weight)
    reach = float(high.max() - low.min())
    upright = float((cosine > UPRIGHT_COS).mean())
    return Terms(heights, level, ceiling, axes, floor, height_error, off_floor, reach, upright)


def scale_likelihood(boxes: Boxes, prior: Prior) -> Array:
    """Log-likelihood of each of `FACTORS` as the ratio of the sizes of boxes to those that are usual.

    Returns
    -------
    (f,) float64
        From sides and vertical extents, of which each object has four that err together: their mean counts.
    """
    lengths = np.concatenate([-np.sort(-boxes.size), _vertical(boxes)[:, None]], axis=1)[prior.rows]
    ratio = np.log(lengths / np.concatenate([prior.sides, prior.height[:, None]], axis=1))
    residual = ratio - np.log(FACTORS)[:, None, None]
    return student(residual, prior.spread[:, None]).mean(axis=2) @ prior.weight[prior.rows]


def student(residual: Array | np.floating | float, spread: Array | float) -> Array:
    """Log-density of Student's t with `FREEDOM` degrees, up to a constant."""
    return -(FREEDOM + 1) / 2 * np.log1p((residual / spread) ** 2 / FREEDOM)


def _vertical(boxes: Boxes) -> Array:
    """Vertical extents (n,) of boxes."""
    return (np.abs(boxes.rotation[:, :, 2]) * boxes.size).sum(axis=1)


def _floor(low: Array, prior: Prior) -> tuple[float, float]:
    """Find the height of the floor that explains undersides (k,) best, and how well it does."""
    weight, standing = prior.weight[prior.rows], prior.bottom == 0
    levels = np.unique(low - prior.bottom)
    residual = low - prior.bottom - levels[:, None]
    fit = student(residual, prior.bottom_spread) @ np.where(standing, 0, weight)
    # Undersides that agree to a centimetre do not do so by chance: how well they agree is found as well.
    stand = [
        (student(residual, prior.bottom_spread * share) - np.log(share)) @ np.where(standing, weight, 0)
        for share in AGREEMENT
    ]
    fit = fit + np.max(stand, axis=0)
    best = int(fit.argmax())
    return float(levels[best]), float(fit[best])


def _upright(tilt_deg: Array) -> Array:
    """Log-density of the angle between the vertical and the nearest axis of a box, over that of boxes at random."""
    # Directions within t of one of six ends of axes fill 3 (1 - cos t) of the sphere as long as these do not meet.
    chance = 3 * np.sin(np.radians(np.clip(tilt_deg, 0.5, 45))) * np.radians(1)
    straight = 0.75 / UPRIGHT_SPREAD_DEG * np.exp(student(tilt_deg, UPRIGHT_SPREAD_DEG))
    return np.log(UPRIGHT_SHARE * straight / chance + 1 - UPRIGHT_SHARE)
