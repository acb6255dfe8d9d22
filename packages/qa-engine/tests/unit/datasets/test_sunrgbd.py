"""SUN RGB-D in its layout: an image, its tilted camera, depth with turned bits, boxes of the table or of the folder."""

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.sunrgbd import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.ingestion.doctor import diagnose
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.views.observations import observe
from scipy.io import savemat

EXCHANGED = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""The toolbox's points (x, z, -y) from those of the camera."""
IMAGE = "xtion/sun3ddata/lab/video_1/0001"
K = np.array([[80, 0, 48.5], [0, 80, 36.5], [0, 0, 1.0]])
"""Pixels counted from 1."""


def sun_from_room(pose):
    """The world of an image: its camera at zero, looking along y as seen from above."""
    ahead = pose[:2, 2] / np.linalg.norm(pose[:2, 2])
    turn = np.array([[ahead[1], -ahead[0], 0], [ahead[0], ahead[1], 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, -turn @ pose[:3, 3]
    return matrix


def turn_of(room, name):
    yaw = room.OBJECTS[name][2]
    return np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])


def rotated_bits(metres):
    mm = np.rint(metres * 1000).astype(np.uint16)
    return (mm << 3) | (mm >> 13)


def structs_of(rows):
    """An array of structs as MATLAB has it: all of the same fields, empty where a row lacks one."""
    names = sorted({name for row in rows for name in row})
    array = np.zeros((1, len(rows)), dtype=[(name, object) for name in names])
    for i, row in enumerate(rows):
        for name in names:
            array[name][0, i] = row.get(name, np.zeros((0, 0)))
    return array


@pytest.fixture
def write(tmp_path, room):
    def write(*, table=True, beside=(), **changes):
        root, pose = tmp_path / "sun", room.POSES[0]
        folder = root / "SUNRGBD" / IMAGE
        world = sun_from_room(pose)
        level = world[:3, :3] @ pose[:3, :3]
        colours, depth = room.picture(pose)
        for name in ("image", "depth", "depth_bfx", "extrinsics", "annotation3Dfinal"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(colours).save(folder / "image" / "0001.jpg", quality=100, subsampling=0)
        Image.fromarray(rotated_bits(np.where(depth > 0, depth, 9.0))).save(folder / "depth" / "0001.png")
        Image.fromarray(rotated_bits(np.full_like(depth, 2.0))).save(folder / "depth_bfx" / "0001.png")
        (folder / "intrinsics.txt").write_text("80 0 48.5 0 80 36.5 0 0 1")
        extrinsics = np.column_stack([EXCHANGED.T @ level, np.zeros(3)])
        (folder / "extrinsics" / "20150101.txt").write_text("\n".join(" ".join(map(str, row)) for row in extrinsics))
        objects, structs = [], []
        for name, (center, size, _) in room.OBJECTS.items():
            axes = turn_of(room, name) @ world[:3, :3].T
            middle = world[:3, :3] @ center + world[:3, 3]
            ring = middle[:2] + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * size[:2] @ axes[:2, :2]
            x, z = ring.T.tolist()
            high, low = -(middle[2] + size[2] / 2), -(middle[2] - size[2] / 2)
            polygon = {"X": x, "Z": z, "Ymin": high, "Ymax": low, "rectangle": 1}
            objects.append({"name": f"{name}:occluded", "polygon": [polygon]})
            structs.append(
                {
                    "classname": name,
                    "basis": (axes * [[-1], [1], [1]]).round(4),  # some are left-handed
                    "coeffs": np.array(size) / 2 * [1, -1, 1],
                    "centroid": middle[None],
                }
            )
        objects += [None, {"name": "rug", "polygon": []}]
        (folder / "annotation3Dfinal" / "index.json").write_text(json.dumps({"objects": objects}))
        record = {
            "sequenceName": f"SUNRGBD/{IMAGE}/",
            "groundtruth3DBB": structs_of([*structs, *beside]),
            "Rtilt": level @ EXCHANGED.T,
            "K": K,
        }
        if table:
            savemat(root / "SUNRGBDMeta3DBB_v2.mat", {"SUNRGBDMeta": structs_of([record | changes, {}])})
        return root

    return write


def read(root, **settings):
    return load(discover(root, IngestOptions(settings=settings))[0])


@pytest.mark.parametrize("table", [True, False])
def test_outlines_in_the_picture_are_those_of_observations(write, tmp_path, room, table):
    root, out = write(table=table), tmp_path / "store"
    ingest(get_dataset("sunrgbd"), root, out=out, options=IngestOptions())
    observe(Store(out))
    worst, n = room.outlines_agree(out, n_frames=1)
    assert worst <= 3
    assert n >= 5
    depth = np.asarray(Image.open(out / pl.read_parquet(out / "frames.parquet")["depth_path"][0])) / 1000
    assert np.abs(depth - room.picture(room.POSES[0])[1]).max() < 0.001  # 9 m is none


@pytest.mark.parametrize("table", [True, False])
def test_boxes_are_level_and_the_camera_is_their_origin(write, room, table):
    scene = read(write(table=table))
    assert (scene.scene_name, scene.scene_group) == (IMAGE.replace("/", "_"), "xtion_sun3ddata_lab")
    assert scene.category.tolist() == list(room.OBJECTS)
    assert np.allclose(scene.size, [size for _, size, _ in room.OBJECTS.values()], atol=1e-6)
    world = sun_from_room(room.POSES[0])
    centers = np.array([center for center, _, _ in room.OBJECTS.values()]) @ world[:3, :3].T + world[:3, 3]
    assert np.allclose(scene.center, centers, atol=1e-6)
    assert np.abs(scene.rotation[:, 2, 2]).min() > 0.999
    assert np.allclose(scene.frames[0].world_from_camera, world @ room.POSES[0], atol=1e-4)
    assert np.allclose(scene.frames[0].intrinsics, [[80, 0, 47.5], [0, 80, 35.5], [0, 0, 1]])
    assert not scene.refused


def test_the_filled_depth_is_a_switch_and_one_folder_is_a_scene(write):
    root = write()
    assert np.allclose(read(root, depth="filled").frames[0].read_depth(), 2.0)
    assert read(root / "SUNRGBD" / IMAGE, annotation="folders").scene_name == "0001"
    (source,) = discover(root / "SUNRGBD" / IMAGE, IngestOptions(annotations=root))
    assert source.data.record is not None
    assert diagnose(root, options=IngestOptions()).dataset == "sunrgbd"


GOOD = {"classname": "box", "basis": np.eye(3), "coeffs": [1, 1, 1], "centroid": [0, 1, 2]}


@pytest.mark.parametrize(
    ("box", "field"),
    [
        (GOOD | {"coeffs": [1, np.nan, 1]}, "coeffs"),
        (GOOD | {"basis": np.ones((3, 3))}, "basis"),
        (GOOD | {"basis": np.full((3, 3), np.nan)}, "basis"),
        (GOOD | {"centroid": [1, 2]}, "centroid"),
        (GOOD | {"classname": 3.0}, "classname"),
        ({}, "classname"),
    ],
)
def test_a_damaged_box_is_refused_alone(write, room, box, field):
    scene = read(write(beside=[box]))
    assert len(scene) == len(room.OBJECTS)
    (error,) = scene.refused
    assert f"groundtruth3DBB({len(room.OBJECTS) + 1})" in error.field
    assert field in error.field


def test_what_an_image_lacks_is_named(write, tmp_path):
    root = write()
    folder = root / "SUNRGBD" / IMAGE
    (folder / "image" / "0001.jpg").unlink()
    (error,) = read(root).refused
    assert error.reason is IngestReason.MISSING_FILE
    assert len(read(write(groundtruth3DBB=np.zeros((0, 0))))) == 0
    (error,) = read(write(K=np.array([[80, 0, 480], [0, 80, 360], [0, 0, 1.0]]))).refused
    assert "another resolution" in str(error)
    (root / "SUNRGBDMeta3DBB_v2.mat").write_bytes((root / "SUNRGBDMeta3DBB_v2.mat").read_bytes()[:700])
    with pytest.raises(QAEngineError, match=r"no whole MATLAB file.*annotation=folders"):
        discover(root, IngestOptions())
    (folder / "annotation3Dfinal" / "index.json").unlink()
    with pytest.raises(SceneError, match="neither"):
        read(root, annotation="folders")
    with pytest.raises(QAEngineError, match="no image here"):
        discover(tmp_path, IngestOptions())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"X": [0, 1, 2, 3]}, IngestReason.BAD_SIZE),
        ({"X": [0, 1, 1]}, IngestReason.WRONG_TYPE),
        ({"Ymin": float("nan")}, IngestReason.NOT_FINITE),
        ({"X": [0, 0, 0, 0], "Z": [0, 0, 0, 0]}, IngestReason.BAD_SIZE),
    ],
)
def test_corners_that_are_no_rectangle_are_refused_alone(write, room, changes, reason):
    path = write(table=False) / "SUNRGBD" / IMAGE / "annotation3Dfinal" / "index.json"
    polygon = {"X": [0, 1, 1, 0], "Z": [0, 0, 1, 1], "Ymin": -1, "Ymax": 0} | changes
    value = json.loads(path.read_text())
    value["objects"].append({"name": "größe", "polygon": [polygon]})
    path.write_text(json.dumps(value))
    scene = read(path.parents[7])
    assert len(scene) == len(room.OBJECTS)
    assert [error.reason for error in scene.refused] == [reason]
