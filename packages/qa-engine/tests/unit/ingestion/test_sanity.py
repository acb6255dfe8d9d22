"""Bad copies: a scene is written again with one convention wrong, and ingest has to say which."""

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import IngestReason, QAEngineError
from qa_engine.ingestion.run import ingest
from qa_engine.ingestion.sanity import check_scene
from qa_engine.scenes.cameras import Camera, back_project
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import Store
from scipy.spatial.transform import Rotation


def generic(root, out, **settings):
    return ingest(get_dataset("generic"), root, out=out, options=IngestOptions(settings=settings))


def refused(root, out):
    with pytest.raises(QAEngineError) as error:
        generic(root, out)
    return str(error.value)


def write_boxes(folder, labels, center, size, rotation):
    folder.mkdir(parents=True, exist_ok=True)
    boxes = [
        {"label": str(a), "center": c.tolist(), "size": s.tolist(), "rotation": r.ravel().tolist()}
        for a, c, s, r in zip(labels, center, size, rotation, strict=True)
    ]
    (folder / "boxes.json").write_text(json.dumps(boxes))


def write_poses(folder, poses, matrix, names):
    rows = ["image,tx,ty,tz,qx,qy,qz,qw,fx,fy,cx,cy"]
    lens = [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]]
    for name, pose in zip(names, poses, strict=True):
        values = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat(), *lens]
        rows.append(",".join([name, *map(repr, map(float, values))]))
    (folder / "poses.csv").write_text("\n".join(rows))


OPENGL = np.diag([1.0, -1, -1, 1])
WRONG = {
    "OpenGL": lambda pose: pose @ OPENGL,
    "world to camera": np.linalg.inv,
    "world to camera (OpenGL)": lambda pose: np.linalg.inv(pose @ OPENGL),
    "millimetres": lambda pose: np.vstack([pose[:3] * [1, 1, 1, 1000], pose[3:]]),
}


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    out = tmp_path_factory.mktemp("rooms") / "store"
    ingest(get_dataset("rooms"), None, out=out, options=IngestOptions(seed=8, scenes=1, frames=6, size=64))
    store = Store(out)
    scene = store.load_scene(store.scene_names()[0])
    return scene, store.frames(scene)


def own_scan(folder, room, change):
    """Write a room as an own scan, its poses changed."""
    scene, frames = room
    write_boxes(folder, scene.category, scene.center, scene.size, scene.rotation)
    (folder / "depth").mkdir()
    for frame in frames:
        (folder / f"{frame.frame_id}.png").write_bytes(frame.image_path.read_bytes())
        (folder / "depth" / f"{frame.frame_id}.png").write_bytes(frame.depth_path.read_bytes())
    poses = [change(frame.world_from_camera) for frame in frames]
    write_poses(folder, poses, frames[0].intrinsics, [f"{frame.frame_id}.png" for frame in frames])


@pytest.mark.parametrize("mistake", WRONG)
def test_wrong_poses_are_named(mistake, room, tmp_path):
    own_scan(tmp_path / "scans" / "a", room, WRONG[mistake])
    message = refused(tmp_path / "scans", tmp_path / "store")
    assert "pose_convention" in message
    assert mistake in message
    assert "--set camera=opengl" in message


def test_right_poses_and_the_setting_that_mends_wrong_ones_pass(room, tmp_path):
    own_scan(tmp_path / "good" / "a", room, lambda pose: pose)
    own_scan(tmp_path / "bad" / "a", room, WRONG["world to camera (OpenGL)"])
    for name, settings in {"good": {}, "bad": {"camera": "opengl", "pose": "camera_from_world"}}.items():
        report = generic(tmp_path / name, tmp_path / f"{name}_store", **settings)
        assert (report.rejects, "pose_convention" in report.warnings) == ({}, False)


def test_without_checks_the_scene_is_taken_as_it_is(room, tmp_path):
    own_scan(tmp_path / "scans" / "a", room, WRONG["OpenGL"])
    options = IngestOptions()
    report = ingest(get_dataset("generic"), tmp_path / "scans", out=tmp_path / "store", options=options, checks=False)
    assert (report.n_scenes, report.rejects, report.warnings) == (1, {}, {})


def real_scene(real_data, tmp_path, name):
    meta = real_data / "vsi_bench" / "meta_info.json"
    ingest(get_dataset("vsi-bench"), meta, out=tmp_path / "real", options=IngestOptions(), only=[name])
    return Store(tmp_path / "real").load_scene(name)


@pytest.mark.parametrize(("factor", "unit"), [(1000, "millimetres"), (100, "centimetres"), (3.28084, "feet")])
def test_a_real_scene_in_other_units(factor, unit, real_data, tmp_path):
    scene = real_scene(real_data, tmp_path, "47334096")
    write_boxes(tmp_path / "scans" / "a", scene.category, scene.center * factor, scene.size * factor, scene.rotation)
    message = refused(tmp_path / "scans", tmp_path / "store")
    assert "wrong_units" in message
    assert unit in message


def test_a_real_scene_with_y_up(real_data, tmp_path):
    scene = real_scene(real_data, tmp_path, "47334096")
    turn = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # z becomes y
    write_boxes(tmp_path / "scans" / "a", scene.category, scene.center @ turn.T, scene.size, scene.rotation @ turn.T)
    message = refused(tmp_path / "scans", tmp_path / "store")
    assert "not_upright" in message
    assert "y points up, it seems (--set up=y)" in message
    assert generic(tmp_path / "scans", tmp_path / "store", up="y").rejects == {}


