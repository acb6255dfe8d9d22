import json

import numpy as np
import pytest
from PIL import Image
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.rscan import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.ingestion.frame_files import store_frames

INFO = """m_versionNumber = 4
m_colorWidth = 8
m_calibrationColorIntrinsic = 8 0 3.5 0 0 8 1.5 0 0 0 1 0 0 0 0 1
m_calibrationDepthIntrinsic = 4 0 1.5 0 0 4 0.5 0 0 0 1 0 0 0 0 1
"""


@pytest.fixture
def write_scan(tmp_path, make_box):
    def write(name="scan-a", **changes):
        folder = tmp_path / name
        sequence = folder / "sequence"
        sequence.mkdir(parents=True)
        group = {"id": 0, "objectId": 4, "label": "office chair", "segments": [], "obb": make_box()} | changes
        (folder / "semseg.v2.json").write_text(json.dumps({"scan_id": name, "segGroups": [group]}))
        (sequence / "_info.txt").write_text(INFO)
        for i in (2, 10):
            stem = f"frame-{i:06d}"
            Image.new("RGB", (8, 4)).save(sequence / f"{stem}.color.jpg")
            depth = np.array([[1000, 2000, 3000, 0]] * 2, ">u2")
            (sequence / f"{stem}.depth.pgm").write_bytes(b"P5\n4 2\n65535\n" + depth.tobytes())
            pose = np.eye(4)
            pose[0, 3] = i
            np.savetxt(sequence / f"{stem}.pose.txt", pose)
        return tmp_path

    return write


def read(root, **options):
    return load(discover(root, IngestOptions(**options))[0])


def test_boxes_frames_poses_and_depth(write_scan, tmp_path):
    root = write_scan()
    scene = read(root)
    assert (scene.category.tolist(), scene.instance_id.tolist()) == (["office chair"], [4])
    assert [frame.time_s for frame in scene.frames] == [0.2, 1.0]
    assert scene.frames[1].world_from_camera[0, 3] == 10
    assert scene.frames[0].intrinsics.tolist() == [[8, 0, 3.5], [0, 8, 1.5], [0, 0, 1]]
    depth = scene.frames[0].read_depth()
    assert depth.shape == (4, 8)
    assert depth[0].tolist() == [1, 1, 2, 2, 3, 3, 0, 0]
    stored = store_frames(scene, tmp_path / "store", (root.resolve(),))
    assert len(stored.rows) == 2
    assert stored.refused == []


def test_scans_of_one_room_share_a_group(write_scan):
    root = write_scan("scan-a")
    write_scan("scan-b")
    table = [{"reference": "scan-a", "scans": [{"reference": "scan-b", "rigid": [3]}]}]
    (root / "3RScan.json").write_text(json.dumps(table))
    assert {load(source).scene_group for source in discover(root, IngestOptions())} == {"scan-a"}
    (root / "3RScan.json").write_text('[{"scans": []}]')
    with pytest.raises(QAEngineError, match=r"3RScan\.json"):
        discover(root, IngestOptions())


def test_a_frame_that_was_not_tracked_has_no_pose(write_scan):
    root = write_scan()
    (root / "scan-a" / "sequence" / "frame-000002.pose.txt").write_text("nan " * 16)
    assert [frame.world_from_camera is None for frame in read(root).frames] == [True, False]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("frame-000002.pose.txt", "1 2 3"),
        ("frame-000002.pose.txt", "2 " * 16),
        ("_info.txt", "m_calibrationColorIntrinsic = 1 2"),
        ("_info.txt", "m_calibrationColorIntrinsic = " + "0 " * 16),
    ],
)
def test_damaged_cameras_are_named(write_scan, name, text):
    root = write_scan()
    (root / "scan-a" / "sequence" / name).write_text(text)
    with pytest.raises(SceneError) as caught:
        read(root)
    assert caught.value.reason is IngestReason.BAD_CAMERA


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"objectId": "x"}, IngestReason.WRONG_TYPE),
        ({"objectId": -1}, IngestReason.WRONG_TYPE),
        ({"segments": [1.5]}, IngestReason.WRONG_TYPE),
        ({"obb": {}}, IngestReason.MISSING_FIELD),
        ({"label": ""}, IngestReason.BAD_NAME),
    ],
)
def test_a_broken_annotation_is_named(write_scan, changes, reason):
    with pytest.raises(SceneError) as caught:
        read(write_scan(**changes))
    assert caught.value.reason is reason


def test_pictures_that_were_exported_smaller_get_a_scaled_camera(write_scan):
    root = write_scan()
    sequence = root / "scan-a" / "sequence"
    (sequence / "_info.txt").write_text(INFO + "m_colorHeight = 4\n")
    Image.new("RGB", (4, 2)).save(sequence / "frame-000002.color.jpg")
    small, whole = read(root).frames
    assert small.intrinsics.tolist() == [[4, 0, 1.5], [0, 4, 0.5], [0, 0, 1]]
    assert whole.intrinsics[0, 0] == 8
    assert small.read_depth().shape == (2, 4)
