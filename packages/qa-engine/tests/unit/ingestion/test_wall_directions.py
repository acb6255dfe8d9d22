"""Furniture stands parallel to walls: columns taken for rows turn every box the other way, and walls say so."""

from dataclasses import replace

import numpy as np
import pytest
from qa_engine.ingestion.sanity import check_scene
from qa_engine.ingestion.wall_directions import direction_of_outline, direction_of_points
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.scene import Scene
from scipy.spatial.transform import Rotation

WALLS_DEG = 20.0
TURN = Rotation.from_euler("z", WALLS_DEG, degrees=True).as_matrix()
RING = np.array([[0.0, 0], [5, 0], [5, 4], [0, 4]]) @ TURN[:2, :2].T


def room(**changes):
    """Six things along the walls of a room that lies askew, and one that stands anyhow."""
    places = [[0.4, 1], [0.4, 3], [2.5, 0.4], [4.6, 1], [4.6, 3], [2, 3.6], [2.5, 2]]
    flat = np.column_stack([places, np.full(7, 0.5)])
    yaw = WALLS_DEG + np.array([90.0, 0, 0, 90, 270, 180, 33])
    values = {
        "category": np.array([f"gizmo {i}" for i in "abcdefg"]),
        "center": flat @ TURN.T,
        "size": np.tile([0.9, 0.5, 1.0], (7, 1)),
        "rotation": Rotation.from_euler("z", yaw[:, None], degrees=True).as_matrix().transpose(0, 2, 1),
    }
    return Scene(scene_name="s", dataset="d", **(values | changes))


def cloud_of_walls():
    rng = np.random.default_rng(2)
    walls = [
        a + (b - a) * rng.uniform(size=(800, 1)) + rng.normal(0, 0.01, (800, 2))
        for a, b in zip(RING, np.roll(RING, -1, axis=0), strict=True)
    ]
    walls = np.column_stack([np.concatenate(walls), rng.uniform(0, 2.5, 3200)])
    floor = np.column_stack([(rng.uniform(0, 1, (2000, 2)) * [5, 4]) @ TURN[:2, :2].T, rng.normal(0, 0.01, 2000)])
    return Cloud(np.concatenate([walls, floor]).astype(np.float32), np.full(5200, -1))


def said(scene):
    inspection = check_scene(scene)
    return [str(found.error) for found in inspection.findings], [doubt.switch for doubt in inspection.untold]


@pytest.mark.parametrize("walls", [{"floor_polygon": RING}, {"cloud": cloud_of_walls()}], ids=["outline", "cloud"])
def test_walls_tell_rows_from_columns(walls):
    assert "axes=columns" in said(room())[1]  # boxes alone do not
    right = room(**walls)
    findings, untold = said(right)
    assert not [words for words in findings if "columns" in words]
    assert "axes=columns" not in untold
    findings, _ = said(replace(right, rotation=right.rotation.transpose(0, 2, 1)))
    assert any("--set axes=columns" in words and "walls" in words for words in findings), findings


def test_rooms_without_a_direction_say_nothing():
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert direction_of_outline(circle) is None
    assert direction_of_outline(np.zeros((4, 2))) is None
    assert direction_of_outline(RING) == pytest.approx(WALLS_DEG)
    assert direction_of_points(cloud_of_walls().xyz.astype(float)) == pytest.approx(WALLS_DEG, abs=1)
    ball = np.random.default_rng(0).normal(size=(4000, 3))
    assert direction_of_points(ball) is None
    assert direction_of_points(np.zeros((0, 3))) is None
    assert direction_of_points(np.zeros((4000, 3))) is None
    wrong = room(floor_polygon=circle)
    assert "axes=columns" in said(replace(wrong, rotation=wrong.rotation.transpose(0, 2, 1)))[1]
