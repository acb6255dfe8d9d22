"""The vertical of a scene near a guess: one estimate per kind of evidence, each with its error, and all of them joined.

A vertical near z is written by the two small angles (x, y) by which its direction is (x, y, 1). Whatever is level gives
equations for them, solved by least squares in which outliers lose their weight; the error is the spread over samples of
the evidence drawn with replacement, a plane, an object or a stretch of the recording at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa_engine.alignment.sources import Sources
from qa_engine.arrays import Array
from qa_engine.geometry import box_bounds
from qa_engine.ingestion.plausible import FREEDOM

WITHIN_DEG = 8.0
"""What lies further from level or upright is neither: tilted boxes, sloped ceilings, cameras held askew."""

HELD_WITHIN_DEG = 25.0
"""People hold a camera level within so much."""

SAMPLES = 48
SAMPLE_SEED = 20260611
"""Fixed, so that the same scene gives the same bytes."""

FEWEST = {"boxes": 3, "planes": 2, "cameras": 6, "undersides": 4}
"""Objects, planes, frames and objects from which on each is heard."""

AT_LEAST_DEG = {"boxes": 0.4, "planes": 0.25, "cameras": 2.0, "undersides": 0.4}
"""What each is off by, however well it agrees with itself: how level floors and furniture are built and annotated, and
how people hold cameras (a standard deviation per axis)."""

TELLS_DEG = 30.0
"""An estimate with a larger error says nothing."""

CHI2_95 = 2.45
"""Radius that holds 95% of a round normal distribution in a plane, over its standard deviation."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A vertical by one kind of evidence, or by all.

    Attributes
    ----------
    source : str
    tilt : (2,) float64, radians
        x and y of its direction (x, y, 1).
    covariance : (2, 2) float64
    n : int
        Objects, planes or frames that it rests on.
    """

    source: str
    tilt: Array
    covariance: Array
    n: int

    @property
    def error_deg(self) -> float:
        """Radius that holds the truth in 95% of cases."""
        return float(np.degrees(CHI2_95 * np.sqrt(np.linalg.eigvalsh(self.covariance)[-1])))

    @property
    def tilt_deg(self) -> float:
        """Angle between it and z."""
        return float(np.degrees(np.arctan(np.linalg.norm(self.tilt))))


@dataclass(frozen=True, eq=False)
class Equations:
    """What should be zero at the right tilt: `matrix @ tilt - value`, radians, with weights and what errs alike."""

    matrix: Array
    value: Array
    weight: Array
    group: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.value)


def estimates(sources: Sources) -> list[Estimate]:
    """Estimate the vertical of a scene whose z is about up, by each kind of evidence that it has."""
    found = []
    for name, make in EVIDENCE.items():
        if sources.made_upright and name in ("boxes", "undersides"):
            continue
        equations = make(sources)
        if equations is not None and (one := _estimate(name, equations)) is not None:
            found.append(one)
    return [one for one in found if one.error_deg < TELLS_DEG]


def joined(parts: list[Estimate]) -> Estimate | None:
    """Join estimates, each by its error; where they differ by more than that, the error grows until they agree.

    Examples
    --------
    >>> one = Estimate("boxes", np.zeros(2), np.eye(2) * 1e-4, 5)
    >>> other = Estimate("planes", np.array([0.0, 0.2]), np.eye(2) * 1e-4, 3)
    >>> both = joined([one, other])
    >>> both.tilt.round(3).tolist(), both.error_deg > 9
    ([0.0, 0.1], True)
    """
    if not parts:
        return None
    inverse = [np.linalg.inv(part.covariance) for part in parts]
    covariance = np.linalg.inv(np.sum(inverse, axis=0))
    tilt = covariance @ np.sum([own @ part.tilt for own, part in zip(inverse, parts, strict=True)], axis=0)
    off = [part.tilt - tilt for part in parts]
    chi2 = sum(float(d @ own @ d) for d, own in zip(off, inverse, strict=True))
    grown = max(chi2 / (2 * (len(parts) - 1)), 1.0) if len(parts) > 1 else 1.0
    return Estimate("all", tilt, covariance * grown, sum(part.n for part in parts))


def _boxes(sources: Sources) -> Equations | None:
    """Boxes have an axis upwards."""
    axes = sources.boxes.rotation.reshape(-1, 3)
    axes = axes * np.where(axes[:, 2:] < 0, -1.0, 1.0)
    row = np.flatnonzero(axes[:, 2] > np.cos(np.radians(WITHIN_DEG)))
    owner = row // 3
    if len(np.unique(owner)) < FEWEST["boxes"]:
        return None
    level = axes[row, :2] / axes[row, 2:]
    return _pairs(level, sources.prior.weight[owner], owner)


def _planes(sources: Sources) -> Equations | None:
    """Floors, tops and ceilings are level, and walls upright."""
    weight, plane = sources.planes.weight, np.arange(len(sources.planes))
    normal = sources.planes.normal * np.where(sources.planes.normal[:, 2:] < 0, -1.0, 1.0)
    level = normal[:, 2] > np.cos(np.radians(WITHIN_DEG))
    upright = normal[:, 2] < np.sin(np.radians(WITHIN_DEG))
    if (level | upright).sum() < FEWEST["planes"] or (not level.any() and upright.sum() < 2):
        return None
    flat = _pairs(normal[level, :2] / normal[level, 2:], weight[level], plane[level])
    # A wall's normal (a, b, c) is square to (x, y, 1): a x + b y + c = 0.
    return Equations(
        np.concatenate([flat.matrix, normal[upright, :2]]),
        np.concatenate([flat.value, -normal[upright, 2]]),
        np.concatenate([flat.weight, weight[upright]]),
        np.concatenate([flat.group, plane[upright]]),
    )


def _cameras(sources: Sources) -> Equations | None:
    """Cameras are held with one side of the picture level."""
    sides = sources.poses[:, :3, :2].transpose(0, 2, 1).reshape(-1, 3)
    level = np.abs(sides[:, 2]) < np.sin(np.radians(HELD_WITHIN_DEG))
    # Of a camera that looks straight down both sides are level, and neither says that it is held so.
    one = level.reshape(-1, 2).sum(axis=1) == 1
    kept = level & np.repeat(one, 2)
    if kept.sum() < FEWEST["cameras"]:
        return None
    stretch = np.flatnonzero(kept) // 2 * min(len(one), 12) // len(one)
    return Equations(sides[kept, :2], -sides[kept, 2], np.ones(kept.sum()), stretch)


def _undersides(sources: Sources) -> Equations | None:
    """Undersides of what stands on the floor are one plane: z = h + s . (x, y), of which the vertical is (-s, 1)."""
    standing = sources.prior.rows[sources.prior.bottom == 0]
    if len(standing) < FEWEST["undersides"]:
        return None
    boxes = sources.boxes
    bottom = box_bounds(boxes.center[standing], boxes.size[standing], boxes.rotation[standing])[:, 0, 2]
    place = boxes.center[standing, :2]
    weight = sources.prior.weight[standing]
    spread = max(float(np.sqrt(((place - place.mean(axis=0)) ** 2).sum(axis=1).mean())), 1e-9)
    # Heights over the spread of the places are angles, as in the other equations; h is taken out by the weighted mean.
    middle = np.average(np.column_stack([place, bottom]), axis=0, weights=weight)
    for _ in range(10):
        away = (np.column_stack([place, bottom]) - middle) / spread
        slope = _solve(away[:, :2], away[:, 2], weight)
        robust = weight * _weight(away[:, 2] - away[:, :2] @ slope)
        middle = np.average(np.column_stack([place, bottom]), axis=0, weights=robust)
    away = (np.column_stack([place, bottom]) - middle) / spread
    if np.linalg.eigvalsh(np.cov(away[:, :2].T))[0] < 0.02:  # in a row
        return None
    return Equations(-away[:, :2], away[:, 2], weight, np.arange(len(standing)))


EVIDENCE: dict[str, Callable[[Sources], Equations | None]] = {
    "boxes": _boxes,
    "planes": _planes,
    "cameras": _cameras,
    "undersides": _undersides,
}
"""Kind of evidence to its equations."""


def _pairs(level: Array, weight: Array, group: NDArray[np.int64]) -> Equations:
    """Equations of directions (k, 2) that are the vertical itself: two each."""
    matrix = np.tile(np.eye(2), (len(level), 1))
    return Equations(matrix, level.ravel(), np.repeat(weight, 2), np.repeat(group, 2))


def _estimate(name: str, equations: Equations) -> Estimate | None:
    """Solve equations, and again for samples of their groups."""
    tilt = _robust(equations.matrix, equations.value, equations.weight)
    groups, member = np.unique(equations.group, return_inverse=True)
    n = len(groups)
    rng = np.random.default_rng(SAMPLE_SEED)
    times = rng.multinomial(n, np.full(n, 1 / n), size=SAMPLES)
    residual = equations.value - equations.matrix @ tilt
    settled = equations.weight * _weight(residual)
    drawn = np.array([_solve(equations.matrix, equations.value, settled * k[member]) for k in times])
    spread = np.cov((drawn - tilt).T) * n / max(n - 2, 1)  # a mean of few varies more than samples of them do
    told = 2 * (equations.matrix * settled[:, None]).T @ equations.matrix / settled.sum()
    covariance = spread + np.radians(AT_LEAST_DEG[name]) ** 2 * np.linalg.inv(told + 1e-4 * np.eye(2))
    return Estimate(name, tilt, covariance, n) if np.isfinite(covariance).all() else None


def _robust(matrix: Array, value: Array, weight: Array) -> Array:
    tilt = _solve(matrix, value, weight)
    for _ in range(10):
        tilt = _solve(matrix, value, weight * _weight(value - matrix @ tilt))
    return tilt


def _weight(residual: Array) -> Array:
    """Weights of Student's t, its spread that of the residuals, a twentieth of a degree at least."""
    spread = max(1.4826 * float(np.median(np.abs(residual))), np.radians(0.05))
    return (FREEDOM + 1) / (FREEDOM + (residual / spread) ** 2)


def _solve(matrix: Array, value: Array, weight: Array) -> Array:
    """Least squares for (2,), held near zero where the equations leave a direction open."""
    weighted = matrix * weight[:, None]
    return np.linalg.solve(weighted.T @ matrix + 1e-6 * max(weight.sum(), 1e-9) * np.eye(2), weighted.T @ value)
