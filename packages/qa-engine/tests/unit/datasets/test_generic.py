import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.generic import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.pcd import read_points
from scipy.spatial.transform import Rotation

BOX = {"label": "chair", "center": [1, 2, 3], "size": [1, 2, 4], "id": 7}
CLOUD = [(0, 0, 0, 5), (1, 2, 3, 5), (9, 9, 9, 0), (4, 4, 4, 6)]


@pytest.fixture
def scan(tmp_path):
    folder = tmp_path / "scans" / "kitchen"
    folder.mkdir(parents=True)
    return folder


def read(folder, **chosen):
    return load(discover(folder.parent, IngestOptions(settings=chosen))[0])


def write_boxes(folder, *boxes):
    (folder / "boxes.json").write_text(json.dumps(boxes))


def pcd(encoding="ascii", n=4):
    header = "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z _ instance\nSIZE 4 4 4 1 4\nTYPE F F F U U\nCOUNT 1 1 1 2 1\n"
    header += f"WIDTH {n}\nHEIGHT 1\nPOINTS {n}\nDATA {encoding}\n"
    if encoding == "ascii":
        return header.encode() + "".join(f"{x} {y} {z} 0 0 {i}\n" for x, y, z, i in CLOUD).encode()
    table = np.zeros(len(CLOUD), [("xyz", "<f4", 3), ("pad", "u1", 2), ("i", "<u4")])
    table["xyz"], table["i"] = [row[:3] for row in CLOUD], [row[3] for row in CLOUD]
    return header.encode() + table.tobytes()


def test_three_ways_to_turn_a_box_agree(scan):
    turn = Rotation.from_euler("z", 0.3)
    x, y, z, w = turn.as_quat()
    ways = [
        {"yaw": 0.3},
        {"quaternion": [w, x, y, z]},
        {"rotation": turn.as_matrix().T.ravel().tolist()},
    ]
    write_boxes(scan, *[BOX | way | {"id": i} for i, way in enumerate(ways)])
    scene = read(scan)
    assert scene.scene_name == "kitchen"
    assert np.allclose(scene.rotation, turn.as_matrix().T)
    assert np.allclose(read(scan, axes="columns").rotation[2], turn.as_matrix())


def test_units_and_the_up_axis_are_brought_to_canonical(scan):
    write_boxes(scan, BOX | {"yaw": 0.3})
    scene = read(scan, up="y", units="cm")
    assert np.allclose(scene.center, [[0.01, -0.03, 0.02]])
    assert np.allclose(scene.size, [[0.01, 0.02, 0.04]])
    assert np.allclose(scene.rotation[0, 1], [0, 0, 1])
    assert np.allclose(scene.canonical_from_source @ [1, 2, 3, 1], [*scene.center[0], 1])


def test_boxes_of_a_table(scan):
    (scan / "boxes.csv").write_text("id,label,cx,cy,cz,sx,sy,sz,yaw\n7,chair,1,2,3,1,2,4,0.3\n9,sofa,0,0,0,1,1,1,0\n")
    table = read(scan)
    write_boxes(scan, BOX | {"yaw": 0.3})
    (first,) = read(scan).rotation
    assert np.allclose(table.rotation[0], first)
    assert table.instance_id.tolist() == [7, 9]
    assert table.category.tolist() == ["chair", "sofa"]


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_a_labelled_cloud_gives_boxes(scan, encoding):
    (scan / "cloud.pcd").write_bytes(pcd(encoding))
    (scan / "labels.json").write_text('{"5": "chair", "6": "dot", "8": "nowhere"}')
    scene = read(scan)
    assert (scene.category.tolist(), scene.instance_id.tolist()) == (["chair"], [5])
    assert scene.center.tolist() == [[0.5, 1, 1.5]]
    assert [error.field for error in scene.refused] == ["cloud.pcd: instance 6", "cloud.pcd: instance 8"]


def test_three_files_of_poses_agree(scan):
    write_boxes(scan, BOX)
    (scan / "images").mkdir()
    Image.new("RGB", (8, 6)).save(scan / "images" / "a.jpg")
    turn, place = Rotation.from_euler("xyz", [1, 2, 3]), np.array([1.0, 2, 3])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn.as_matrix(), place
    row = ",".join(map(str, [*place, *turn.as_quat()]))
    header = "image,tx,ty,tz,qx,qy,qz,qw,fx,fy,cx,cy\n"
    (scan / "poses.csv").write_text(header + f"a.jpg,{row},10,11,4,3\n")
    (frame,) = read(scan).frames
    assert np.allclose(frame.world_from_camera, pose)
    assert frame.intrinsics.tolist() == [[10, 0, 4], [0, 11, 3], [0, 0, 1]]
    assert np.allclose(read(scan, camera="opengl").frames[0].world_from_camera[:, 1], -pose[:, 1])
    back = read(scan, pose="camera_from_world").frames[0].world_from_camera
    assert np.allclose(back, np.linalg.inv(pose))
    assert np.allclose(read(scan, units="mm").frames[0].world_from_camera[:3, 3], place / 1000)

    (scan / "poses.csv").unlink()
    x, y, z, w = turn.inv().as_quat()
    values = " ".join(map(str, [w, x, y, z, *(-turn.as_matrix().T @ place)]))
    (scan / "cameras.txt").write_text("1 PINHOLE 8 6 10 11 4 3\n")
    (scan / "images.txt").write_text(f"1 {values} 1 a.jpg\n\n")
    assert np.allclose(read(scan).frames[0].world_from_camera, pose)

    entry = {"file_path": "images/a.jpg", "transform_matrix": (pose @ np.diag([1, -1, -1, 1])).tolist()}
    (scan / "transforms.json").write_text(json.dumps({"frames": [entry]}))
    (frame,) = read(scan).frames
    assert frame.frame_id == "a"
    assert np.allclose(frame.world_from_camera, pose)


