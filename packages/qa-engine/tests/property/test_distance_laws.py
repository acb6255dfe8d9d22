import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qa_engine.geometry import box_corners, box_distance, point_in_box
from scipy.optimize import lsq_linear
from scipy.spatial.transform import Rotation

SEEDS = st.integers(0, 2**32 - 1)
KINDS = ("tilted", "yaw", "aligned", "quarter", "thin", "stick", "nearly_parallel")


def boxes(rng, n, kind):
    """Random boxes around the origin: about every tenth pair overlaps."""
    center, size = rng.uniform(-2, 2, (n, 3)), rng.uniform(0.02, 2, (n, 3))
    if kind in ("yaw", "thin"):
        rotation = Rotation.from_euler("z", rng.uniform(0, 360, (n, 1)), degrees=True).as_matrix()
    elif kind == "quarter":
        rotation = Rotation.from_euler("z", 90.0 * rng.integers(0, 4, (n, 1)), degrees=True).as_matrix()
    elif kind == "aligned":
        rotation = np.repeat(np.eye(3)[None], n, axis=0)
        center, size = np.round(center, 1), np.round(size, 1) + 0.1  # touching faces and equal edges happen
    elif kind == "nearly_parallel":
        rotation = Rotation.from_rotvec(rng.normal(0, 10.0 ** rng.uniform(-9, -4, (n, 1)), (n, 3))).as_matrix()
    else:
        rotation = Rotation.random(n, rng).as_matrix()
    if kind in ("thin", "stick"):
        size[np.arange(n), rng.integers(0, 3, n)] = 0
    if kind == "stick":
        size[np.arange(n), rng.integers(0, 3, n)] = 0
    return center, size, rotation.transpose(0, 2, 1)


def least_squares_distance(a, b):
    """Distance of one pair by bounded least squares over the points of both boxes."""
    (center_a, size_a, rotation_a), (center_b, size_b, rotation_b) = a, b
    matrix = np.hstack([rotation_a.T, -rotation_b.T])
    half = np.concatenate([size_a, size_b]) / 2
    free = half > 0
    fit = lsq_linear(matrix[:, free], center_b - center_a, (-half[free], half[free]), method="bvls", tol=1e-15)
    return np.sqrt(2 * fit.cost)


