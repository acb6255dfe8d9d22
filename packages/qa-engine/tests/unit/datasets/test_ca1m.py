"""CA-1M in its layout: an archive per capture, poses and boxes of the laser scanner, gravity of the phone."""

import io
import json
import tarfile

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.ca1m import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.canonical import turn_onto
from qa_engine.ingestion.doctor import diagnose
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.views.observations import observe
from scipy.spatial.transform import Rotation

ID = "42898570"
K = [[80, 0, 47.5], [0, 80, 35.5], [0, 0, 1]]


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def members_of(room, world):
    """Files of a capture whose laser scanner stood in another world than the room: `world` from the room's, (4, 4)."""
    files, boxes = {}, []
    for i, pose in enumerate(room.POSES):
        place, (colours, depth) = f"{ID}/{100_000_000 * (i + 1)}", room.picture(pose)
        level = turn_onto(np.array([0.0, -1, 0]), pose[:3, :3].T @ [0, 0, 1])[:3, :3]
        mm = np.rint(depth * 1000).astype(np.uint16)
        files |= {
            f"{place}.wide/image.png": png(colours),
            f"{place}.wide/image/K.json": K,
            f"{place}.wide/depth.png": png(np.full_like(mm[::4, ::4], 2000)),
            f"{place}.wide/depth/K.json": (np.diag([0.25, 0.25, 1]) @ K).tolist(),
            f"{place}.wide/T_gravity.json": level.tolist(),
            f"{place}.wide/instances.json": [],
            f"{place}.gt/RT.json": (world @ pose).tolist(),
            f"{place}.gt/depth.png": png(mm[::2, ::2]),
            f"{place}.gt/depth/K.json": (np.diag([0.5, 0.5, 1]) @ K).tolist(),
        }
    for i, (center, size, yaw) in enumerate(room.OBJECTS.values()):
        turn = world[:3, :3] @ Rotation.from_euler("z", yaw).as_matrix()
        middle = world[:3, :3] @ center + world[:3, 3]
        row = {"id": f"b{i}", "position": middle.tolist(), "scale": size, "R": turn.round(5).tolist()}
        boxes.append(row | {"category": "object"})
    wall = {"id": "w", "category": "wall", "position": [0, 3, 1], "scale": [5, 0.1, 2], "R": np.eye(3).tolist()}
    return files | {f"{ID}/world.gt/instances.json": [*boxes, wall]}


@pytest.fixture
def write(tmp_path, room):
    def write(*, world=None, labelled=True, **changes):
        root = tmp_path / "ca1m"
        root.mkdir(exist_ok=True)
        files = members_of(room, np.eye(4) if world is None else world)
        for name, value in changes.items():
            files[next(key for key in files if key.endswith(name.replace("__", "/") + ".json"))] = value
        with tarfile.open(root / f"ca1m-val-{ID}.tar", "w") as archive:
            for name, value in files.items():
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        if labelled:
            labels = {f"b{i}": name for i, name in enumerate(room.OBJECTS)}
            (root / f"{ID}.labels.json").write_text(json.dumps(labels))
        return root

    return write


def read(root, **settings):
    return load(discover(root, IngestOptions(settings={"every": "1", **settings}))[0])


def test_outlines_in_pictures_are_those_of_observations(write, tmp_path, room):
    root, out = write(), tmp_path / "store"
    ingest(get_dataset("ca1m"), root, out=out, options=IngestOptions(settings={"every": "1"}))
    observe(Store(out))
    worst, n = room.outlines_agree(out)
    assert worst <= 3
    assert n >= 8
    frames = pl.read_parquet(out / "frames.parquet")
    assert np.diff(frames["time_s"].to_list()) == pytest.approx(0.1)
    depth = np.asarray(Image.open(out / frames["depth_path"][0])).astype(float) / 1000
    colours, metres = room.picture(room.POSES[0])
    error = np.abs(depth - metres)[room.within_surfaces(colours) & (depth > 0)]
    assert np.median(error) < 0.02
    assert error.max() < 0.25


