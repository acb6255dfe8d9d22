"""What cameras and points add to boxes: worlds that boxes alone do not tell, and clouds of another world."""

from dataclasses import replace

import numpy as np
import pytest
from qa_engine.ingestion.sanity import check_scene
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.scene import Frame, Scene
from scipy.spatial.transform import Rotation

YAW = np.deg2rad([20.0, 20, 110, 65, 20])
CENTER = np.array([[1.0, 1, 0.45], [3, 1, 0.45], [1, 3, 0.45], [3, 3.5, 0.45], [2, 5, 0.45]])
SIZE = np.array([[0.5, 0.9, 0.9], [0.4, 1.0, 0.9], [0.5, 0.8, 0.9], [0.4, 1.1, 0.9], [0.3, 0.9, 0.9]])
UPSIDE_DOWN = np.diag([1.0, -1, -1])


@pytest.fixture
def gizmos():
    """Five things of one height whose category says nothing: their boxes do not tell what is up."""
    rows = Rotation.from_euler("z", YAW[:, None]).as_matrix().transpose(0, 2, 1)
    return Scene(scene_name="s", dataset="d", category=np.array(["gizmo"] * 5), center=CENTER, size=SIZE, rotation=rows)


@pytest.fixture
def cloud(gizmos):
    """Points on the floor, and in every box."""
    rng = np.random.default_rng(4)
    floor = np.column_stack([rng.uniform(0, 4, 2000), rng.uniform(0, 6, 2000), rng.normal(0, 0.005, 2000)])
    inside = [
        c + (rng.uniform(-0.5, 0.5, (300, 3)) * s) @ r for c, s, r in zip(CENTER, SIZE, gizmos.rotation, strict=True)
    ]
    owner = np.concatenate([np.full(2000, -1), np.repeat(np.arange(5), 300)])
    return Cloud(np.concatenate([floor, *inside]), owner)


def cameras():
    poses = np.tile(np.eye(4), (8, 1, 1))
    poses[:, :3, :3] = (
        Rotation.from_euler("z", np.arange(8)[:, None]) * Rotation.from_euler("x", -100, degrees=True)
    ).as_matrix()
    poses[:, :3, 3] = [2, 2, 1.5]
    return poses


def flipped(scene):
    turn = UPSIDE_DOWN
    cloud = None if scene.cloud is None else Cloud(scene.cloud.xyz @ turn.T, scene.cloud.instance_id)
    frames = []
    for frame in scene.frames:
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = turn @ frame.world_from_camera[:3, :3], turn @ frame.world_from_camera[:3, 3]
        frames.append(replace(frame, world_from_camera=pose))
    return replace(
        scene, center=scene.center @ turn.T, rotation=scene.rotation @ turn.T, cloud=cloud, frames=tuple(frames)
    )


def reasons(scene):
    return [found.error.reason.value for found in check_scene(scene).findings]


def test_boxes_alone_do_not_tell_and_it_is_said(gizmos):
    assert reasons(gizmos) == reasons(flipped(gizmos)) == []
    switches = [doubt.switch for doubt in check_scene(gizmos).untold]
    assert {"up=-z", "axes=columns"} <= set(switches)
    assert len(set(switches)) == len(switches)


def test_a_cloud_tells_what_is_up(gizmos, cloud):
    scene = replace(gizmos, cloud=cloud)
    assert reasons(scene) == []
    assert reasons(flipped(scene)) == ["not_upright"]
    assert "up=-z" not in {doubt.switch for doubt in check_scene(scene).untold}


def test_cameras_tell_what_is_up_but_refuse_nothing_alone(gizmos):
    frames = tuple(
        Frame(frame_id=str(i), rgb=np.zeros((4, 6, 3), np.uint8), world_from_camera=pose)
        for i, pose in enumerate(cameras())
    )
    scene = replace(gizmos, frames=frames)
    assert reasons(scene) == []
    (found,) = [found for found in check_scene(flipped(scene)).findings if found.error.reason.value == "not_upright"]
    assert not found.severe
    assert "cameras, points and walls fit it better" in str(found.error)


@pytest.mark.parametrize("labelled", [True, False])
def test_points_tell_rows_from_columns(gizmos, cloud, labelled):
    points = cloud if labelled else Cloud(cloud.xyz, np.full(len(cloud), -1))
    wrong = replace(gizmos, rotation=gizmos.rotation.transpose(0, 2, 1).copy(), cloud=points)
    assert reasons(wrong) == ["box_axes"]
    assert "axes=columns" in str(check_scene(wrong).findings[0].error)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_cloud_of_another_world_is_refused(gizmos, cloud, labelled):
    owner = cloud.instance_id if labelled else np.full(len(cloud), -1)
    away = replace(gizmos, cloud=Cloud(cloud.xyz + np.float32([30, 0, 0]), owner))
    (found,) = check_scene(away).findings
    assert (found.error.reason.value, found.severe) == ("points_outside", True)
