"""Own scans lose the least: a damaged pose its frame, far coordinates nothing; and what they do not say is asked."""

import json

import numpy as np
import pytest
from PIL import Image
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.generic import discover, load
from qa_engine.errors import IngestReason, QAEngineError
from qa_engine.ingestion.run import ingest
from qa_engine.ingestion.sanity import check_scene
from qa_engine.scenes.store import Store
from scipy.spatial.transform import Rotation

NAN = float("nan")


@pytest.fixture
def scan(tmp_path, room):
    folder = tmp_path / "scans" / "room"
    room.write_boxes(folder)
    (folder / "images").mkdir()
    for i in (1, 2, 3):
        Image.fromarray(np.full((72, 96, 3), 40 * i, np.uint8)).save(folder / "images" / f"{i:04d}.png")
    return folder


def read(folder, **chosen):
    return load(discover(folder.parent, IngestOptions(settings=chosen))[0])


def poses(room):
    return [*room.POSES, room.POSES[0]]


def damaged(matrix, kind):
    return {
        "nan": [[NAN] * 4, *matrix[1:]],
        "three rows": matrix[:3],
        "a short row": [matrix[0][:3], *matrix[1:]],
        "text": [["x", *matrix[0][1:]], *matrix[1:]],
        "a skew matrix": [[2 * value for value in matrix[0]], *matrix[1:]],
    }[kind]


@pytest.mark.parametrize("kind", ["nan", "three rows", "a short row", "text", "a skew matrix", "missing"])
def test_a_damaged_matrix_of_transforms_loses_its_frame_alone(scan, room, kind):
    value = room.transforms(poses(room))
    if kind == "missing":
        del value["frames"][1]["transform_matrix"]
    else:
        value["frames"][1]["transform_matrix"] = damaged(value["frames"][1]["transform_matrix"], kind)
    (scan / "transforms.json").write_text(json.dumps(value))
    scene = read(scan)
    assert [frame.frame_id for frame in scene.frames] == ["0001", "0003"]
    (error,) = scene.refused
    assert "1" in error.field or "2" in error.field
    assert len(scene) == 8


def colmap(scan, room, change):
    rows = []
    for i, pose in enumerate(poses(room), start=1):
        view = np.linalg.inv(pose)
        w_last = Rotation.from_matrix(view[:3, :3]).as_quat()
        rows.append([i, w_last[3], *w_last[:3], *view[:3, 3], 1, f"{i:04d}.png"])
    change(rows)
    (scan / "cameras.txt").write_text("1 PINHOLE 96 72 80 80 47.5 35.5\n")
    (scan / "images.txt").write_text("\n\n".join(" ".join(map(str, row)) for row in rows) + "\n\n")


@pytest.mark.parametrize(("place", "value"), [(1, "nan"), (1, 3.0), (5, "inf"), (8, 7)])
def test_a_damaged_image_of_colmap_loses_its_frame_alone(scan, room, place, value):
    colmap(scan, room, lambda rows: rows[1].__setitem__(place, value))
    scene = read(scan)
    assert [frame.frame_id for frame in scene.frames] == ["0001", "0003"]
    (error,) = scene.refused
    assert (error.reason, "0002" in error.field) == (IngestReason.BAD_CAMERA, True)


@pytest.mark.parametrize("bad", ["nan", "0.7"])
def test_a_damaged_row_of_poses_csv_loses_its_frame_alone(scan, room, bad):
    lines = ["image,tx,ty,tz,qx,qy,qz,qw"]
    for i, pose in enumerate(poses(room), start=1):
        numbers = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
        words = [f"{i:04d}.png", *map(str, numbers)]
        if i == 2:
            words[-1] = bad if bad == "nan" else str(5.0)
        lines.append(",".join(words))
    (scan / "poses.csv").write_text("\n".join(lines))
    scene = read(scan)
    assert [frame.frame_id for frame in scene.frames] == ["0001", "0003"]
    assert [error.field for error in scene.refused] == ["poses.csv: line 3"]


def test_frames_of_colmap_have_times_where_their_names_or_a_rate_say_them(scan, room):
    colmap(scan, room, lambda rows: None)
    assert [frame.time_s for frame in read(scan).frames] == [None] * 3
    assert [frame.time_s for frame in read(scan, fps="2").frames] == [0.5, 1.0, 1.5]
    with pytest.raises(QAEngineError, match="--set fps=0: no rate"):
        read(scan, fps="0")
    for i in (1, 2, 3):
        (scan / "images" / f"{i:04d}.png").rename(scan / "images" / f"130503110{4 - i}.25.png")

    def rename(rows):
        for i, row in enumerate(rows, start=1):
            row[-1] = f"130503110{4 - i}.25.png"

    colmap(scan, room, rename)
    assert [frame.time_s for frame in read(scan).frames] == [1305031101.25, 1305031102.25, 1305031103.25]


def test_coordinates_of_maps_keep_their_millimetres(scan, tmp_path, room):
    away = np.array([472_345.25, 5_428_112.5, 118.0])
    boxes = [box | {"center": (np.array(box["center"]) + away).tolist()} for box in room.BOXES]
    room.write_boxes(scan, boxes)
    x, y = np.meshgrid(np.arange(0, 5.3, 0.05), np.arange(0, 5, 0.05))
    rows = np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)]) + away
    header = f"ply\nformat ascii 1.0\nelement vertex {len(rows)}\n"
    header += "".join(f"property double {name}\n" for name in "xyz") + "end_header\n"
    (scan / "cloud.ply").write_text(header + "\n".join(" ".join(f"{v:.3f}" for v in row) for row in rows))
    room_at = poses(room)[0].copy()
    room_at[:3, 3] += away
    (scan / "transforms.json").write_text(json.dumps(room.transforms([room_at])))
    scene = read(scan)
    shift = scene.canonical_from_source[:3, 3]
    assert np.allclose(scene.center - shift, [box["center"] for box in boxes])
    assert np.abs(scene.center).max() < 10
    assert np.allclose(scene.frames[0].world_from_camera[:3, 3] - shift, room_at[:3, 3])
    assert np.abs(scene.cloud.xyz - (rows + shift)).max() < 1e-5
    ingest(get_dataset("generic"), scan.parent, out=tmp_path / "store", options=IngestOptions())
    assert Store(tmp_path / "store").load_scene("room").room_size_m2 == pytest.approx(26.5, abs=0.6)


def test_what_may_be_one_category_is_asked_and_merged_on_request(scan, room):
    labels = ("chairs", "office_chair", "Kitchen Chair", "tables")
    room.write_boxes(scan, [*room.BOXES, *[room.BOXES[3] | {"label": label} for label in labels]])
    (found,) = [f for f in check_scene(read(scan)).findings if f.error.reason is IngestReason.SIMILAR_LABELS]
    assert not found.severe
    words = str(found.error)
    merge = words[words.index("merge='") + 7 :].partition("'")[0]
    assert set(merge.split(",")) == {"chairs=chair", "office chair=chair", "kitchen chair=chair", "tables=table"}
    scene = read(scan, merge=merge)
    assert (scene.category_counts["chair"], scene.category_counts["table"]) == (4, 2)
    assert scene.category_raw.tolist()[-4:] == list(labels)
    assert not [f for f in check_scene(scene).findings if f.error.reason is IngestReason.SIMILAR_LABELS]
    with pytest.raises(QAEngineError, match="is no pair"):
        read(scan, merge="chairs")
