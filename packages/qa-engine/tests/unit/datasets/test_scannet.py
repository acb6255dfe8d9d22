import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.scannet import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.ingestion.frame_files import store_frames

NAME = "scene0001_02"
TURN = np.array([[0.0, -1, 0, 5], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
POINTS = np.array([[0, 0, 0], [1, 2, 3], [4, 4, 4], [5, 6, 7], [9, 9, 9]], np.float32)
COLOR, DEPTH = np.diag([8.0, 8, 1, 1]), np.diag([4.0, 4, 1, 1])
COLOR[:2, 2], DEPTH[:2, 2] = (3.5, 1.5), (1.5, 0.5)


@pytest.fixture
def write_scan(tmp_path):
    """Two objects (one of two segments), a point without extent, an unlabelled segment."""

    def write(alignment=TURN, **changes):
        folder = tmp_path / "scans" / NAME
        folder.mkdir(parents=True, exist_ok=True)
        header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(POINTS)}\n"
        header += "property float x\nproperty float y\nproperty float z\nend_header\n"
        (folder / f"{NAME}_vh_clean_2.ply").write_bytes(header.encode() + POINTS.tobytes())
        segments = {"segIndices": [70, 71, 900, 900, 12]} | changes.pop("segs", {})
        (folder / f"{NAME}_vh_clean_2.0.010000.segs.json").write_text(json.dumps(segments))
        groups = [(0, "office chair", [70, 71]), (1, "table", [900]), (2, "lamp", [12])]
        found = [{"id": i, "objectId": i, "label": label, "segments": segs} for i, label, segs in groups]
        (folder / f"{NAME}.aggregation.json").write_text(json.dumps({"segGroups": found} | changes))
        line = "" if alignment is None else "axisAlignment = " + " ".join(map(str, alignment.ravel())) + "\n"
        (folder / f"{NAME}.txt").write_text("colorHeight = 968\n" + line)
        return tmp_path

    return write


def jpeg(colour=0):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 4), (colour, 0, 0)).save(buffer, format="JPEG")
    return buffer.getvalue()


def sens(poses, *, codec=(2, 1), n=None):
    depth = np.array([[1000, 2000, 3000, 0]] * 2, "<u2").tobytes()
    data = struct.pack("<IQ4s", 4, 4, b"test")
    data += np.stack([COLOR, np.eye(4), DEPTH, np.eye(4)]).astype("<f4").tobytes()
    data += struct.pack("<2i4IfQ", *codec, 8, 4, 4, 2, 1000.0, len(poses) if n is None else n)
    for i, pose in enumerate(poses):
        image, packed = jpeg(i), zlib.compress(depth)
        data += np.asarray(pose, "<f4").tobytes() + struct.pack("<4Q", i * 10**6, 0, len(image), len(packed))
        data += image + packed
    return data


def read(root, **settings):
    return load(discover(root, IngestOptions(settings=settings))[0])


def test_boxes_are_bounds_of_vertices_in_the_aligned_frame(write_scan):
    scene = read(write_scan())
    assert scene.category.tolist() == ["office chair", "table"]
    assert scene.instance_id.tolist() == [0, 1]
    assert scene.scene_group == "scene0001"
    aligned = POINTS[:2] @ TURN[:3, :3].T + TURN[:3, 3]
    assert np.allclose(scene.center[0], aligned.mean(0))
    assert np.allclose(scene.size[0], [2, 1, 3])
    assert np.allclose(scene.canonical_from_source, TURN)
    assert [(error.field, error.reason) for error in scene.refused] == [
        (f"{NAME}.aggregation.json: segGroups[2]", IngestReason.BAD_SIZE)
    ]
    raw = read(write_scan(), frame="raw")
    assert np.allclose(raw.size[0], [1, 2, 3])


def test_labels_may_be_mapped(write_scan):
    root = write_scan()
    with pytest.raises(QAEngineError, match="no scannetv2-labels"):
        read(root, labels="nyu40")
    (root / "scannetv2-labels.combined.tsv").write_text("id\traw_category\tnyu40class\n1\toffice chair\tchair\n")
    scene = read(root, labels="nyu40")
    assert scene.category.tolist() == ["chair", "table"]
    assert scene.category_raw.tolist() == ["office chair", "table"]


