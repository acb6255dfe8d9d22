"""Recordings of phones and robots: pictures, depth and poses say the same of a room whose truth is known."""

import importlib.util
import json
import struct
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.generic import discover, load
from qa_engine.errors import IngestReason, SceneError
from qa_engine.ingestion.doctor import diagnose
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.views.observations import observe

spec = importlib.util.spec_from_file_location("recording_writers", Path(__file__).with_name("recording_writers.py"))
writers = sys.modules.setdefault("recording_writers", importlib.util.module_from_spec(spec))
spec.loader.exec_module(writers)

ALIGNED = np.array([[0.0, 0, 1, 2], [0, 1, 0, 0.5], [-1, 0, 0, 3], [0, 0, 0, 1]])
"""A turn about Y by which Polycam brings a mesh to its walls."""

MADE = {
    "strayscanner": lambda folder, room: writers.stray(folder, room),
    "strayscanner held upright": lambda folder, room: writers.stray(folder, room, sideways=True),
    "strayscanner of one camera": lambda folder, room: writers.stray(folder, room, per_frame=False),
    "record3d": lambda folder, room: writers.record3d(folder, room),
    "record3d held upright": lambda folder, room: writers.record3d(folder, room, sideways=True),
    "record3d unpacked": lambda folder, room: writers.record3d(folder, room, unpacked=True, own_cameras=False),
    "polycam": lambda folder, room: writers.polycam(folder, room),
    "polycam held upright": lambda folder, room: writers.polycam(folder, room, sideways=True),
    "polycam without correction": lambda folder, room: writers.polycam(folder, room, corrected=False),
    "3dscannerapp": lambda folder, room: writers.scanner3d(folder, room),
    "3dscannerapp held upright": lambda folder, room: writers.scanner3d(folder, room, sideways=True),
    "nerfcapture": lambda folder, room: writers.nerfcapture(folder, room),
    "nerfcapture held upright": lambda folder, room: writers.nerfcapture(folder, room, sideways=True),
    "tum": lambda folder, room: writers.tum(folder, room),
    "tum of ORB-SLAM": lambda folder, room: writers.tum(folder, room, trajectory="CameraTrajectory.txt", lists=False),
    "rtabmap": lambda folder, room: writers.rtabmap(folder, room),
    "rtabmap of a robot": lambda folder, room: writers.rtabmap(folder, room, of_robot=True),
    "rtabmap by time": lambda folder, room: writers.rtabmap(folder, room, by_time=True),
}


@pytest.fixture
def scan(tmp_path, room):
    for module in ("av", "imagecodecs"):
        pytest.importorskip(module)
    folder = tmp_path / "scans" / "room"
    room.write_boxes(folder)
    return folder


def read(folder, **chosen):
    return load(discover(folder.parent, IngestOptions(settings=chosen))[0])


def stored(root, tmp_path, **chosen):
    out = tmp_path / "store"
    ingest(get_dataset("generic"), root, out=out, options=IngestOptions(settings=chosen), force=True)
    observe(Store(out))
    return out


@pytest.mark.parametrize("kind", MADE)
def test_outlines_in_pictures_of_every_format_are_those_of_observations(scan, tmp_path, room, kind):
    MADE[kind](scan, room)
    scene = read(scan)
    assert not [error for error in scene.refused if error.reason is not IngestReason.SKIPPED]
    store = stored(scan.parent, tmp_path)
    worst, n = room.outlines_agree(store)
    assert worst <= 3
    assert n >= 8
    frames = pl.read_parquet(store / "frames.parquet")
    upright = (72, 96) if "upright" in kind else (96, 72)
    assert [(row["width"], row["height"]) for row in frames.to_dicts()] == [upright] * 2
    poses = frames["world_from_camera"].to_list()
    assert np.allclose(np.reshape(poses, (-1, 4, 4)), room.POSES, atol=1e-5)
    times = frames["time_s"].to_list()
    assert times[1] - times[0] == pytest.approx(0.1)
    if kind.split()[0] != "nerfcapture":
        depth = np.asarray(Image.open(store / frames["depth_path"][0])).astype(float) / 1000
        sharp = room.picture(room.POSES[0])
        if "upright" not in kind:
            inner = room.within_surfaces(sharp[0])
            error = np.abs(depth - sharp[1])[inner & (depth > 0)]  # half as many pixels, on slanted faces
            assert np.median(error) < 0.02
            assert error.max() < 0.25
        assert 0.3 not in depth


