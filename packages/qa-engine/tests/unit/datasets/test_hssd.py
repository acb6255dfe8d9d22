"""HSSD in its layout: a house that places models, their categories, walls, outlines of rooms."""

import json

import numpy as np
import pytest
from glb import box, glb
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.hssd import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.ingestion.doctor import diagnose

HALF = np.sqrt(0.5)
CHAIR = {"template_name": "a1", "translation": [1, 0, -2], "rotation": [HALF, 0, HALF, 0]}
CHAIR |= {"non_uniform_scale": [1, 1, 2], "motion_type": "STATIC"}
PART = {"template_name": "b2_part_1", "translation": [3, 0.5, 1], "rotation": [1, 0, 0, 0]}
LAMP = {"template_name": "c3", "translation": [0, 2, 0], "rotation": [1, 0, 0, 0], "translation_origin": "COM"}


@pytest.fixture
def write(tmp_path):
    root = tmp_path / "hssd-hab"

    def put(name, data):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())

    def write(*objects, **house):
        # models stand on their origin: the node lifts them
        put(
            "objects/a/a1.glb",
            glb([{"points": box([0, 0, 0], [0.5, 0.9, 0.4])}], [{"mesh": 0, "translation": [0, 0.45, 0]}]),
        )
        put("objects/decomposed/b2/b2_part_1.glb", glb([{"points": box([0, 0, 0], [1, 0.7, 1])}]))
        put("objects/c/c3.glb", glb([{"points": box([0.2, 0.3, 0], [0.2, 0.4, 0.2])}]))
        put("objects/c/c3.object_config.json", {"render_asset": "c3.glb", "up": [0, 1, 0], "front": [0, 0, -1]})
        put(
            "stages/s1.glb",
            glb([{"points": box([0, -0.05, 0], [8, 0.1, 8])}, {"points": box([4, 1.2, 0], [0.1, 2.5, 8])}]),
        )
        loop = [[-4, 0, -4], [4, 0, -4], [4, 0, 4], [-4, 0, 4]]
        beside = [[4.2, 0, -4], [6.2, 0, -4], [6.2, 0, 4], [4.2, 0, 4]]
        rooms = [{"name": f"r{i}", "label": "bedroom", "poly_loop": ring} for i, ring in enumerate((loop, beside))]
        put("semantics/scenes/s1.semantic_config.json", {"region_annotations": rooms})
        rows = 'id,name,main_category,super_category\na1,Fancy seat,office_chair,x\nb2,"Desk, white",desk,x\nc3,L,,y\n'
        put("semantics/objects.csv", rows.encode())
        value = {"translation_origin": "asset_local", "stage_instance": {"template_name": "stages/s1"}}
        put("scenes/s1.scene_instance.json", value | {"object_instances": list(objects or (CHAIR, PART))} | house)
        return root

    write.put = put
    return write


def read(root, **settings):
    return load(discover(root, IngestOptions(settings=settings))[0])


def test_models_are_boxes_along_their_own_axes(write):
    scene = read(write())
    assert scene.scene_name == "s1"
    assert scene.category.tolist() == ["office chair", "desk"]
    # Habitat's x, y, z are x, z, -y here
    assert np.allclose(scene.center, [[1, 2, 0.45], [3, -1, 0.5]], atol=1e-6)
    assert np.allclose(scene.size, [[0.5, 0.9, 0.8], [1, 0.7, 1]], atol=1e-6)
    assert np.allclose(np.abs(scene.rotation[0] @ [0, 0, 1]), [0, 1, 0], atol=1e-6)
    assert np.allclose(scene.rotation[0][0], [0, 1, 0], atol=1e-6)  # x, a quarter turn about the vertical
    assert not scene.refused