@pytest.mark.parametrize(
    "turn", [np.eye(3), Rotation.from_euler("x", -90, degrees=True).as_matrix(), np.diag([1, -1, -1])]
)
def test_a_world_that_is_not_upright_is_turned_by_gravity(write, room, turn):
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = turn, [5, 6, 7]
    scene = read(write(world=world))
    up = np.einsum("nij,nj->ni", scene.rotation, np.broadcast_to([0, 0, 1.0], (len(scene), 3)))
    assert np.abs(np.abs(up[:-1]).max(axis=1) - 1).max() < 1e-3
    heights = [center[2] for center, _, _ in room.OBJECTS.values()]
    assert np.allclose(np.diff(scene.center[:-1, 2]), np.diff(heights), atol=1e-3)
    assert np.allclose(scene.size[:-1], [size for _, size, _ in room.OBJECTS.values()])


def test_boxes_have_the_labels_that_a_person_gave_them(write, room):
    scene = read(write())
    assert scene.category.tolist() == [*room.OBJECTS, "wall"]
    assert not scene.refused
    root = write(labelled=False)
    (root / f"{ID}.labels.json").unlink()
    scene = read(root)
    assert scene.category.tolist() == ["wall"]
    assert [error.reason for error in scene.refused] == [IngestReason.SKIPPED]
    assert read(root, unlabelled="keep").category.tolist() == ["object"] * len(room.OBJECTS) + ["wall"]


def test_frames_are_thinned_and_depth_may_be_the_phones(write):
    scene = read(write(), every="2", depth="phone")
    assert [frame.frame_id for frame in scene.frames] == ["100000000"]
    assert "one in 2 of 2 frames" in str(scene.refused[0])
    assert (scene.frames[0].read_depth() == 2).all()


def test_an_unpacked_capture_is_read_and_doctor_knows_both(write):
    root = write()
    assert diagnose(root, options=IngestOptions()).dataset == "ca1m"
    scene = read(root / f"ca1m-val-{ID}.tar")
    with tarfile.open(root / f"ca1m-val-{ID}.tar") as archive:
        archive.extractall(root, filter="data")
    (root / f"ca1m-val-{ID}.tar").unlink()
    (root / ID / f"{ID}.labels.json").write_bytes((root / f"{ID}.labels.json").read_bytes())
    for folder in (root, root / ID):
        same = read(folder)
        assert (same.center == scene.center).all()
        assert len(same.frames) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gt__RT": [[1, 2], [3, 4]]}, IngestReason.WRONG_TYPE),
        ({"gt__RT": np.full((4, 4), np.nan).tolist()}, IngestReason.NOT_FINITE),
        ({"wide__image__K": np.zeros((3, 3)).tolist()}, IngestReason.BAD_CAMERA),
        ({"wide__image__K": np.diag([8e4, 8e4, 1]).tolist()}, IngestReason.BAD_CAMERA),
    ],
)
def test_a_damaged_frame_is_refused_alone(write, changes, reason):
    scene = read(write(**changes))
    assert len(scene.frames) == 1
    assert [error.reason for error in scene.refused] == [reason]


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ({"scale": [1, 0, 1]}, IngestReason.BAD_SIZE),
        ({"R": np.ones((3, 3)).tolist()}, IngestReason.BAD_ROTATION),
        ({"R": [[1, 0, 0]]}, IngestReason.WRONG_TYPE),
        ({"position": [0, None, 0]}, IngestReason.WRONG_TYPE),
    ],
)
def test_a_damaged_box_is_refused_alone(write, box, reason):
    good = {"id": "ü", "category": "wall", "position": [0, 0, 1], "scale": [1, 1, 1], "R": np.eye(3).tolist()}
    scene = read(write(**{"world.gt__instances": [good, good | box]}))
    assert len(scene) == 1
    assert [error.reason for error in scene.refused] == [reason]


def test_poses_that_contradict_gravity_and_cut_archives_are_refused(write, tmp_path):
    root = write(wide__T_gravity=Rotation.from_euler("x", 90, degrees=True).as_matrix().tolist())
    with pytest.raises(SceneError, match="agree with T_gravity"):
        read(root)
    path = root / f"ca1m-val-{ID}.tar"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(SceneError, match="no whole archive"):
        read(root)
    path.write_bytes(bytes(10240))
    with pytest.raises(SceneError, match="no such member"):
        read(root)
    with pytest.raises(QAEngineError, match="no capture here"):
        discover(tmp_path, IngestOptions())