@pytest.mark.parametrize("kind", MADE)
def test_doctor_names_the_format(scan, room, kind):
    MADE[kind](scan, room)
    found = diagnose(scan.parent, options=IngestOptions())
    assert found.dataset == "generic"
    assert kind.split()[0] in found.formats
    assert not found.problems


def test_pictures_stay_as_the_sensor_has_them_if_so_chosen(scan, tmp_path, room):
    writers.stray(scan, room, sideways=True)
    store = stored(scan.parent, tmp_path, upright="no")
    assert pl.read_parquet(store / "frames.parquet")["width"].to_list() == [96, 96]
    worst, n = room.outlines_agree(store)
    assert worst <= 3
    assert n >= 8


def test_the_mark_that_turns_a_video_changes_nothing(scan, tmp_path, room):
    writers.stray(scan, room, sideways=True)
    marked = [colours for colours, _ in writers.sensor(room, sideways=True)]
    writers.write_video(scan / "rgb.mp4", marked, rotation=90)
    worst, n = room.outlines_agree(stored(scan.parent, tmp_path))
    assert worst <= 3
    assert n >= 8


@pytest.mark.parametrize(("least", "kept"), [("all", True), ("medium", False), ("high", False)])
def test_depth_of_low_confidence_is_left_out_unless_wanted(scan, room, least, kept):
    writers.stray(scan, room)
    depth = read(scan, confidence=least).frames[0].read_depth()
    assert np.isclose(depth, 0.3).any() == kept


def test_poses_of_polycam_come_to_the_world_of_its_mesh(scan, tmp_path, room):
    writers.polycam(scan, room, aligned=ALIGNED)
    poses = [frame.world_from_camera for frame in read(scan).frames]
    assert np.allclose(poses, room.POSES, atol=1e-6)
    other = [frame.world_from_camera for frame in read(scan, polycam_world="session").frames]
    assert not np.allclose(other, room.POSES, atol=0.1)


def test_poses_without_a_picture_of_the_video_are_lost_alone(scan, room):
    writers.stray(scan, room)
    table = (scan / "odometry.csv").read_text().splitlines()
    late = table[-1].replace("100.1, 000001", "100.2, 000002")
    (scan / "odometry.csv").write_text("\n".join([*table, late]))
    scene = read(scan)
    assert len(scene.frames) == 2
    assert "no picture for pose 2" in str(scene.refused[0])


def test_long_recordings_are_thinned_and_say_so(scan, room):
    writers.stray(scan, room)
    scene = read(scan, every="2")
    assert len(scene.frames) == 1
    assert "one in 2 of 2" in str(scene.refused[0])


def test_recordings_of_the_front_camera_have_no_poses(scan, room):
    writers.record3d(scan, room, unpacked=True)
    meta = json.loads((scan / "metadata").read_text())
    meta["poses"] = [[0, 0, 0, 1, 0, 0, 0]] * 2
    (scan / "metadata").write_text(json.dumps(meta))
    with pytest.raises(SceneError, match=r"front camera.*frames_from=none"):
        read(scan)
    assert read(scan, frames_from="none").frames == ()


@pytest.mark.parametrize("cut", [10, 0.5, 0.9])
def test_cut_archives_are_refused(scan, room, cut):
    writers.record3d(scan, room)
    (path,) = scan.glob("*.r3d")
    data = path.read_bytes()
    path.write_bytes(data[: cut if cut > 1 else int(len(data) * cut)])
    with pytest.raises(SceneError, match="archive"):
        read(scan)


def test_a_trajectory_without_the_camera_says_what_to_write(scan, room):
    writers.tum(scan, room)
    (scan / "calibration.txt").unlink()
    with pytest.raises(SceneError, match="fx fy cx cy"):
        read(scan)


def test_a_format_can_be_asked_for_and_is_missed_by_name(scan, tmp_path, room):
    writers.tum(scan, room)
    room.write_pictures(scan / "images")
    (scan / "transforms.json").write_text(json.dumps(room.transforms()))
    assert {frame.frame_id for frame in read(scan).frames} == {"0001", "0002"}
    assert {frame.time_s for frame in read(scan, frames_from="tum").frames} == set(writers.TIMES)
    with pytest.raises(SceneError, match="keyframes"):
        read(scan, frames_from="polycam")


