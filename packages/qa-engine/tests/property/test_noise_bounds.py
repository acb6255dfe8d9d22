"""Bounds hold for boxes with the stated noise as often as `checks.noise` says."""

import numpy as np
import pytest
from qa_engine.checks.noise import CENTER_NOISE_M, SIZE_NOISE, TURN_NOISE_DEG, distance_noise_m, turn_noise_deg
from qa_engine.geometry import bearing_deg, box_distance, turn_deg
from scipy.spatial.transform import Rotation

DRAWS = 400


def noisy(rng, center, size, rotation):
    """Boxes with errors as the module states them."""
    n = len(center)
    axis = rng.normal(size=(n, 3))
    axis /= np.linalg.norm(axis, axis=1)[:, None]
    angle = np.radians(rng.uniform(-TURN_NOISE_DEG, TURN_NOISE_DEG, (n, 1)))
    turned = Rotation.from_rotvec(axis * angle).as_matrix()
    return (
        center + rng.uniform(-CENTER_NOISE_M, CENTER_NOISE_M, (n, 3)),
        size * (1 + rng.uniform(-SIZE_NOISE, SIZE_NOISE, (n, 3))),
        rotation @ turned.transpose(0, 2, 1),
    )


@pytest.mark.parametrize("seed", range(3))
def test_distance_bounds_cover_95_percent(seed):
    rng = np.random.default_rng(seed)
    n = 60
    boxes = [
        (
            rng.uniform(-3, 3, (n, 3)),
            rng.uniform(0.1, 2, (n, 3)),
            Rotation.from_euler("z", rng.uniform(0, 360, (n, 1)), degrees=True).as_matrix(),
        )
        for _ in range(2)
    ]
    distance = box_distance(*boxes[0], *boxes[1])
    bound = distance_noise_m(*(np.linalg.norm(size, axis=1) / 2 for _, size, _ in boxes))
    draws = np.stack([box_distance(*noisy(rng, *boxes[0]), *noisy(rng, *boxes[1])) for _ in range(DRAWS)])
    inside = (np.abs(draws - distance) <= bound)[:, distance > 0.2].mean(axis=0)
    assert inside.mean() >= 0.95
    assert inside.min() >= 0.93


@pytest.mark.parametrize("seed", range(3))
def test_turn_bounds_cover_94_percent(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-3, 3, (3, 100, 2))
    apart = [np.linalg.norm(points[k] - points[0], axis=1) for k in (1, 2)]
    keep = (np.minimum(*apart) > 0.5) & (np.linalg.norm(points[1] - points[2], axis=1) > 0.3)
    points, apart = points[:, keep], [distance[keep] for distance in apart]

    def turn(p):
        return turn_deg(bearing_deg(p[0], p[1]), bearing_deg(p[0], p[2]))

    angle = turn(points)
    bound = turn_noise_deg(*apart, angle)
    draws = np.stack([turn(points + rng.uniform(-0.05, 0.05, points.shape)) for _ in range(DRAWS)])
    off = np.abs((draws - angle + 180) % 360 - 180)
    inside = (off <= bound).mean(axis=0)
    assert inside.mean() >= 0.94
    assert inside.min() >= 0.90


def test_an_object_on_the_standing_point_has_no_direction():
    assert turn_noise_deg(np.array([0.0]), np.array([1.0]), np.array([10.0]))[0] == np.inf
