import json

import numpy as np
import pytest
from qa_contract.errors import TableError
from qa_contract.tableio import read_table
from qa_contract.tables import SCENES
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import SceneError
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.clouds import Cloud, floor_of, read_cloud, write_cloud
from qa_engine.scenes.store import Store


def surface(center, size, n, rng):
    points = rng.uniform(-0.5, 0.5, (n, 3))
    points[np.arange(n), rng.integers(0, 3, n)] = rng.choice([-0.5, 0.5], n)
    return center + points * size


def write_ply(path, xyz, instance):
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(xyz)}"]
    header += [f"property float {axis}" for axis in "xyz"] + ["property int instance", "end_header", ""]
    rows = np.zeros(len(xyz), [("xyz", "<f4", 3), ("instance", "<i4")])
    rows["xyz"], rows["instance"] = xyz, instance
    path.write_bytes("\n".join(header).encode() + rows.tobytes())


@pytest.fixture
def scan(tmp_path):
    """An L-shaped room of 16 m2 with two boxes, as a labelled cloud."""
    rng = np.random.default_rng(0)
    floor = rng.uniform(0, 5, (40_000, 3)) * [1, 1, 0]
    floor = floor[(floor[:, 0] < 2) | (floor[:, 1] < 2)]
    parts = [floor, surface([1, 4, 0.5], [0.6, 0.5, 1], 3000, rng), surface([4, 1, 0.4], [1, 0.8, 0.8], 2000, rng)]
    instance = np.repeat([7, 3, 5], [len(part) for part in parts])
    folder = tmp_path / "scans" / "flat"
    folder.mkdir(parents=True)
    write_ply(folder / "cloud.ply", np.concatenate(parts), instance)
    (folder / "labels.json").write_text(json.dumps({"3": "chair", "5": "table"}))
    return folder


def test_an_own_cloud_is_stored_with_its_instances(scan, tmp_path):
    ingest(get_dataset("generic"), scan.parent, out=tmp_path / "store", options=IngestOptions())
    store = Store(tmp_path / "store")
    scene = store.load_scene("flat")
    cloud = store.cloud("flat")
    assert cloud is not None
    assert cloud.count(np.array([3, 5, -1])).tolist()[:2] == [3000, 2000]
    chair = store.cloud("flat", [3])
    assert len(chair) == 3000
    low, high = chair.xyz.min(axis=0), chair.xyz.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, scene.center[0], atol=1e-6)
    np.testing.assert_allclose(high - low, scene.size[0], atol=1e-6)
    assert read_table(store.path, "scenes", SCENES)["cloud_path"].to_list() == ["clouds/flat.parquet"]


def test_area_and_outline_come_from_the_cloud(scan, tmp_path):
    import shapely

    ingest(get_dataset("generic"), scan.parent, out=tmp_path / "store", options=IngestOptions())
    scene = Store(tmp_path / "store").load_scene("flat")
    assert scene.room_size_m2 == pytest.approx(16, abs=0.3)
    outline = shapely.Polygon(scene.floor_polygon)
    assert outline.is_valid
    assert outline.exterior.is_ccw
    truth = shapely.Polygon([(0, 0), (5, 0), (5, 2), (2, 2), (2, 5), (0, 5)])
    assert outline.symmetric_difference(truth).area < 0.8


def test_boxes_beside_a_cloud_without_instances_keep_all_points(tmp_path):
    folder = tmp_path / "scans" / "a"
    folder.mkdir(parents=True)
    xyz = np.random.default_rng(1).uniform(0, 3, (5000, 3))
    text = (
        "ply\nformat ascii 1.0\nelement vertex 5000\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    (folder / "cloud.ply").write_text(text + "\n".join(" ".join(map(str, row)) for row in xyz.tolist()))
    (folder / "boxes.json").write_text('[{"label": "chair", "center": [1, 1, 0.5], "size": [0.5, 0.5, 1]}]')
    ingest(get_dataset("generic"), tmp_path / "scans", out=tmp_path / "store", options=IngestOptions())
    store = Store(tmp_path / "store")
    assert len(store.cloud("a")) == 5000
    assert store.cloud("a", [-1]).instance_id.tolist() == [-1] * 5000
    assert len(store.cloud("a", [])) == 0


def test_scenes_without_cloud_have_none(write_vsi, vsi_entry, tmp_path):
    ingest(get_dataset("vsi-bench"), write_vsi({"a": vsi_entry}), out=tmp_path / "store", options=IngestOptions())
    assert Store(tmp_path / "store").cloud("a") is None


def test_a_cloud_comes_back_and_the_same_one_gives_the_same_bytes(tmp_path):
    rng = np.random.default_rng(2)
    cloud = Cloud(rng.normal(size=(100, 3)), rng.integers(-1, 4, 100))
    paths = [tmp_path / name / write_cloud(cloud, tmp_path / name, "s") for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    again = read_cloud(paths[0])
    order = np.argsort(cloud.instance_id, kind="stable")
    assert (again.xyz == cloud.xyz[order]).all()
    assert (again.instance_id == cloud.instance_id[order]).all()


@pytest.mark.parametrize(("xyz", "ids"), [(np.zeros((2, 2)), [0, 0]), (np.zeros((2, 3)), [0]), ([[0, 0, 1e39]], [0])])
def test_clouds_that_are_none_are_refused(xyz, ids):
    with pytest.raises(SceneError, match="cloud"):
        Cloud(np.array(xyz), np.array(ids))


def test_a_damaged_cloud_is_named(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(TableError, match="no readable cloud"):
        read_cloud(tmp_path / "a.parquet")


def test_a_few_points_are_no_room():
    assert floor_of(Cloud(np.zeros((3, 3)), np.full(3, -1))) == (None, None)
