import json

import numpy as np
import pytest
from qa_engine.datasets.adt import discover, load
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import IngestReason, SceneError

BOX_HEADER = "object_uid,timestamp[ns]," + ",".join(f"p_local_obj_{a}{e}[m]" for a in "xyz" for e in ("min", "max"))
POSE_HEADER = "object_uid,timestamp[ns],t_wo_x[m],t_wo_y[m],t_wo_z[m],q_wo_w,q_wo_x,q_wo_y,q_wo_z"


@pytest.fixture
def write_recording(tmp_path):
    def write(boxes, poses, categories):
        folder = tmp_path / "rec"
        folder.mkdir()
        (folder / "3d_bounding_box.csv").write_text("\n".join([BOX_HEADER, *boxes]) + "\n")
        (folder / "scene_objects.csv").write_text("\n".join([POSE_HEADER, *poses]) + "\n")
        (folder / "instances.json").write_text(json.dumps({uid: {"category": c} for uid, c in categories.items()}))
        return tmp_path

    return write


def read(root, **settings):
    return load(discover(root, IngestOptions(settings=settings))[0])


def test_a_moving_object_stands_where_it_was_at_the_chosen_moment(write_recording):
    root = write_recording(
        ["7,-1,0,1,0,2,0,4", "8,-1,-1,1,-1,1,-1,1", "9,-1,0,0,0,1,0,1", "10,-1,0,1,0,1,0,1"],
        ["7,20,5,0,0,1,0,0,0", "7,10,1,2,3,1,0,0,0", "8,-1,0,1,0,1,0,0,0", "9,-1,0,0,0,1,0,0,0"],
        {"7": "cup", "8": "table", "9": "rug", "10": "ghost"},
    )
    scene = read(root)
    assert scene.category.tolist() == ["cup", "table"]
    assert scene.instance_id.tolist() == [0, 1]
    # Up is y in the source: (x, y, z) becomes (x, -z, y).
    assert np.allclose(scene.center[0], [1.5, -5, 3])
    assert np.allclose(scene.size[0] @ np.abs(scene.rotation[0]), [1, 4, 2])
    assert np.allclose(read(root, moment="last").center[0], [5.5, -2, 1])
    assert [error.reason for error in scene.refused] == [IngestReason.BAD_SIZE, IngestReason.MISSING_FIELD]


def test_the_real_apartment_has_the_published_boxes(real_data):
    scene = read(real_data / "real" / "adt")
    assert len(scene) == 349
    assert scene.refused == ()
    assert scene.scene_group == "adt_Apartment"
    # README: centre in the source's world and size along its axes; x, y, z there is x, z, -y here.
    for category, size, center in [
        ("couch", (1.02, 0.85, 2.11), None),
        ("refrigerator", (0.77, 1.55, 0.71), None),
        ("television", (0.28, 0.78, 1.24), None),
        ("table", (0.80, 0.91, 1.27), (0.67, 0.45, 2.44)),
    ]:
        (i,) = np.flatnonzero(scene.category == category)
        extent = scene.size[i] @ np.abs(scene.rotation[i])
        assert np.allclose(extent[[0, 2, 1]], size, atol=0.006), category
        if center:
            assert np.allclose(scene.center[i][[0, 2, 1]] * [1, 1, -1], center, atol=0.006)


@pytest.mark.parametrize(
    ("box", "pose", "category", "reason"),
    [
        ("7,-1,0,1,0,2,0,nan", "7,-1,0,0,0,1,0,0,0", {"7": "cup"}, IngestReason.NOT_FINITE),
        ("7,-1,0,1,0,2", "7,-1,0,0,0,1,0,0,0", {"7": "cup"}, IngestReason.BAD_FORMAT),
        ("7,-1,0,1,0,2,0,4", "7,-1,0,0,0,0,0,0,0", {"7": "cup"}, IngestReason.BAD_ROTATION),
        ("7,-1,0,1,0,2,0,4", "7,-1,0,0,0,1,0,0,0", {}, IngestReason.MISSING_FIELD),
        ("x,-1,0,1,0,2,0,4", "x,-1,0,0,0,1,0,0,0", {"x": "cup"}, IngestReason.WRONG_TYPE),
    ],
)
def test_a_broken_recording_is_named(write_recording, box, pose, category, reason):
    with pytest.raises(SceneError) as caught:
        read(write_recording([box], [pose], category))
    assert caught.value.reason is reason


def test_a_missing_file_is_named(write_recording):
    root = write_recording([], [], {})
    (root / "rec" / "scene_objects.csv").unlink()
    with pytest.raises(SceneError, match=r"scene_objects\.csv: no such file"):
        read(root)
