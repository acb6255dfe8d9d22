import gzip
import json

import numpy as np
import pytest
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.procthor import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError

ASSETS = {
    "DiningTable": [{"assetId": "Table_1", "boundingBox": {"x": 2, "y": 0.8, "z": 1}}],
    "Cup": [{"assetId": "Cup_1", "boundingBox": {"x": 0.1, "y": 0.2, "z": 0.1}}],
}


def xyz(x, y, z):
    return {"x": x, "y": y, "z": z}


def room(width, depth, x=0.0):
    corners = [(x, 0), (x, depth), (x + width, depth), (x + width, 0)]
    return {"floorPolygon": [xyz(a, 0, b) for a, b in corners]}


def house(*, rooms=None, **changes):
    cup = {"assetId": "Cup_1", "position": xyz(1, 0.9, 3)}
    table = {"assetId": "Table_1", "position": xyz(1, 0.4, 3), "rotation": xyz(0, 30, 0), "children": [cup]}
    return {"objects": [table], "rooms": [room(4, 5)] if rooms is None else rooms} | changes


@pytest.fixture
def write(tmp_path):
    def write_houses(*houses, name="house.json"):
        (tmp_path / "asset-database.json").write_text(json.dumps(ASSETS))
        lines = "\n".join(map(json.dumps, houses)).encode()
        text = json.dumps(houses[0] if len(houses) == 1 else houses).encode()
        data = lines if "jsonl" in name else text
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path

    return write_houses


def read(root, **options):
    return load(discover(root, IngestOptions(**options))[0])


def test_unity_becomes_a_right_handed_world_with_z_up(write):
    scene = read(write(house()))
    assert scene.category.tolist() == ["dining table", "cup"]
    assert np.allclose(scene.center, [[1, 3, 0.4], [1, 3, 0.9]])
    assert np.isclose(scene.room_size_m2, 20)
    assert sorted(scene.floor_polygon.tolist()) == [[0, 0], [0, 5], [4, 0], [4, 5]]
    # Unity's yaw turns clockwise seen from above: the table's long side points to (cos 30, -sin 30) here.
    long_side = scene.rotation[0, np.argmax(scene.size[0])]
    assert np.isclose(abs(long_side @ [np.cos(np.pi / 6), -np.sin(np.pi / 6), 0]), 1)
    assert np.isclose(scene.size[0] @ np.abs(scene.rotation[0, :, 2]), 0.8)


def test_rooms_add_up_and_join(write):
    scene = read(write(house(rooms=[room(4, 5), room(2, 5, x=4)])))
    assert np.isclose(scene.room_size_m2, 30)
    assert np.isclose(np.ptp(scene.floor_polygon[:, 0]), 6)
    apart = read(write(house(rooms=[room(4, 5), room(2, 5, x=9)])))
    assert np.isclose(apart.room_size_m2, 30)
    assert apart.floor_polygon is None


@pytest.mark.parametrize("name", ["train.json", "train.jsonl", "train.jsonl.gz"])
def test_files_of_many_houses(write, name):
    root = write(house(), house(objects=[]), name=name)
    scenes = [load(source) for source in discover(root / name, IngestOptions())]
    assert [scene.scene_name for scene in scenes] == ["train_00000", "train_00001"]
    assert [len(scene) for scene in scenes] == [2, 0]


def test_every_asset_of_the_real_database_has_a_size(real_data, tmp_path):
    database = real_data / "real" / "procthor" / "asset-database.json"
    assets = json.loads(database.read_text())
    names = [asset["assetId"] for group in assets.values() for asset in group]
    assert (len(assets), len(names)) == (109, 1653)
    objects = [{"assetId": name, "position": xyz(i, 0, 0)} for i, name in enumerate(dict.fromkeys(names))]
    (tmp_path / "house.json").write_text(json.dumps(house(objects=objects)))
    scene = read(tmp_path / "house.json", annotations=database.parent)
    assert len(scene) + len(scene.refused) == len(objects)
    assert len(set(scene.category_raw.tolist())) >= 105


def test_an_unknown_asset_is_refused_or_left_out(write):
    root = write(house(objects=[{"assetId": "Ghost", "position": xyz(0, 0, 0)}]))
    with pytest.raises(SceneError, match=r"objects\[0\]\.assetId: 'Ghost' is not in"):
        read(root)
    scene = read(root, settings={"unknown": "skip"})
    assert len(scene) == 0
    assert [error.reason for error in scene.refused] == [IngestReason.MISSING_FIELD]


def nested(depth):
    item = {"assetId": "Cup_1", "position": xyz(0, 0, 0)}
    for _ in range(depth):
        item = {"assetId": "Cup_1", "position": xyz(0, 0, 0), "children": [item]}
    return item


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"objects": [nested(50)]}, "children"),
        ({"objects": [{"assetId": "Cup_1"}]}, "objects[0].position"),
        ({"objects": [{"assetId": "Cup_1", "position": xyz(0, "a", 0)}]}, "objects[0].position.y"),
        ({"rooms": [{"floorPolygon": []}]}, "rooms[0].floorPolygon"),
        ({"rooms": [room(0, 5)]}, "rooms[0].floorPolygon"),
        ({"rooms": [room(1e300, 5)]}, "rooms[0].floorPolygon"),
        ({"rooms": None}, "house.rooms"),
    ],
)
def test_a_broken_house_is_named(write, changes, field):
    with pytest.raises(SceneError) as caught:
        read(write(house() | changes))
    assert field in caught.value.field


def test_damaged_files_and_a_missing_database_are_errors(write, tmp_path):
    root = write(house(), house(), name="train.jsonl.gz")
    path = root / "train.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(QAEngineError, match="no whole gzip"):
        discover(path, IngestOptions())
    (root / "asset-database.json").unlink()
    with pytest.raises(QAEngineError, match="no asset-database"):
        discover(path, IngestOptions())
    with pytest.raises(QAEngineError, match="no such file"):
        discover(tmp_path / "x.json", IngestOptions())
