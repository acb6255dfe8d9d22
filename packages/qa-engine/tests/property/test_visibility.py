"""What is observed against the instance images of the renderer, which are exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qa_engine.datasets.procedural import furnish, render, walk
from qa_engine.datasets.procedural.camera import intrinsics
from qa_engine.scenes.cameras import Camera, project
from qa_engine.views.boxes import see_boxes

SIZE = 96


def case(seed, size=SIZE):
    room = furnish(np.random.default_rng(seed))
    pose = walk(room, 3)[seed % 3]
    camera = Camera(width=size, height=size, intrinsics=intrinsics(size), world_from_camera=pose)
    return room, camera, render(room, pose, size)


def boxes(room):
    return room.center, room.size, room.rotation


def alone_px(room, camera, row):
    """Pixels that the renderer gives to one box in an empty room."""
    single = furnish(np.random.default_rng(0))
    fields = {name: getattr(room, name)[row : row + 1] for name in ("category", "center", "size", "rotation", "colour")}
    empty = type(single)(**{**vars(room), **fields})
    return int((render(empty, camera.world_from_camera, camera.width).instance == 0).sum())


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_instance_images_are_counted_exactly(seed):
    room, camera, picture = case(seed)
    views = see_boxes(*boxes(room), camera, depth_m=picture.depth_m, instance=picture.instance.astype(np.int64))
    count = np.bincount(picture.instance[picture.instance >= 0], minlength=len(room.size))
    assert views.row.tolist() == np.flatnonzero(count).tolist()
    assert views.visible_px.tolist() == count[views.row].tolist()
    for k, row in enumerate(views.row):
        down, right = np.nonzero(picture.instance == row)
        assert views.box_2d[k].tolist() == [right.min(), down.min(), right.max() + 1, down.max() + 1]
        assert views.depth_m[k] == np.median(picture.depth_m[down, right])


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_the_fraction_is_that_of_the_box_alone(seed):
    room, camera, picture = case(seed)
    views = see_boxes(*boxes(room), camera, depth_m=picture.depth_m, instance=picture.instance.astype(np.int64))
    for row, px, fraction in zip(views.row, views.visible_px, views.visible_fraction, strict=True):
        alone = alone_px(room, camera, row)
        assert abs(fraction - px / alone) <= 3 / alone  # a pixel of the outline may fall to either side


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_boxes_and_depth_agree_with_the_instance_image(seed, with_depth):
    room, camera, picture = case(seed)
    exact = see_boxes(*boxes(room), camera, depth_m=picture.depth_m, instance=picture.instance.astype(np.int64))
    found = see_boxes(*boxes(room), camera, depth_m=picture.depth_m if with_depth else None)
    n = len(room.size)
    counts = [np.zeros(n), np.zeros(n)]
    for count, views in zip(counts, (exact, found), strict=True):
        count[views.row] = views.visible_px
    # Where boxes stand on the floor or by a wall, depth cannot tell a pixel of the floor from one of the box.
    outline = 4 * np.sqrt(counts[0]) + 6 if with_depth else 3 + 0.01 * counts[0]
    assert (np.abs(counts[0] - counts[1]) <= outline).all()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_truncated_means_that_a_wider_image_shows_more(seed):
    room, camera, _ = case(seed)
    pad = SIZE
    matrix = camera.intrinsics.copy()
    matrix[:2, 2] += pad
    wide = Camera(
        width=SIZE + 2 * pad, height=SIZE + 2 * pad, intrinsics=matrix, world_from_camera=camera.world_from_camera
    )
    for row in range(len(room.size)):
        one = [array[row : row + 1] for array in boxes(room)]
        inside, outside = (see_boxes(*one, each) for each in (camera, wide))
        if len(inside.row) and not inside.truncated[0]:
            assert inside.visible_px[0] == outside.visible_px[0]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_projection_inverts_back_projection(seed):
    rng = np.random.default_rng(seed)
    _, camera, _ = case(seed % 7)
    pixel, depth = rng.uniform(0, SIZE, (20, 2)), rng.uniform(0.2, 9, 20)
    local = np.column_stack([pixel, np.ones(20)]) @ np.linalg.inv(camera.intrinsics).T * depth[:, None]
    world = local @ camera.world_from_camera[:3, :3].T + camera.world_from_camera[:3, 3]
    again, z = project(world, camera)
    np.testing.assert_allclose(again, pixel, atol=1e-6)
    np.testing.assert_allclose(z, depth, atol=1e-9)


def test_moving_the_world_changes_nothing():
    room, camera, picture = case(4)
    angle = 0.7
    move = np.eye(4)
    move[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    move[:3, 3] = [3, -2, 1]
    moved = Camera(
        width=SIZE,
        height=SIZE,
        intrinsics=camera.intrinsics,
        world_from_camera=move @ camera.world_from_camera,
    )
    center = room.center @ move[:3, :3].T + move[:3, 3]
    first = see_boxes(*boxes(room), camera, depth_m=picture.depth_m)
    second = see_boxes(center, room.size, room.rotation @ move[:3, :3].T, moved, depth_m=picture.depth_m)
    assert first.row.tolist() == second.row.tolist()
    assert np.abs(first.visible_px - second.visible_px).max() <= 3


def test_a_box_around_the_camera_hides_nothing():
    camera = Camera(width=32, height=32, intrinsics=intrinsics(32), world_from_camera=np.eye(4))
    center, size = np.array([[0.0, 0, 0], [0, 0, 4]]), np.array([[3.0, 3, 3], [1, 1, 1]])
    views = see_boxes(center, size, np.stack([np.eye(3)] * 2), camera)
    assert views.row.tolist() == [1]
    assert views.visible_fraction.tolist() == [1.0]


def test_large_images_are_cast_on_a_grid():
    room, small, _ = case(9, size=160)
    factor = 4
    matrix = intrinsics(160 * factor)
    large = Camera(width=640, height=640, intrinsics=matrix, world_from_camera=small.world_from_camera)
    assert large.stride == 2
    exact, grid = see_boxes(*boxes(room), small), see_boxes(*boxes(room), large)
    assert grid.row.tolist() == exact.row.tolist()
    big = exact.visible_px > 100
    ratio = grid.visible_px[big] / (factor**2 * exact.visible_px[big])
    assert ratio == pytest.approx(np.ones(big.sum()), abs=0.1)


def test_without_camera_the_instance_image_is_enough():
    labels = np.full((4, 6), -1)
    labels[1:3, 0:2] = 1
    views = see_boxes(np.zeros((2, 3)), np.ones((2, 3)), np.stack([np.eye(3)] * 2), None, instance=labels)
    assert (views.row.tolist(), views.visible_px.tolist(), views.truncated.tolist()) == ([1], [4], [True])
    assert np.isnan(views.visible_fraction[0])
    with pytest.raises(ValueError, match="camera or an instance"):
        see_boxes(np.zeros((2, 3)), np.ones((2, 3)), np.stack([np.eye(3)] * 2), None)
