"""Laws of clouds, relations and rooms, against brute force and known shapes."""

import numpy as np
import pytest
import qa_engine.geometry as geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from qa_engine.geometry import (
    alpha_shape_area,
    box_cloud_distance,
    box_contains,
    box_corners,
    box_distance,
    box_faces,
    box_supports,
    cloud_distance,
    footprint_overlap,
    occupancy_area,
    point_box_distance,
    point_in_box,
    room_area,
)
from scipy.optimize import lsq_linear
from scipy.spatial.transform import Rotation

SEEDS = st.integers(0, 2**32 - 1)
LAWS = settings(max_examples=25, deadline=None)


def boxes(rng, n):
    rotation = Rotation.random(n, rng).as_matrix().transpose(0, 2, 1)
    return rng.uniform(-2, 2, (n, 3)), rng.uniform(0.1, 2, (n, 3)), rotation


def upright(rng, n):
    rotation = Rotation.from_euler("z", rng.uniform(0, 360, (n, 1)), degrees=True).as_matrix()
    return rng.uniform(-2, 2, (n, 3)), rng.uniform(0.1, 2, (n, 3)), rotation


def motion(rng):
    turn, shift = Rotation.random(None, rng).as_matrix(), rng.uniform(-10, 10, 3)
    return (lambda p: p @ turn.T + shift), (lambda c, s, r: (c @ turn.T + shift, s, r @ turn.T))


@LAWS
@given(SEEDS)
def test_point_to_box_is_bounded_least_squares_and_the_degenerate_box_distance(seed):
    rng = np.random.default_rng(seed)
    center, size, rotation = boxes(rng, 4)
    points = rng.uniform(-4, 4, (5, 3))
    got = point_box_distance(points, center, size, rotation)
    for i in range(4):
        half = size[i] / 2
        for k in range(5):
            fit = lsq_linear(rotation[i].T, points[k] - center[i], (-half, half), method="bvls", tol=1e-15)
            assert got[i, k] == pytest.approx(np.sqrt(2 * fit.cost), abs=1e-9)
    dot, eye = np.zeros((5, 3)), np.repeat(np.eye(3)[None], 5, axis=0)
    for i in range(4):
        same = [np.repeat(x[i : i + 1], 5, axis=0) for x in (center, size, rotation)]
        np.testing.assert_allclose(box_distance(*same, points, dot, eye), got[i], atol=1e-9)


@LAWS
@given(SEEDS, st.sampled_from([1, 5, 257, 3000]))
def test_box_to_cloud_is_brute_force(seed, n):
    rng = np.random.default_rng(seed)
    box, cloud = boxes(rng, 3), rng.normal(0, 2, (n, 3)) * rng.uniform(0, 2, 3) + rng.uniform(-3, 3, 3)
    expected = point_box_distance(cloud, *box).min(axis=1)
    got = box_cloud_distance(*box, cloud)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    assert ((got == 0) == point_in_box(cloud, *box).any(axis=1)).all()
    move_points, move_boxes = motion(rng)
    np.testing.assert_allclose(box_cloud_distance(*move_boxes(*box), move_points(cloud)), got, rtol=0, atol=1e-9)
    center, size, rotation = box
    np.testing.assert_allclose(box_cloud_distance(3 * center, 3 * size, rotation, 3 * cloud), 3 * got, atol=1e-9)


@LAWS
@given(SEEDS, st.sampled_from([1, 2, 400]))
def test_cloud_to_cloud_is_brute_force(seed, n):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 1, (n, 3)), rng.normal(0, 1, (300, 3)) + rng.uniform(-4, 4, 3)
    expected = np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2)).min()
    assert cloud_distance(a, b) == pytest.approx(expected, abs=1e-12)
    assert cloud_distance(b, a) == pytest.approx(expected, abs=1e-12)
    move, _ = motion(rng)
    assert cloud_distance(move(a), move(b)) == pytest.approx(expected, abs=1e-9)
    assert cloud_distance(2 * a, 2 * b) == pytest.approx(2 * expected, abs=1e-9)
    assert cloud_distance(a, np.concatenate([b, a[:1]])) == 0


def test_empty_clouds_are_infinitely_far():
    none = np.zeros((0, 3))
    assert cloud_distance(none, np.ones((2, 3))) == np.inf
    assert box_cloud_distance([[0, 0, 0]], [[1, 1, 1]], np.eye(3)[None], none).tolist() == [np.inf]
    with pytest.raises(ValueError, match="points"):
        cloud_distance(np.ones((2, 2)), np.ones((2, 3)))


@LAWS
@given(SEEDS)
def test_faces_are_flat_and_point_outwards(seed):
    center, size, rotation = boxes(np.random.default_rng(seed), 3)
    faces = box_faces(center, size, rotation)
    normal = np.cross(faces[:, :, 1] - faces[:, :, 0], faces[:, :, 2] - faces[:, :, 1])
    outward = np.einsum("nfd,nfd->nf", normal, faces.mean(axis=2) - center[:, None])
    assert (outward > 0).all()
    area = np.linalg.norm(normal, axis=2).sum(axis=1)
    x, y, z = size.T
    np.testing.assert_allclose(area, 2 * (x * y + y * z + z * x), rtol=1e-9)
    flat = np.einsum("nfd,nfd->nf", normal, faces[:, :, 3] - faces[:, :, 0])
    np.testing.assert_allclose(flat, 0, atol=1e-9)


