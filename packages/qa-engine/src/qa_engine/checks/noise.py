"""How far answers move when boxes are slightly wrong.

Each box is taken to be off by independent uniform errors: its centre by up to `CENTER_NOISE_M` along each axis, each
extent by up to `SIZE_NOISE`, its axes by a turn of up to `TURN_NOISE_DEG`. Errors pass to distances and angles in first
order, with the worst direction at every step, and bounds are `COVERAGE_SIGMAS` standard deviations. On average over
questions they hold at least 95% of the distances and 94% of the angles between noisy boxes; for a single question at
least 93% and 90%, where an angle is seen from nearby and first order is at its worst. A test counts exactly this.
"""

from __future__ import annotations

import numpy as np

from qa_engine.arrays import Array

CENTER_NOISE_M = 0.05
SIZE_NOISE = 0.05
TURN_NOISE_DEG = 3.0

CAMERA_NOISE_M = 0.03
"""Poses of recordings are off by up to so much along each axis: drift of visual odometry within a room."""

CAMERA_TURN_NOISE_DEG = 1.0
"""And by a turn of up to this."""

COVERAGE_SIGMAS = 1.96
"""Half-width of the bounds in standard deviations: 95% of a normal distribution."""

_CENTER_VARIANCE = CENTER_NOISE_M**2 / 3
_CAMERA_VARIANCE = CAMERA_NOISE_M**2 / 3
_SHAPE_VARIANCE = (SIZE_NOISE**2 + np.radians(TURN_NOISE_DEG) ** 2) / 3


def length_bounds(length: Array) -> tuple[Array, Array]:
    """Bounds of a box extent, in its own unit; certain, as the error is bounded.

    Examples
    --------
    >>> [float(round(bound[0], 1)) for bound in length_bounds(np.array([200.0]))]
    [190.0, 210.0]
    """
    return length * (1 - SIZE_NOISE), length * (1 + SIZE_NOISE)


def area_bounds(area: Array) -> tuple[Array, Array]:
    """Bounds of a floor area both sides of which are off by the error of an extent, m2."""
    return area * (1 - SIZE_NOISE) ** 2, area * (1 + SIZE_NOISE) ** 2


def distance_noise_m(half_diagonal_a: Array, half_diagonal_b: Array) -> Array:
    """Bounds' half-width of the distance between two boxes.

    Parameters
    ----------
    half_diagonal_a, half_diagonal_b : (n,) float64, metres
        No surface point is further from the centre, so none moves more by the errors of extents and turn.

    Returns
    -------
    (n,) float64, metres
    """
    shape = _SHAPE_VARIANCE * (half_diagonal_a**2 + half_diagonal_b**2)
    return COVERAGE_SIGMAS * np.sqrt(2 * _CENTER_VARIANCE + shape)


def turn_noise_deg(distance_facing: Array, distance_target: Array, turn: Array) -> Array:
    """Bounds' half-width of the angle between two objects as seen from a third.

    Parameters
    ----------
    distance_facing, distance_target : (n,) float64, metres
        From the standing point, on the floor plan.
    turn : (n,) float64, degrees
        The angle itself.

    Returns
    -------
    (n,) float64, degrees; infinite where an object stands on the standing point.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        near, far = 1 / distance_facing, 1 / distance_target
        variance = _CENTER_VARIANCE * 2 * (near**2 + far**2 - np.cos(np.radians(turn)) * near * far)
    return np.where(np.isfinite(variance), np.degrees(COVERAGE_SIGMAS * np.sqrt(variance)), np.inf)


def volume_noise(volume: Array) -> Array:
    """Bounds' half-width of a volume all sides of which are off by the error of an extent, in its own unit."""
    return volume * ((1 + SIZE_NOISE) ** 3 - 1)


def camera_distance_noise_m(half_diagonal: Array) -> Array:
    """Bounds' half-width of the distance between a camera and a box.

    Parameters
    ----------
    half_diagonal : (n,) float64, metres

    Returns
    -------
    (n,) float64, metres
    """
    return COVERAGE_SIGMAS * np.sqrt(_CENTER_VARIANCE + _CAMERA_VARIANCE + _SHAPE_VARIANCE * half_diagonal**2)


def camera_motion_noise_m() -> float:
    """Bounds' half-width of the distance between two cameras, metres."""
    return float(COVERAGE_SIGMAS * np.sqrt(2 * _CAMERA_VARIANCE))


def camera_turn_noise_deg(distance: Array) -> Array:
    """Bounds' half-width of the angle between a camera's view and an object.

    Parameters
    ----------
    distance : (n,) float64, metres
        From the camera to the object's centre on the floor plan.

    Returns
    -------
    (n,) float64, degrees; infinite where the object is above or below the camera.
    """
    with np.errstate(divide="ignore"):
        aside = np.sqrt(_CENTER_VARIANCE + _CAMERA_VARIANCE) / distance
    return COVERAGE_SIGMAS * np.hypot(np.degrees(aside), CAMERA_TURN_NOISE_DEG / np.sqrt(3))
