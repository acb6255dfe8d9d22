import json

import numpy as np
import pytest
from PIL import Image
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.scannetpp import discover, load
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.colmap import read_colmap
from qa_engine.formats.transforms import read_transforms
from scipy.spatial.transform import Rotation

NAME = "0a5c013435"
POSE = np.eye(4)
POSE[:3, :3] = Rotation.from_euler("xyz", [100, 20, 30], degrees=True).as_matrix()
POSE[:3, 3] = 1, 2, 1.5


@pytest.fixture
def write_scene(tmp_path, make_box):
    """One chair; one frame with the same pose in all three files."""

    def write(**changes):
        folder = tmp_path / "data" / NAME
        (folder / "scans").mkdir(parents=True, exist_ok=True)
        group = {"id": 1, "objectId": 1, "label": "office chair", "segments": [3], "obb": make_box()} | changes
        (folder / "scans" / "segments_anno.json").write_text(json.dumps({"segGroups": [group]}))
        for device, pictures in (("iphone", "rgb"), ("dslr", "resized_images")):
            for sub in (pictures, "colmap", "nerfstudio"):
                (folder / device / sub).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 6)).save(folder / device / pictures / "frame_000060.jpg")
            camera_from_world = np.linalg.inv(POSE)
            x, y, z, w = Rotation.from_matrix(camera_from_world[:3, :3]).as_quat()
            values = " ".join(map(str, [w, x, y, z, *camera_from_world[:3, 3]]))
            (folder / device / "colmap" / "cameras.txt").write_text("# cameras\n1 OPENCV 8 6 10 11 4 3 0 0 0 0\n")
            lines = f"# images\n1 {values} 1 frame_000060.jpg\n1 2 3\n2 {values} 1 other.jpg\n\n"
            (folder / device / "colmap" / "images.txt").write_text(lines)
            # As nerfstudio's converter writes it: OpenGL camera, x and y of the world swapped, z turned over.
            opengl = POSE @ np.diag([1, -1, -1, 1])
            opengl = opengl[[1, 0, 2, 3]] * np.array([1, 1, -1, 1])[:, None]
            frame = {"file_path": "frame_000060.jpg", "transform_matrix": opengl.tolist()}
            camera = {"fl_x": 10, "fl_y": 11, "cx": 4, "cy": 3, "w": 8, "h": 6}
            transforms = folder / device / "nerfstudio" / "transforms.json"
            transforms.write_text(json.dumps({**camera, "frames": [], "test_frames": [frame]}))
        (folder / "iphone" / "depth").mkdir(exist_ok=True)
        depth = np.full((3, 4), 1500, np.uint16)
        Image.fromarray(depth).save(folder / "iphone" / "depth" / "frame_000060.png")
        entry = {"aligned_pose": POSE.tolist(), "pose": np.eye(4).tolist()}
        entry["intrinsic"] = [[10, 0, 4], [0, 11, 3], [0, 0, 1]]
        (folder / "iphone" / "pose_intrinsic_imu.json").write_text(json.dumps({"frame_000060": entry}))
        return tmp_path

    return write


def read(root, **settings):
    return load(discover(root, IngestOptions(settings=settings))[0])


@pytest.mark.parametrize("camera", ["iphone", "dslr"])
@pytest.mark.parametrize("poses", ["auto", "imu", "colmap", "nerfstudio"])
def test_all_files_of_poses_agree(write_scene, camera, poses):
    scene = read(write_scene(), camera=camera, poses=poses)
    assert (scene.scene_name, scene.category.tolist(), scene.instance_id.tolist()) == (NAME, ["office chair"], [1])
    if camera == "dslr" and poses == "imu":
        assert scene.frames == ()
        return
    (frame,) = scene.frames
    assert np.allclose(frame.world_from_camera, POSE)
    assert frame.intrinsics.tolist() == [[10, 0, 4], [0, 11, 3], [0, 0, 1]]
    assert frame.time_s == 1
    assert (frame.read_depth is None) == (camera == "dslr")
    if frame.read_depth:
        assert frame.read_depth().shape == (6, 8)


def test_what_the_documents_leave_open_can_be_switched(write_scene):
    root = write_scene()
    raw = read(root, poses="nerfstudio", nerfstudio_world="mesh").frames[0].world_from_camera
    assert np.allclose(raw[[1, 0]], POSE[:2])
    assert np.allclose(raw[2], -POSE[2])
    assert np.allclose(read(root, imu_pose="pose").frames[0].world_from_camera, np.eye(4))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("cameras.txt", "1 CUBE 8 6 10\n"),
        ("cameras.txt", "1 PINHOLE 8 6 10\n"),
        ("cameras.txt", "1 PINHOLE 8 6 -10 10 4 3\n"),
        ("cameras.txt", "2 PINHOLE 8 6 10 10 4 3\n"),
        ("cameras.txt", "1 PINHOLE nan 6 10 10 4 3\n"),
        ("images.txt", "1 1 0 0\n\n"),
        ("images.txt", "1 0 0 0 0 0 0 0 1 a.jpg\n\n"),
        ("images.txt", "1 1 0 0 0 0 0 inf 1 a.jpg\n\n"),
        ("images.txt", "1 1 0 0 0 0 0 0 1 ../../a.jpg\n\n"),
        ("images.txt", "1 1 0 0 0 0 0 0 1 /etc/a.jpg\n\n"),
    ],
)
def test_damaged_colmap_files_are_named(write_scene, file, text):
    folder = write_scene() / "data" / NAME / "dslr" / "colmap"
    (folder / file).write_text(text)
    with pytest.raises(SceneError) as caught:
        read_colmap(folder)
    assert "txt" in caught.value.field


@pytest.mark.parametrize(
    "changes",
    [
        {"file_path": "../a.jpg"},
        {"transform_matrix": [[1, 2]]},
        {"transform_matrix": np.eye(3).tolist()},
        {"transform_matrix": "x"},
        {"fl_x": 0},
        {"w": 1e300},
        {"fl_x": "x"},
    ],
)
def test_damaged_transforms_are_named(tmp_path, changes):
    path = tmp_path / "transforms.json"
    camera = {"fl_x": 10, "cx": 4, "cy": 3, "w": 8, "h": 6}
    frame = {"file_path": "a.jpg", "transform_matrix": np.eye(4).tolist()} | changes
    path.write_text(json.dumps(camera | {"frames": [frame]}))
    with pytest.raises(SceneError, match=r"frames\[0\]"):
        read_transforms(path)


def test_a_damaged_annotation_is_named(write_scene):
    with pytest.raises(SceneError) as caught:
        read(write_scene(obb=None))
    assert caught.value.reason is IngestReason.WRONG_TYPE
