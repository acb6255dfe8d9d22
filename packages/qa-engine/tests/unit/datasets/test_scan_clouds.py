"""Clouds of laser scanners, of Gaussians, and in map coordinates."""

import json

import numpy as np
import pytest
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.generic import discover, load
from qa_engine.errors import SceneError

MAP = np.array([450_000.0, 5_400_000.0, 200.0])
BOX = {"label": "sofa", "center": [2.0, 1.0, 0.4], "size": [2.0, 0.9, 0.8]}


@pytest.fixture
def scan(tmp_path):
    folder = tmp_path / "scans" / "room"
    folder.mkdir(parents=True)
    return folder


def read(folder, **chosen):
    return load(discover(folder.parent, IngestOptions(settings=chosen))[0])


def floor(step=0.05):
    """A floor of 5 x 4 m."""
    x, y = np.meshgrid(np.arange(0, 5, step), np.arange(0, 4, step))
    return np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1)


def write_las(path, points, instance=None):
    laspy = pytest.importorskip("laspy")
    header = laspy.LasHeader(point_format=0, version="1.2")
    header.offsets, header.scales = points.min(axis=0), [0.001] * 3
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = points.T
    if instance is not None:
        cloud.add_extra_dim(laspy.ExtraBytesParams(name="instance", type=np.int32))
        cloud["instance"] = instance
    cloud.write(str(path))


def write_e57(path, *scans):
    pye57 = pytest.importorskip("pye57")
    file = pye57.E57(str(path), mode="w")
    for points, shift in scans:
        columns = {f"cartesian{axis}": points[:, i] for i, axis in enumerate("XYZ")}
        file.write_scan_raw(columns, rotation=np.array([1.0, 0, 0, 0]), translation=np.array(shift, float))
    file.close()


def write_boxes(folder, shift=(0, 0, 0)):
    box = BOX | {"center": (np.array(BOX["center"]) + shift).tolist()}
    (folder / "boxes.json").write_text(json.dumps([box]))


@pytest.mark.parametrize("ending", ["las", "laz"])
def test_surveys_in_map_coordinates_keep_their_centimetres(scan, ending):
    write_boxes(scan, MAP)
    write_las(scan / f"cloud.{ending}", floor() + MAP)
    scene = read(scan)
    assert np.allclose(scene.cloud.xyz - scene.cloud.xyz.min(axis=0), floor() - floor().min(axis=0), atol=2e-3)
    low = scene.cloud.xyz.min(axis=0)
    assert np.allclose(scene.center[0] - low, BOX["center"], atol=2e-3)
    assert np.abs(scene.center).max() < 100
    assert np.allclose(scene.canonical_from_source[:3, 3], -np.rint(np.median(floor() + MAP, axis=0)))


def test_boxes_alone_in_map_coordinates_come_near_the_origin(scan):
    write_boxes(scan, MAP)
    scene = read(scan)
    assert np.abs(scene.center).max() < 1
    assert np.allclose(scene.center[0] - scene.canonical_from_source[:3, 3], np.array(BOX["center"]) + MAP)


def test_objects_of_a_survey_stand_in_an_extra_dimension(scan):
    points = np.concatenate([floor(), floor(0.2) * [0.2, 0.2, 1] + [1, 1, 0], floor(0.2) * [0.2, 0.2, 1] + [1, 1, 0.5]])
    instance = np.repeat([-1, 3, 3], [len(floor()), len(floor(0.2)), len(floor(0.2))])
    write_las(scan / "cloud.las", points, instance)
    (scan / "labels.json").write_text('{"3": "table"}')
    scene = read(scan)
    assert scene.category.tolist() == ["table"]
    assert scene.center[0] == pytest.approx([1.48, 1.38, 0.25], abs=0.02)


def test_scans_of_an_e57_lie_at_their_poses(scan):
    write_boxes(scan)
    write_e57(scan / "cloud.e57", (floor(), [0, 0, 0]), (floor(), [5, 0, 0]))
    assert np.ptp(read(scan).cloud.xyz, axis=0) == pytest.approx([9.95, 3.95, 0], abs=1e-3)


@pytest.mark.parametrize("name", ["cloud.las", "cloud.laz", "cloud.e57"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_cut_surveys_are_refused(scan, name, keep):
    write_boxes(scan)
    path = scan / name
    (write_e57(path, (floor(), [0, 0, 0])) if name.endswith("e57") else write_las(path, floor()))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(SceneError, match=name):
        read(scan)


def test_haze_giants_and_floaters_of_splats_are_left_out(scan):
    write_boxes(scan)
    solid = floor(0.1)
    haze, giant, floater = solid + np.array([0, 0, 1]), np.array([[2.0, 2, 1]]), np.array([[40.0, 2, 9]])
    points = np.concatenate([solid, haze, giant, floater])
    names = ["x", "y", "z", "f_dc_0", "opacity", "scale_0", "scale_1", "scale_2", "rot_0"]
    table = np.zeros((len(points), len(names)), "<f4")
    table[:, :3] = points
    table[:, 4] = np.repeat([3, -3, 3], [len(solid), len(haze), 2])
    table[:, 5:8] = -4
    table[-2, 5:8] = 2
    head = "".join(f"property float {name}\n" for name in names)
    text = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n{head}end_header\n"
    (scan / "cloud.ply").write_bytes(text.encode() + table.tobytes())
    assert np.array_equal(read(scan).cloud.xyz, solid.astype(np.float32))