def test_photos_of_phones_may_be_heic(scan, tmp_path, room):
    heif = pytest.importorskip("pillow_heif")
    (scan / "images").mkdir()
    for i, (colours, _) in enumerate(writers.sensor(room), start=1):
        heif.from_pillow(Image.fromarray(colours)).save(scan / "images" / f"{i:04d}.heic", quality=-1, chroma=444)
    value = room.transforms()
    for frame in value["frames"]:
        frame["file_path"] = frame["file_path"].replace(".png", ".heic")
    (scan / "transforms.json").write_text(json.dumps(value))
    store = stored(scan.parent, tmp_path)
    worst, n = room.outlines_agree(store)
    assert worst <= 3
    assert n >= 8
    assert {path.rsplit(".")[-1] for path in pl.read_parquet(store / "frames.parquet")["image_path"]} == {"jpg"}
    (scan / "images" / "0001.heic").write_bytes((scan / "images" / "0001.heic").read_bytes()[:300])
    ingest(get_dataset("generic"), scan.parent, out=tmp_path / "cut", options=IngestOptions())
    assert pl.read_parquet(tmp_path / "cut" / "frames.parquet").height == 1
    assert "HEIC" in pl.read_parquet(tmp_path / "cut" / "rejects.parquet")["detail"][0]


@pytest.mark.parametrize("key", ["depth_unit_scale_factor", "integer_depth_scale"])
def test_depth_of_transforms_has_two_names_and_units(scan, room, key):
    room.write_pictures(scan / "images")
    value = room.transforms() | {key: 0.0002}
    named = "depth_file_path" if key == "depth_unit_scale_factor" else "depth_path"
    for i, frame in enumerate(value["frames"], start=1):
        frame["file_path"] = f"images\\{i:04d}.png"  # written on Windows
        frame[named] = f"images\\{i:04d}.depth.png"
        writers.grey16(scan / "images" / f"{i:04d}.depth.png", room.picture(room.POSES[i - 1])[1], 5000)
    (scan / "transforms.json").write_text(json.dumps(value))
    depth = read(scan).frames[0].read_depth()
    assert np.abs(depth - room.picture(room.POSES[0])[1]).max() < 1e-3


def test_the_turn_and_scale_of_nerfstudio_are_undone_if_so_chosen(scan, room):
    room.write_pictures(scan / "images")
    turn = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])
    moved = []
    for pose in room.POSES:
        pose = turn @ pose
        pose[:3, 3] *= 0.25
        moved.append(pose)
    value = room.transforms(poses=moved) | {"applied_transform": turn[:3].tolist(), "applied_scale": 0.25}
    (scan / "transforms.json").write_text(json.dumps(value))
    poses = [frame.world_from_camera for frame in read(scan, applied_transform="undone").frames]
    assert np.allclose(poses, room.POSES)
    assert not np.allclose([frame.world_from_camera for frame in read(scan).frames], room.POSES)


def test_the_mesh_of_polycam_is_read_in_the_world_of_its_poses(scan, room):
    writers.polycam(scan, room, aligned=ALIGNED)
    corners = np.array([[-1, -2, 0], [6, -2, 0], [6, 4, 0], [-1, 4, 0]]) @ writers.Y_UP_FROM_Z_UP[:3, :3].T
    points, faces = corners.astype("<f4").tobytes(), np.array([0, 1, 2, 0, 2, 3], "<u2").tobytes()
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "scene": 0,
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 6, "type": "SCALAR"},
        ],
        "bufferViews": [{"buffer": 0, "byteLength": 48}, {"buffer": 0, "byteOffset": 48, "byteLength": 12}],
        "buffers": [{"byteLength": 60}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", 60, 0x004E4942) + points + faces
    (scan / "raw.glb").write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body)
    scene = read(scan)
    assert np.ptp(scene.mesh.vertices, axis=0) == pytest.approx([7, 6, 0])
    assert scene.mesh.vertices.min(axis=0) == pytest.approx([-1, -2, 0])
    assert not [error for error in scene.refused if error.reason is IngestReason.UNREAD_FILE]
    assert read(scan, polycam_world="session").mesh is None


@pytest.mark.parametrize(
    ("made", "chosen", "agree"),
    [
        ({}, {"frames_up": "z"}, False),
        ({}, {"up": "y"}, True),
        ({}, {"camera": "opengl"}, False),
        ({}, {"pose": "camera_from_world"}, False),
    ],
)
def test_switches_apply_to_recordings(scan, room, made, chosen, agree):
    writers.stray(scan, room, **made)
    poses = [frame.world_from_camera for frame in read(scan, upright="no", **chosen).frames]
    assert np.allclose(poses, room.POSES, atol=1e-5) == agree
    assert read(scan, depth_per_metre="5000").frames[0].read_depth().max() < read(scan).frames[0].read_depth().max()