@pytest.mark.parametrize("kind", KINDS)
def test_equals_bounded_least_squares(kind):
    rng = np.random.default_rng(KINDS.index(kind))
    a, b = boxes(rng, 200, kind), boxes(rng, 200, kind if rng.random() < 0.5 else "tilted")
    expected = [least_squares_distance([x[i] for x in a], [x[i] for x in b]) for i in range(200)]
    np.testing.assert_allclose(box_distance(*a, *b), expected, rtol=0, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_symmetric_and_unchanged_by_rigid_motion_and_scaled(seed, kind_a, kind_b):
    rng = np.random.default_rng(seed)
    a, b = boxes(rng, 30, kind_a), boxes(rng, 30, kind_b)
    distance = box_distance(*a, *b)
    np.testing.assert_allclose(box_distance(*b, *a), distance, rtol=0, atol=1e-9)

    motion, shift, scale = Rotation.random(None, rng).as_matrix(), rng.uniform(-10, 10, 3), rng.uniform(0.1, 10)
    moved = [(c @ motion.T + shift, s, r @ motion.T) for c, s, r in (a, b)]
    np.testing.assert_allclose(box_distance(*moved[0], *moved[1]), distance, rtol=0, atol=1e-9)
    scaled = [(c * scale, s * scale, r) for c, s, r in (a, b)]
    np.testing.assert_allclose(box_distance(*scaled[0], *scaled[1]), distance * scale, rtol=0, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(KINDS))
def test_triangle_bound_and_at_most_any_sampled_pair(seed, kind):
    rng = np.random.default_rng(seed)
    a, b, c = (boxes(rng, 30, kind) for _ in range(3))
    ab, bc, ac = box_distance(*a, *b), box_distance(*b, *c), box_distance(*a, *c)
    diameter_b = np.linalg.norm(b[1], axis=1)
    assert (ac <= ab + bc + diameter_b + 1e-9).all()
    weights = rng.dirichlet(np.ones(8), (30, 20))
    points_a, points_b = weights @ box_corners(*a), weights[:, ::-1] @ box_corners(*b)
    sampled = np.linalg.norm(points_a[:, :, None] - points_b[:, None], axis=-1).min(axis=(1, 2))
    assert (ab <= sampled + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(["tilted", "yaw", "aligned", "nearly_parallel"]))
def test_zero_exactly_when_the_boxes_meet(seed, kind):
    rng = np.random.default_rng(seed)
    a, b = boxes(rng, 30, kind), boxes(rng, 30, kind)
    shared = np.einsum("nk,nkd->nd", rng.dirichlet(np.ones(8), 30), box_corners(*a))
    inside_b = np.einsum("nk,nkd->nd", rng.dirichlet(np.ones(8), 30), box_corners(b[0] * 0, b[1], b[2]))
    meeting = box_distance(*a, shared - inside_b, b[1], b[2])
    assert (meeting == 0).all()
    # A shift along the line of centres by more than both diagonals parts any two boxes.
    far = (np.linalg.norm(a[1], axis=1) + np.linalg.norm(b[1], axis=1)) / 2 + 0.01
    direction = rng.normal(size=(30, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    parted = box_distance(*a, a[0] + direction * far[:, None], b[1], b[2])
    assert (parted > 0.009).all()


def test_crossing_bars_meet_although_no_corner_is_inside():
    eye = np.eye(3)[None]
    bars = [[4.0, 0.1, 0.1]], [[0.1, 4.0, 0.1]]
    assert box_distance([[0, 0, 0]], bars[0], eye, [[0.3, -0.2, 0]], bars[1], eye)[0] == 0
    assert box_distance([[0, 0, 0]], bars[0], eye, [[0.3, -0.2, 0.25]], bars[1], eye)[0] == pytest.approx(0.15)


def test_edges_facing_each_other_over_a_corner():
    quarter = Rotation.from_euler("z", 45, degrees=True).as_matrix().T[None]
    tilted = Rotation.from_euler("y", 45, degrees=True).as_matrix().T[None]
    unit = [[1.0, 1.0, 1.0]]
    # The vertical edge of the first at x = sqrt(1/2) faces the horizontal edge of the second.
    distance = box_distance([[0, 0, 0]], unit, quarter, [[3, 0, 0]], unit, tilted)[0]
    assert distance == pytest.approx(3 - np.sqrt(2), abs=1e-12)


def test_empty_input_nan_and_wrong_shapes():
    none = np.zeros((0, 3))
    assert box_distance(none, none, np.zeros((0, 3, 3)), none, none, np.zeros((0, 3, 3))).shape == (0,)
    rng = np.random.default_rng(0)
    a, b = boxes(rng, 3, "yaw"), boxes(rng, 3, "yaw")
    whole = box_distance(*a, *b)
    for part in range(3):
        bad = [x.copy() for x in a]
        bad[part][1] = np.nan
        distance = box_distance(*bad, *b)
        assert np.isnan(distance[1])
        assert distance[[0, 2]].tolist() == whole[[0, 2]].tolist()
    with pytest.raises(ValueError, match="expected"):
        box_distance(a[0][:, :2], *a[1:], *b)
    with pytest.raises(ValueError, match="as many boxes"):
        box_distance(*a, *(x[:2] for x in b))


def test_a_pair_does_not_depend_on_its_neighbours():
    rng = np.random.default_rng(5)
    a, b = boxes(rng, 2500, "tilted"), boxes(rng, 2500, "tilted")
    whole = box_distance(*a, *b)
    for i in (0, 1, 1023, 1024, 2499):
        alone = box_distance(*(x[i : i + 1] for x in a), *(x[i : i + 1] for x in b))
        assert alone[0] == whole[i]


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_points_in_a_box_have_distance_zero_to_it(seed):
    rng = np.random.default_rng(seed)
    center, size, rotation = boxes(rng, 5, "tilted")
    points = rng.uniform(-3, 3, (40, 3))
    inside = point_in_box(points, center, size, rotation)
    dot, eye = np.zeros((40, 3)), np.repeat(np.eye(3)[None], 40, axis=0)
    for k in range(5):
        repeat = [np.repeat(x[k : k + 1], 40, axis=0) for x in (center, size, rotation)]
        assert ((box_distance(points, dot, eye, *repeat) == 0) == inside[k]).all()