def test_the_mesh_of_an_object_fills_its_box_and_rooms_give_the_floor(write):
    scene = read(write())
    mesh = scene.mesh
    assert np.bincount(mesh.instance_id + 1).tolist() == [24, 12, 12]
    for i in range(2):
        points = (
            mesh.vertices[mesh.triangles[mesh.instance_id == i]].reshape(-1, 3) - scene.center[i]
        ) @ scene.rotation[i].T
        assert np.allclose(np.abs(points) * 2, scene.size[i], atol=1e-5)
    assert scene.room_size_m2 == pytest.approx(64 + 16)
    assert np.ptp(scene.floor_polygon, axis=0).tolist() == pytest.approx([10.2, 8])
    assert read(write(), surfaces="none").mesh is None


def test_places_may_be_those_of_middles_and_models_may_be_turned(write):
    root = write(LAMP)
    assert read(root, unlabelled="skip").category.tolist() == []
    scene = read(root, unlabelled="keep")
    assert scene.category.tolist() == ["c3"]
    assert np.allclose(scene.center, [[0, 0, 2]], atol=1e-6)
    write.put("objects/c/c3.object_config.json", {"up": [0, 0, 1], "front": [0, 1, 0], "scale": [2, 2, 2]})
    scene = read(root, unlabelled="keep")
    assert np.allclose(scene.size, [[0.4, 0.4, 0.8]], atol=1e-6)  # its z was up: 0.2 m, its y the depth
    assert read(root, labels="name").category.tolist() == ["l"]


def test_doctor_knows_a_house_and_labels_come_from_any_column(write):
    root = write()
    assert diagnose(root, options=IngestOptions()).dataset == "hssd"
    assert read(root, labels="name").category.tolist() == ["fancy seat", "desk, white"]
    with pytest.raises(QAEngineError, match="no column wnsynsetkey"):
        read(root, labels="wnsynsetkey")
    (root / "semantics" / "objects.csv").unlink()
    assert len(read(root)) == 0
    assert read(root, unlabelled="keep").category.tolist() == ["a1", "b2 part 1"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"template_name": "b2_part_9"}, IngestReason.MISSING_FILE),
        ({"template_name": "b2_*"}, IngestReason.SKIPPED),
        ({"translation": [0, float("nan"), 0]}, IngestReason.NOT_FINITE),
        ({"rotation": [0, 0, 0, 0]}, IngestReason.BAD_ROTATION),
        ({"non_uniform_scale": [1, 0, 1]}, IngestReason.BAD_SIZE),
        ({"translation": None}, IngestReason.WRONG_TYPE),
    ],
)
def test_a_damaged_object_is_refused_alone(write, change, reason):
    scene = read(write(CHAIR, PART | change))
    assert scene.category.tolist() == ["office chair"]
    assert [error.reason for error in scene.refused] == [reason]


def test_parts_have_categories_of_their_own_and_joints_are_named(write):
    root = write(CHAIR, PART, articulated_object_instances=[{"template_name": "fridge"}])
    write.put("semantics/objects.csv", b"id,main_category\na1,chair\nb2,desk\nb2_part_1,drawer\n")
    scene = read(root)
    assert scene.category.tolist() == ["chair", "drawer"]
    assert "1 objects with joints" in str(scene.refused[0])


def test_what_is_damaged_or_missing_is_named(write, tmp_path):
    root = write(stage_instance={"template_name": "größe"})
    assert [error.reason for error in read(root).refused] == [IngestReason.MISSING_FILE]
    write.put("semantics/scenes/s1.semantic_config.json", {"region_annotations": [{"poly_loop": [[0, 1]]}]})
    scene = read(root)
    assert "poly_loop" in str(scene.refused[-1])
    assert scene.floor_polygon is None
    write.put("objects/a/a1.glb", b"glTF")
    assert len(read(root)) == 1
    write.put("scenes/s1.scene_instance.json", b"{")
    with pytest.raises(SceneError, match="JSON"):
        read(root)
    with pytest.raises(QAEngineError, match="no house here"):
        discover(tmp_path, IngestOptions())