def test_real_poses_and_depth_put_neighbours_on_each_other(real_data, scan):
    source = real_data / "real" / "rgbd_frames" / "slambook2_ch5_rgbd"
    write_boxes(scan, BOX)
    lines = ["image,tx,ty,tz,qx,qy,qz,qw,fx,fy,cx,cy"]
    for i, line in enumerate(source.joinpath("pose.txt").read_text().split("\n")[:5], start=1):
        lines.append(f"{i}.png,{line.strip().replace(' ', ',')},518,519,325.5,253.5")
        (scan / f"{i}.png").write_bytes((source / "color" / f"{i}.png").read_bytes())
        (scan / "depth").mkdir(exist_ok=True)
        with Image.open(source / "depth" / f"{i}.pgm") as image:
            Image.fromarray(np.asarray(image).astype(np.uint16)).save(scan / "depth" / f"{i}.png")
    (scan / "poses.csv").write_text("\n".join(lines) + "\n")
    frames = read(scan).frames
    assert len(frames) == 5
    from scipy.spatial import cKDTree

    clouds = []
    for frame in frames[3:]:
        depth = frame.read_depth()
        row, column = np.nonzero(depth > 0)
        ray = np.stack([column, row, np.ones_like(row)], 1) @ np.linalg.inv(frame.intrinsics).T
        points = ray * depth[row, column, None]
        clouds.append(points[::37] @ frame.world_from_camera[:3, :3].T + frame.world_from_camera[:3, 3])
    assert np.median(cKDTree(clouds[0]).query(clouds[1])[0]) < 0.05


def test_the_real_cloud_has_the_published_points(real_data):
    points = read_points(real_data / "real" / "pointcloud" / "redwood_fragment" / "fragment.pcd")
    assert len(points) == 113_662
    extent = [np.ptp(points[axis]) for axis in "xyz"]
    assert np.allclose(extent, [2.37, 1.95, 0.80], atol=0.01)


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_cut_clouds_and_false_counts_are_refused(scan, encoding):
    path = scan / "cloud.pcd"
    whole = pcd(encoding)
    for data in (b"", whole[:40], whole[:-25], pcd(encoding, n=10**12), pcd("binary_compressed"), pcd(encoding, n="x")):
        path.write_bytes(data)
        with pytest.raises(SceneError, match=r"cloud\.pcd"):
            read_points(path)


@given(st.integers(0, 300), st.binary(max_size=8), st.sampled_from(["ascii", "binary"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_any_damage_to_a_cloud_is_a_refusal_or_points(tmp_path, place, noise, encoding):
    path = tmp_path / "a.pcd"
    whole = pcd(encoding)
    path.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    try:
        points = read_points(path)
    except SceneError:
        return
    assert len(points) <= len(whole)


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"size": [1, 1, 0]}, "size", IngestReason.BAD_SIZE),
        ({"size": [1, 1, -1]}, "size", IngestReason.BAD_SIZE),
        ({"center": [1, 2]}, "boxes.json[0].center", IngestReason.WRONG_TYPE),
        ({"center": [1, 2, float("nan")]}, "boxes.json[0].center[2]", IngestReason.NOT_FINITE),
        ({"id": -1}, "boxes.json[0].id", IngestReason.WRONG_TYPE),
        ({"yaw": 1, "rotation": [0] * 9}, "boxes.json[0]", IngestReason.BAD_ROTATION),
        ({"rotation": [1] * 9}, "rotation", IngestReason.BAD_ROTATION),
        ({"quaternion": [0, 0, 0, 0]}, "boxes.json[0].quaternion", IngestReason.BAD_ROTATION),
        ({"label": "a/\x00"}, "objects.category", IngestReason.BAD_NAME),
    ],
)
def test_a_broken_box_is_named(scan, changes, field, reason):
    write_boxes(scan, BOX | changes)
    with pytest.raises(SceneError) as caught:
        read(scan)
    assert field in caught.value.field
    assert caught.value.reason is reason


def test_missing_images_and_empty_folders_are_named(scan):
    with pytest.raises(QAEngineError, match="no scene here"):
        discover(scan.parent, IngestOptions())
    write_boxes(scan, BOX)
    (scan / "poses.csv").write_text("image,tx,ty,tz,qx,qy,qz,qw\na.jpg,0,0,0,0,0,0,1\n")
    (error,) = read(scan).refused
    assert str(error) == "a.jpg: no such image in the scan's folder"