@LAWS
@given(SEEDS)
def test_containment_agrees_with_points_and_moves_along(seed):
    rng = np.random.default_rng(seed)
    outer, inner = boxes(rng, 30), boxes(rng, 30)
    inner = (outer[0] + (inner[0] - outer[0]) * 0.1, inner[1] * 0.4, inner[2])
    got = box_contains(*outer, *inner, tolerance_m=0)
    weights = rng.dirichlet(np.ones(8), (30, 40))
    points = np.concatenate([weights @ box_corners(*inner), box_corners(*inner)], axis=1)
    shape = zip(*outer, points, strict=True)
    expected = [point_in_box(p, c[None], s[None], r[None]).all() for c, s, r, p in shape]
    assert got.tolist() == expected
    _, move = motion(rng)
    assert (box_contains(*move(*outer), *move(*inner), tolerance_m=1e-9) >= got).all()
    assert box_contains(*outer, *outer).all()
    volumes = outer[1].prod(axis=1), inner[1].prod(axis=1)
    assert not (got & (volumes[1] > volumes[0])).any()


@LAWS
@given(SEEDS)
def test_footprint_overlap_is_what_random_points_see(seed):
    rng = np.random.default_rng(seed)
    a, b = upright(rng, 2), upright(rng, 2)
    got = footprint_overlap(*a, *b)
    np.testing.assert_allclose(footprint_overlap(*b, *a), got, atol=1e-9)
    np.testing.assert_allclose(footprint_overlap(*a, *a), a[1][:, 0] * a[1][:, 1], atol=1e-9)
    x, y = np.meshgrid(np.linspace(-4, 4, 250), np.linspace(-4, 4, 250))
    xy = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    flat = [(c * [1, 1, 0], s, r) for c, s, r in (a, b)]
    both = point_in_box(xy, *flat[0]) & point_in_box(xy, *flat[1])
    np.testing.assert_allclose(both.mean(axis=1) * 64, got, atol=0.06)


@LAWS
@given(SEEDS, st.floats(-0.04, 0.04))
def test_what_is_put_on_a_box_is_supported_by_it(seed, gap):
    rng = np.random.default_rng(seed)
    lower, upper = upright(rng, 20), upright(rng, 20)
    center = lower[0].copy()
    center[:, 2] += lower[1][:, 2] / 2 + upper[1][:, 2] / 2 + gap
    size = upper[1].copy()
    size[:, :2] = np.minimum(size[:, :2], lower[1][:, :2].min(axis=1, keepdims=True) / 2)
    upper = (center, size, upper[2])
    assert box_supports(*lower, *upper).all()
    assert not box_supports(*upper, *lower).any()
    lifted = (center + np.array([0, 0, 0.1]), size, upper[2])
    assert not box_supports(*lower, *lifted).any()
    aside = (center + np.array([20, 0, 0]), size, upper[2])
    assert not box_supports(*lower, *aside).any()


def scan(rng, n=40_000):
    """An L-shaped room of 17 m2 with a 1 x 1 m hole where furniture hid the floor."""
    points = rng.uniform(0, [5, 4], (n, 2))
    notch = (points > [3.5, 2]).all(axis=1)
    hole = ((points > [1, 1]) & (points < [2, 2])).all(axis=1)
    return points[~notch & ~hole]


@pytest.mark.parametrize("turn", [0, 20, 45])
def test_room_area_of_a_known_room(turn):
    angle = np.radians(turn)
    points = scan(np.random.default_rng(turn)) @ [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert room_area(points) == pytest.approx(17, rel=0.02)  # the hole belongs to the floor
    assert room_area(points, method="alpha_shape") == pytest.approx(16, rel=0.02)  # the hole does not


@LAWS
@given(SEEDS)
def test_room_area_ignores_repeats_and_shifts_and_scales(seed):
    rng = np.random.default_rng(seed)
    points = scan(rng, 4000)
    area = alpha_shape_area(points)
    assert alpha_shape_area(np.repeat(points, 2, axis=0) + 0.0) == pytest.approx(area)
    assert alpha_shape_area(points + np.array([100, -50])) == pytest.approx(area, rel=1e-3)
    assert alpha_shape_area(points * 2, alpha=2.5) == pytest.approx(area * 4, rel=1e-6)
    grid = occupancy_area(points)
    assert occupancy_area(points * 2, cell_m=0.2) == pytest.approx(grid * 4)
    assert occupancy_area(rng.permutation(points)) == pytest.approx(grid)
    assert occupancy_area(points + np.array([0.25, 0])) == pytest.approx(grid, rel=0.03)


def test_room_area_of_nothing_and_of_nonsense():
    for method in ("occupancy", "alpha_shape"):
        assert room_area(np.zeros((0, 2)), method=method) == 0
        assert room_area([[1.0, 1.0]], method=method) <= 0.01
        assert room_area([[0.0, 0], [1, 0], [2, 0]], method=method) <= 0.2
        square = np.random.default_rng(0).uniform(0, 1, (3000, 2))
        dirty = np.concatenate([square, [[np.nan, 1.0]]])
        assert room_area(dirty, method=method) == room_area(square, method=method)
    with pytest.raises(ValueError, match="occupancy"):
        room_area([[0.0, 0]], method="hull")
    with pytest.raises(ValueError, match=r"\(n, 2\)"):
        room_area([[0.0, 0, 0]])


def test_everything_exported_is_there():
    for name in geometry.__all__:
        assert hasattr(geometry, name), name
    with pytest.raises(AttributeError):
        _ = geometry.box_distanse