def test_exported_frames_are_aligned_and_untracked_ones_left_out(write_scan):
    root = write_scan()
    folder = root / "scans" / NAME
    for name in ("color", "depth", "pose", "intrinsic"):
        (folder / name).mkdir()
    np.savetxt(folder / "intrinsic" / "intrinsic_color.txt", COLOR)
    np.savetxt(folder / "intrinsic" / "intrinsic_depth.txt", DEPTH)
    for i in (0, 2, 10):
        (folder / "color" / f"{i}.jpg").write_bytes(jpeg())
        Image.fromarray(np.array([[1000, 2000, 3000, 4000]] * 2, np.uint16)).save(folder / "depth" / f"{i}.png")
        np.savetxt(folder / "pose" / f"{i}.txt", np.full((4, 4), -np.inf) if i == 2 else np.eye(4))
    scene = read(root)
    assert [frame.frame_id for frame in scene.frames] == ["000000", "000010"]
    assert np.allclose(scene.frames[1].world_from_camera, TURN)
    assert scene.frames[0].read_depth().shape == (4, 8)
    assert [frame.time_s for frame in scene.frames] == [0, 10 / 30]
    assert "1 frames are not finite" in str(scene.refused[-1])
    (folder / "pose" / "10.txt").write_text("1 0 0")
    scene = read(root)
    assert [frame.frame_id for frame in scene.frames] == ["000000"]
    assert [error.field for error in scene.refused][-2:] == ["pose/10.txt", "frames"]


def test_a_recording_is_read_without_its_untracked_frames(write_scan, tmp_path):
    root = write_scan()
    poses = [np.eye(4), np.full((4, 4), -np.inf), np.eye(4), np.eye(4)]
    (root / "scans" / NAME / f"{NAME}.sens").write_bytes(sens(poses))
    scene = read(root)
    assert [frame.frame_id for frame in scene.frames] == ["000000", "000002", "000003"]
    assert np.allclose(scene.frames[1].world_from_camera, TURN)
    assert scene.frames[1].read_image() == jpeg(2)
    assert scene.frames[0].read_depth()[0].tolist() == [1, 1, 2, 2, 3, 3, 0, 0]
    assert [frame.frame_id for frame in read(root, every="2").frames] == ["000000", "000002"]
    stored = store_frames(scene, tmp_path / "store", (root.resolve(),))
    assert (len(stored.rows), stored.refused) == (3, [])
    assert read(root, frames="exported").frames == ()


def test_damaged_recordings_are_refused(write_scan):
    root = write_scan()
    path = root / "scans" / NAME / f"{NAME}.sens"
    whole = sens([np.eye(4)] * 2)
    many, codec = sens([np.eye(4)], n=10**15), sens([np.eye(4)], codec=(2, 2))
    long_name = struct.pack("<IQ", 4, 2**63)
    for data in (b"", whole[:5], whole[:100], whole[:320], whole[:-1], many, codec, long_name, b"\xff" * 500):
        path.write_bytes(data)
        with pytest.raises(SceneError, match=rf"{NAME}\.sens"):
            read(root)


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"alignment": None}, "axisAlignment", IngestReason.MISSING_FIELD),
        ({"alignment": np.eye(3)}, "axisAlignment", IngestReason.WRONG_TYPE),
        ({"alignment": 2 * np.eye(4)}, "axisAlignment", IngestReason.BAD_ROTATION),
        ({"alignment": np.full((4, 4), np.nan)}, "axisAlignment", IngestReason.BAD_ROTATION),
        ({"segs": {"segIndices": [1, 2]}}, "segIndices", IngestReason.BAD_FORMAT),
        ({"segs": {"segIndices": ["a"] * 5}}, "segIndices[0]", IngestReason.WRONG_TYPE),
        ({"segGroups": [{"label": "a"}]}, "segGroups[0].objectId", IngestReason.MISSING_FIELD),
    ],
)
def test_broken_files_are_named(write_scan, changes, field, reason):
    with pytest.raises(SceneError) as caught:
        read(write_scan(**changes))
    assert field in caught.value.field
    assert caught.value.reason is reason


def test_a_missing_mesh_is_named(write_scan):
    root = write_scan()
    (root / "scans" / NAME / f"{NAME}_vh_clean_2.ply").unlink()
    with pytest.raises(SceneError, match=r"labels\.ply: no such file"):
        read(root)


def test_pictures_that_were_exported_smaller_get_a_scaled_camera(write_scan):
    root = write_scan()
    folder = root / "scans" / NAME
    for name in ("color", "pose", "intrinsic"):
        (folder / name).mkdir()
    camera = np.eye(4)
    camera[:2, :3] = [[1170, 0, 647.5], [0, 1170, 483.5]]
    np.savetxt(folder / "intrinsic" / "intrinsic_color.txt", camera)
    notes = folder / f"{NAME}.txt"
    notes.write_text(notes.read_text() + "colorWidth = 1296\ncolorHeight = 968\n")
    Image.new("RGB", (648, 484)).save(folder / "color" / "0.jpg")
    np.savetxt(folder / "pose" / "0.txt", np.eye(4))
    assert read(root).frames[0].intrinsics.tolist() == [[585, 0, 323.5], [0, 585, 241.5], [0, 0, 1]]
    Image.new("RGB", (640, 640)).save(folder / "color" / "0.jpg")
    scene = read(root)
    assert scene.frames == ()
    assert any("1296 x 968" in str(error) for error in scene.refused)
