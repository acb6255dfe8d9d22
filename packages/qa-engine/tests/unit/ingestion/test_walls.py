"""Walls are the room: its outline and area, obstacles of routes, and in no list of objects."""

import json

import numpy as np
import pytest
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.facts.scene import Facts
from qa_engine.generation.llm.prompt import scene_facts
from qa_engine.geometry import Boxes
from qa_engine.geometry.walls import walled_floor
from qa_engine.ingestion.run import ingest
from qa_engine.programs import run_program
from qa_engine.scenes.store import Store
from qa_engine.show.plans import category_tones, plan_objects
from scipy.spatial.transform import Rotation

FURNITURE = [
    {"label": "sofa", "center": [1.0, 2.2, 0.4], "size": [1.9, 0.9, 0.8]},
    {"label": "table", "center": [2.2, 1.0, 0.37], "size": [1.2, 0.7, 0.74]},
    {"label": "chair", "center": [3.2, 1.0, 0.45], "size": [0.5, 0.5, 0.9]},
    {"label": "wardrobe", "center": [3.6, 2.6, 1.0], "size": [0.6, 0.7, 2.0]},
]
WALLS = [
    {"label": "wall", "center": [2.0, 0.0, 1.25], "size": [4.0, 0.1, 2.5]},
    {"label": "Wall", "center": [2.0, 3.0, 1.25], "size": [4.0, 0.1, 2.5]},
    {"label": "wall", "center": [0.0, 1.5, 1.25], "size": [0.1, 3.0, 2.5]},
    {"label": "wall", "center": [4.0, 1.0, 1.25], "size": [0.1, 2.0, 2.5]},
    {"label": "floor", "center": [2.0, 1.5, -0.05], "size": [4.0, 3.0, 0.1]},
    {"label": "ceiling", "center": [2.0, 1.5, 2.55], "size": [4.0, 3.0, 0.1]},
]


@pytest.fixture
def make_store(tmp_path):
    def make(boxes):
        (tmp_path / "scans/a").mkdir(parents=True)
        (tmp_path / "scans/a/boxes.json").write_text(json.dumps(boxes))
        ingest(get_dataset("generic"), tmp_path / "scans", out=tmp_path / "store", options=IngestOptions())
        return Store(tmp_path / "store")

    return make


def test_walls_give_outline_and_area_of_the_room(make_store):
    scene = make_store([*FURNITURE, *WALLS]).load_scene("a")
    assert scene.room_size_m2 == pytest.approx(3.9 * 2.9, abs=0.2)
    assert scene.floor_polygon.min(axis=0) == pytest.approx([0.05, 0.05], abs=0.02)
    assert scene.floor_polygon.max(axis=0) == pytest.approx([3.95, 2.95], abs=0.06)


@pytest.mark.parametrize("walls", [WALLS[:2], [*WALLS[:2], *WALLS[4:]], [WALLS[0] | {"size": [4.0, 3.0, 2.5]}]])
def test_walls_that_enclose_nothing_give_no_room(make_store, walls):
    scene = make_store([*FURNITURE, *walls]).load_scene("a")
    assert scene.room_size_m2 is None
    assert scene.floor_polygon is None


def test_walls_of_another_room_than_the_furniture_give_none(make_store):
    away = [box | {"center": [box["center"][0] + 9, *box["center"][1:]]} for box in FURNITURE]
    assert make_store([*away, *WALLS]).load_scene("a").room_size_m2 is None


def test_two_rooms_with_a_door_between_and_walls_at_an_angle():
    rows = np.array(
        [[2, 0, 4, 0.1], [6, 0, 4, 0.1], [2, 3, 4, 0.1], [6, 3, 4, 0.1], [0, 1.5, 0.1, 3], [8, 1.5, 0.1, 3]]
    )
    rows = np.vstack([rows, [[4, 1.0, 0.1, 2.0]]])  # a doorway of a metre in the wall between
    turn = Rotation.from_euler("z", 25, degrees=True).as_matrix()
    center = np.column_stack([rows[:, :2], np.full(len(rows), 1.25)]) @ turn.T
    size = np.column_stack([rows[:, 2:], np.full(len(rows), 2.5)])
    area, outline = walled_floor(Boxes(center, size, np.stack([turn.T] * len(rows))))
    assert area == pytest.approx(2.9 * 7.8, rel=0.03)
    corners = outline @ turn[:2, :2]
    assert corners.min(axis=0) == pytest.approx([0.05, 0.05], abs=0.05)
    assert corners.max(axis=0) == pytest.approx([7.95, 2.95], abs=0.05)


def test_nobody_lists_walls_as_objects(make_store):
    scene = make_store([*FURNITURE, *WALLS]).load_scene("a")
    facts = Facts(scene)
    assert run_program("categories()", facts).value == ["chair", "sofa", "table", "wardrobe"]
    assert run_program("objects()", facts).value == [0, 1, 2, 3]
    assert not any(word in scene_facts(facts) for word in ("wall", "floor", "ceiling"))
    assert set(category_tones(scene)) == {"chair", "sofa", "table", "wardrobe"}
    drawn = plan_objects(scene, category_tones(scene))
    assert sorted(one.category for one in drawn if one.label is None) == ["chair", "sofa", "table", "wardrobe"]
    assert [one.category for one in drawn if one.tone == "muted"] == ["wall"] * 4