def test_a_real_scene_upside_down(real_data, tmp_path):
    scene = real_scene(real_data, tmp_path, "47334096")
    turn = np.diag([1.0, -1, -1])
    tall = np.array([0.45, 0.8, 1.4, 2.0] * 3)[: len(scene)]  # real heights differ too little here to tell
    size, center = scene.size.copy(), scene.center.copy()
    size[:, 2], center[:, 2] = tall, tall / 2
    flipped = Scene(
        scene_name="s",
        dataset="d",
        category=np.array(["chair", "table", "sofa", "stool", "bed", "cabinet"] * 2)[: len(scene)],
        center=center @ turn.T,
        size=size,
        rotation=scene.rotation @ turn.T,
    )
    assert [finding.error.reason for finding in check_scene(flipped).findings if finding.severe] == [
        IngestReason.NOT_UPRIGHT
    ]


def test_box_axes_of_a_real_scene_read_from_columns(real_data, tmp_path):
    scene = real_scene(real_data, tmp_path, "21d970d8de")  # ScanNet++: the second axis is vertical
    columns = scene.rotation.transpose(0, 2, 1)
    write_boxes(tmp_path / "scans" / "a", scene.category, scene.center, scene.size, columns)
    assert "box_axes" in refused(tmp_path / "scans", tmp_path / "store")
    assert generic(tmp_path / "scans", tmp_path / "store", axes="columns").rejects == {}
    options = IngestOptions(settings={"axes": "columns"})
    with pytest.raises(QAEngineError, match="box_mismatch"):  # its boxes have bounds to compare with
        ingest(get_dataset("multiscan"), real_data / "real/multiscan", out=tmp_path / "m", options=options)


@pytest.mark.parametrize("mistake", [None, "OpenGL", "world to camera"])
def test_real_frames_with_wrong_poses(mistake, real_data, tmp_path):
    source = real_data / "real/rgbd_frames/slambook2_ch5_rgbd"
    matrix = np.array([[518.0, 0, 325.5], [0, 519, 253.5], [0, 0, 1]])
    rows = np.loadtxt(source / "pose.txt")[:2]
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = Rotation.from_quat(rows[:, 3:]).as_matrix(), rows[:, :3]
    folder = tmp_path / "scans" / "a"
    (folder / "depth").mkdir(parents=True)
    points = []
    for i, pose in enumerate(poses, start=1):
        depth = np.asarray(Image.open(source / "depth" / f"{i}.pgm")).astype(np.uint16)
        Image.fromarray(depth).save(folder / "depth" / f"{i}.png")
        (folder / f"{i}.png").write_bytes((source / "color" / f"{i}.png").read_bytes())
        camera = Camera(width=640, height=480, intrinsics=matrix, world_from_camera=pose)
        points.append(back_project(depth.astype(np.float32) / 1000, camera)[::16])
    cells, counts = np.unique(np.floor(np.concatenate(points) / 0.3).astype(int), axis=0, return_counts=True)
    center = (cells[counts > 200] + 0.5) * 0.3
    n = len(center)
    write_boxes(folder, ["box"] * n, center, np.full((n, 3), 0.3), np.stack([np.eye(3)] * n))
    names = [f"{i}.png" for i in range(1, len(poses) + 1)]
    write_poses(folder, poses if mistake is None else [WRONG[mistake](pose) for pose in poses], matrix, names)
    if mistake is None:
        assert generic(tmp_path / "scans", tmp_path / "store").n_frames == 2
    else:
        assert "pose_convention" in refused(tmp_path / "scans", tmp_path / "store")


def test_odd_sizes_and_cameras_far_away_are_warnings(room, tmp_path):
    scene, _ = room
    folder = tmp_path / "scans" / "a"
    own_scan(folder, room, lambda pose: np.vstack([pose[:3] + [[0, 0, 0, 40]] * 3, pose[3:]]))
    boxes = json.loads((folder / "boxes.json").read_text())
    chair = next(i for i, name in enumerate(scene.category) if name in ("chair", "table", "sofa"))
    boxes[chair]["size"] = [0.02, 0.02, 0.02]
    (folder / "boxes.json").write_text(json.dumps(boxes))
    for path in (folder / "depth").iterdir():
        path.unlink()
    report = generic(tmp_path / "scans", tmp_path / "store")
    assert (report.n_scenes, report.lost) == (1, 0)
    assert report.warnings["odd_size"] == 1
    assert {"cameras_outside", "nothing_in_view", "pose_convention"} & report.warnings.keys()
    rows = pl.read_parquet(tmp_path / "store" / "rejects.parquet").filter(pl.col("stage") == "check")
    assert rows["reason"].n_unique() == len(report.warnings)


def test_no_published_scene_is_suspected(real_data, tmp_path):
    meta = real_data / "vsi_bench" / "meta_info.json"
    report = ingest(get_dataset("vsi-bench"), meta, out=tmp_path / "store", options=IngestOptions())
    assert (report.rejects, report.warnings) == ({}, {})


def test_absurd_coordinates_are_refused_before_anything_is_computed_from_them(tmp_path):
    boxes = [np.array(["chair"]), np.array([[1e300, 0, 0]]), np.ones((1, 3)), np.eye(3)[None]]
    write_boxes(tmp_path / "scans" / "a", *boxes)
    assert "1e+300 m is no place" in refused(tmp_path / "scans", tmp_path / "store")
