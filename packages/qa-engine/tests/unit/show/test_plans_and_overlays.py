"""Boxes over frames; objects and cameras on plans."""

import numpy as np
import pytest
from qa_engine.scenes.cameras import camera_of
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.store import Store
from qa_engine.show.overlays import frame_outlines, frame_overlay
from qa_engine.show.plans import MAX_NAMED, category_tones, plan_cameras, plan_objects
from qa_engine.views.observations import observe_frame


@pytest.fixture
def frame():
    return Frame(
        frame_id="0", rgb=np.zeros((10, 10, 3), np.uint8), intrinsics=np.diag([5.0, 5, 1]), world_from_camera=np.eye(4)
    )


@pytest.fixture
def scene():
    return Scene(
        scene_name="s",
        dataset="d",
        category=np.array(["tent", "<wall>"]),
        center=np.array([[0.0, 0, 0], [0, 0, -5]]),
        size=np.full((2, 3), 2.0),
        rotation=np.stack([np.eye(3)] * 2),
    )


def test_boxes_are_drawn_where_the_instance_image_has_the_object(rooms):
    name = Store(rooms).scene_names()[0]
    scene, frames = Store(rooms).load_scene(name), Store(rooms).frames(name)
    views = observe_frame(scene, frames[1])
    whole = [k for k, cut in enumerate(views.truncated) if not cut and views.visible_fraction[k] > 0.99]
    assert whole
    for k in whole:
        number = int(scene.instance_id[views.row[k]])
        (outline,) = frame_outlines(scene, camera_of(frames[1]), category_tones(scene), {number})
        ends = np.concatenate(outline.lines)
        drawn = np.concatenate([ends.min(axis=0), ends.max(axis=0)])
        seen = views.box_2d[k] - [0, 0, 1, 1]  # centres of the first and last pixel
        assert np.abs(drawn - seen).max() <= 1.0


def test_a_box_around_the_camera_and_one_behind_it_are_cut_not_wrapped(scene, frame):
    tent, wall = sorted(
        frame_outlines(scene, camera_of(frame), category_tones(scene), {0, 1}), key=lambda one: one.instance_id
    )
    assert wall.lines == []
    assert len(tent.lines) == 8  # the four edges behind the camera are gone, those across its plane are cut
    assert np.isfinite(tent.lines).all()
    svg = frame_overlay(scene, frame, category_tones(scene), {0, 1})
    assert 'data-id="0"' in svg
    assert 'data-id="1"' not in svg


def test_frames_without_a_camera_have_no_boxes_and_no_place(scene):
    blind = Frame(frame_id="0", rgb=np.zeros((10, 10, 3), np.uint8))
    assert frame_overlay(scene, blind, category_tones(scene)) is None
    assert plan_cameras([blind]) == []


def test_cameras_have_the_angle_of_their_image_and_the_number_of_their_frame(frame):
    blind = Frame(frame_id="0", rgb=np.zeros((10, 10, 3), np.uint8))
    (camera,) = plan_cameras([blind, frame])
    assert camera.label == "2"
    assert camera.fov_deg == pytest.approx(90)


def test_the_largest_objects_of_a_crowd_are_named(scene):
    n = MAX_NAMED + 5
    crowd = Scene(
        scene_name="s",
        dataset="d",
        category=np.array([f"c{i}" for i in range(n)]),
        center=np.zeros((n, 3)),
        size=np.linspace(0.1, 1, n)[:, None].repeat(3, axis=1),
        rotation=np.stack([np.eye(3)] * n),
    )
    labels = [one.label for one in plan_objects(crowd)]
    assert labels == [""] * 5 + [None] * MAX_NAMED
    assert {one.label for one in plan_objects(scene)} == {None}
