import contextlib
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.embodiedscan import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.safe_pickle import PickledArray, load_plain
from scipy.spatial.transform import Rotation

ALIGN = np.array([[0.0, -1, 0, 5], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
POSE = np.eye(4)
POSE[:3, 3] = 1, 2, 3


CAMERA = np.array([[9.0, 0, 3.5, 0], [0, 8, 2.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def info(**changes):
    box = np.array([1, 2, 3, 4, 5, 6, 0.3, 0.2, 0.1])
    image = {"img_path": "scannet/posed/00010.jpg", "depth_path": "scannet/posed/00010.png", "cam2global": POSE}
    entry = {
        "sample_idx": "scannet/scene0007_01",
        "axis_align_matrix": ALIGN,
        "cam2img": CAMERA,
        "images": [image, {**image, "img_path": "scannet/posed/00020.jpg"}],
        "instances": [{"bbox_3d": box, "bbox_label_3d": 2, "bbox_id": np.int64(4)}],
    }
    return {"metainfo": {"categories": {"chair": 1, "table": 2}}, "data_list": [entry | changes]}


@pytest.fixture
def write(tmp_path):
    def write_pickle(value, protocol=4):
        path = tmp_path / "embodiedscan_infos_val.pkl"
        path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol=protocol))
        return path

    return write_pickle


def read(path, **options):
    return load(discover(path, IngestOptions(**options))[0])


@pytest.mark.parametrize("protocol", range(6))
def test_boxes_of_every_version_of_pickle(write, protocol):
    scene = read(write(info(), protocol))
    assert (scene.scene_name, scene.scene_group) == ("scannet_scene0007_01", "scene0007")
    assert (scene.category.tolist(), scene.instance_id.tolist()) == (["table"], [4])
    assert scene.center.tolist() == [[1, 2, 3]]
    assert scene.size.tolist() == [[4, 5, 6]]
    matrices = [Rotation.from_euler(axis, angle).as_matrix() for axis, angle in (("z", 0.3), ("x", 0.2), ("y", 0.1))]
    assert np.allclose(scene.rotation[0].T, matrices[0] @ matrices[1] @ matrices[2])
    assert np.allclose(scene.canonical_from_source, ALIGN)


def test_frames_stand_in_the_world_of_the_boxes(write, tmp_path):
    folder = tmp_path / "images" / "scannet" / "posed"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(folder / "00010.jpg")
    Image.fromarray(np.full((3, 4), 1500, np.uint16)).save(folder / "00010.png")
    (frame,) = read(write(info()), frames_dir=tmp_path / "images").frames
    assert np.allclose(frame.world_from_camera, ALIGN @ POSE)
    assert np.allclose(frame.intrinsics, CAMERA[:3, :3])
    assert (frame.read_depth() == 1.5).all()
    escaping = info(images=[{"img_path": "../secret.jpg", "cam2global": POSE}])
    with pytest.raises(SceneError, match="no path below the folder"):
        read(write(escaping), frames_dir=tmp_path / "images")


def test_a_camera_for_another_resolution_is_scaled_or_loses_its_frame(write, tmp_path):
    folder = tmp_path / "images" / "scannet" / "posed"
    folder.mkdir(parents=True)
    Image.new("RGB", (648, 484)).save(folder / "00010.jpg")
    Image.new("RGB", (640, 640)).save(folder / "00020.jpg")
    camera = np.array([[1170.0, 0, 647.5], [0, 1172, 483.5], [0, 0, 1]])  # for the 1296 x 968 pixels of ScanNet
    scene = read(write(info(cam2img=camera)), frames_dir=tmp_path / "images")
    (frame,) = scene.frames
    assert np.allclose(frame.intrinsics, [[585, 0, 323.5], [0, 586, 241.5], [0, 0, 1]])
    assert [error.reason for error in scene.refused] == [IngestReason.BAD_CAMERA]
    assert "00020.jpg" in str(scene.refused[0])
    camera[:2, 2] = 5000, 4000
    errors = read(write(info(cam2img=camera)), frames_dir=tmp_path / "images").refused
    assert len(errors) == 2
    assert "another resolution" in str(errors[0])


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_pickle_never_runs(write, tmp_path, protocol):
    ran = tmp_path / "ran"
    path = write(info(evil=Evil(ran)), protocol)
    with pytest.raises(QAEngineError, match=r"asks for.*mkdir.*official source"):
        discover(path, IngestOptions())
    assert not ran.exists()


@pytest.mark.parametrize(
    "value", [OrderedDict(a=1), {1, 2}, np.array([{}], dtype=object), np.array(["a"]), np.zeros(1, "M8[s]"), print]
)
def test_what_is_no_plain_data_is_refused(value):
    with pytest.raises(SceneError):
        load_plain(pickle.dumps([value]), "a.pkl")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["f4", ">f8", "i8", "?", "u2"])
def test_arrays_come_back(protocol, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for value in (array, array.T):
        found = load_plain(pickle.dumps(value, protocol=protocol), "a.pkl")
        assert isinstance(found, PickledArray)
        assert (found.values == value).all()


def test_hostile_pickles_are_refused_at_once():
    doubling = b"\x80\x04)" + b"\x94h\x00\x86" * 5  # tuples of tuples
    bombs = [
        b"",
        b"\x80\x04.",
        b"\x80\x04r\xff\xff\xff\x7f.",  # a place in the memo that would need 32 GB
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # 2^63 bytes
        b"\x80\x04}" + b")" + b"\x85" * 200_000 + b"Ns.",  # a deep tuple as a key
        doubling + b"R.",
        b"\x80\x04]" * 100 + b"a" * 300 + b".",
    ]
    for data in bombs:
        with pytest.raises(SceneError, match=r"a\.pkl"):
            load_plain(data, "a.pkl")


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_any_damage_is_a_refusal_or_data(place, noise):
    whole = pickle.dumps(info(), protocol=4)
    place %= len(whole)
    with contextlib.suppress(SceneError):
        load_plain(whole[:place] + noise + whole[place + len(noise) :], "a.pkl")


BOX = {"bbox_3d": [0.0] * 3 + [1.0] * 3 + [0.0] * 3, "bbox_label_3d": 1, "bbox_id": 0}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"instances": [{}]}, "instances[0].bbox_label_3d"),
        ({"instances": [BOX | {"bbox_label_3d": 9}]}, "instances[0].bbox_label_3d"),
        ({"instances": [BOX | {"bbox_3d": [1.0] * 7}]}, "instances[0].bbox_3d"),
        ({"instances": [BOX | {"bbox_3d": [np.nan] * 9}]}, "instances[0].bbox_3d"),
        ({"axis_align_matrix": np.eye(3)}, "axis_align_matrix"),
        ({"sample_idx": 3}, "scene.sample_idx"),
    ],
)
def test_a_broken_scene_is_named(write, changes, field):
    with pytest.raises(SceneError) as caught:
        read(write(info(**changes)))
    assert field in caught.value.field


def test_a_box_without_extent_is_left_out(write):
    flat = BOX | {"bbox_3d": [0.0] * 9, "bbox_id": 1}
    scene = read(write(info(instances=[BOX, flat])))
    assert len(scene) == 1
    assert [error.reason for error in scene.refused] == [IngestReason.BAD_SIZE]
