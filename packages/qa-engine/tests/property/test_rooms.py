import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qa_engine.datasets.procedural import CATALOGUE, furnish, render, walk
from qa_engine.datasets.procedural.camera import intrinsics
from shapely import Polygon

SIGNS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])


def corners(room):
    return room.center[:, None] + (SIGNS * room.size[:, None]) @ room.rotation


def footprints(room):
    return [Polygon(c[[0, 2, 6, 4], :2]) for c in corners(room)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_furniture_stands_inside_the_room_and_apart(seed):
    room = furnish(np.random.default_rng(seed))
    points = corners(room)
    assert (points[..., :2] > 0).all()
    assert (points[..., :2] < room.extent).all()
    np.testing.assert_allclose(points[..., 2].min(1), 0.0, atol=1e-9)
    shapes = footprints(room)
    gaps = [a.distance(b) for i, a in enumerate(shapes) for b in shapes[:i]]
    assert min(gaps, default=1.0) >= 0.05


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_furniture_has_the_sizes_of_the_catalogue(seed):
    room = furnish(np.random.default_rng(seed))
    for name, size in zip(room.category, room.size, strict=True):
        item = CATALOGUE[name]
        limits = np.array([item.length_m, item.width_m, item.height_m])
        assert (size >= limits[:, 0] - 1e-9).all()
        assert (size <= limits[:, 1] + 1e-9).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 9))
def test_camera_stays_in_the_room_outside_furniture_and_sees_its_middle(seed, frames):
    room = furnish(np.random.default_rng(seed))
    poses = walk(room, frames)
    eyes = poses[:, :3, 3]
    assert ((eyes[:, :2] > 0) & (eyes[:, :2] < room.extent)).all()
    local = np.abs(np.einsum("nij,fnj->fni", room.rotation, eyes[:, None] - room.center))
    assert not (local < room.size / 2).all(-1).any()
    np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1.0, atol=1e-9)
    middle = np.array([*room.extent / 2, 0.5]) - eyes
    ahead = np.einsum("fij,fi->fj", poses[:, :3, :3], middle)
    np.testing.assert_allclose(ahead[:, :2], 0.0, atol=1e-9)
    assert (ahead[:, 2] > 0).all()


def test_pixels_lie_on_the_surface_of_the_box_they_name():
    room = furnish(np.random.default_rng(11))
    pose = walk(room, 2)[1]
    picture = render(room, pose, 96)
    rows, columns = np.nonzero(picture.instance >= 0)
    assert len(rows) > 200
    depth = picture.depth_m[rows, columns].astype(float)
    camera = np.stack([columns, rows, np.ones_like(rows)], 1) @ np.linalg.inv(intrinsics(96)).T * depth[:, None]
    world = camera @ pose[:3, :3].T + pose[:3, 3]
    index = picture.instance[rows, columns]
    local = np.abs(np.einsum("pij,pj->pi", room.rotation[index], world - room.center[index]))
    np.testing.assert_allclose((local - room.size[index] / 2).max(1), 0.0, atol=2e-3)


def test_every_pixel_agrees_with_testing_all_boxes():
    room = furnish(np.random.default_rng(5))
    pose = walk(room, 3)[2]
    size = 48
    picture = render(room, pose, size)
    camera = intrinsics(size)
    v, u = np.mgrid[:size, :size]
    rays = np.stack([(u - camera[0, 2]) / camera[0, 0], (v - camera[1, 2]) / camera[1, 1], np.ones_like(u)], -1)
    rays = rays @ pose[:3, :3].T
    origin = np.einsum("nij,nj->ni", room.rotation, pose[:3, 3] - room.center)
    local = np.einsum("nij,hwj->hwni", room.rotation, rays)
    a, b = (-room.size / 2 - origin) / local, (room.size / 2 - origin) / local
    near, far = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
    near = np.where((near <= far) & (near > 0), near, np.inf)
    expected = np.where(np.isinf(near.min(-1)), -1, near.argmin(-1))
    assert (expected != picture.instance).mean() < 0.01


@pytest.mark.parametrize("size", [32, 64])
def test_same_seed_same_picture(size):
    first, second = (
        render(furnish(np.random.default_rng(2)), walk(furnish(np.random.default_rng(2)), 1)[0], size) for _ in "ab"
    )
    assert (first.rgb == second.rgb).all()
    assert first.rgb.shape == (size, size, 3)
