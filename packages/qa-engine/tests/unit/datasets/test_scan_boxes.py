"""Boxes of own scans: structure, labels, units, axes, and files that nothing is taken from."""

import json

import numpy as np
import polars as pl
import pytest
from qa_engine.cli import app
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.generic import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.ingestion.doctor import diagnose
from qa_engine.ingestion.run import ingest
from qa_engine.ingestion.sanity import check_scene
from typer.testing import CliRunner

WALLS = [
    {"label": "floor", "center": [2.5, 1.2, 0.0], "size": [6, 4, 0.2]},
    {"label": "ceiling", "center": [2.5, 1.2, 2.6], "size": [6, 4, 0.1]},
    {"label": "wall", "center": [2.5, 3.25, 1.3], "size": [6, 0.1, 2.6]},
    {"label": "wall", "center": [-0.5, 1.2, 1.3], "size": [0.1, 4, 2.6]},
    {"label": "Wall", "center": [5.5, 1.2, 1.3], "size": [0.1, 4, 2.6]},
]


@pytest.fixture
def scan(tmp_path, room):
    folder = tmp_path / "scans" / "room"
    room.write_boxes(folder)
    return folder


def read(folder, **chosen):
    return load(discover(folder.parent, IngestOptions(settings=chosen))[0])


def test_nobody_asks_about_walls_floor_and_ceiling(scan, tmp_path, room):
    room.write_boxes(scan, [*room.BOXES, room.BOXES[3] | {"center": [4.0, 0.2, 0.45]}, *WALLS])
    store, questions = tmp_path / "store", tmp_path / "questions"
    ingest(get_dataset("generic"), scan.parent, out=store, options=IngestOptions())
    result = CliRunner().invoke(app, ["generate", str(store), "--out", str(questions)])
    assert result.exit_code == 0, result.output
    table = pl.read_parquet(questions / "questions.parquet")
    assert table.height > 100
    assert table.filter(pl.col("question").str.contains(r"(?i)\b(wall|ceiling|the floor)\b")).is_empty()
    assert table.filter(pl.col("question").str.contains("How many chair")).height == 1


def test_labels_that_differ_in_writing_alone_are_one_category(scan, room):
    labels = ("Chair", "chairs ", "office_chair", "CHAIR ")
    room.write_boxes(scan, [*room.BOXES, *[room.BOXES[3] | {"label": label} for label in labels]])
    scene = read(scan)
    assert scene.category_counts["chair"] == 3
    assert {"chairs", "office chair"} <= set(scene.category_counts)
    assert scene.category_raw.tolist()[-4:] == list(labels)
    (found,) = [f.error for f in check_scene(scene).findings if f.error.reason is IngestReason.SIMILAR_LABELS]
    assert "chairs" in str(found)


def test_a_flat_window_is_refused_alone(scan, room):
    window = {"label": "window", "center": [2, 3, 1.5], "size": [1.2, 0.0, 1.0]}
    room.write_boxes(scan, [*room.BOXES, window])
    scene = read(scan)
    assert len(scene) == 8
    assert [(error.reason, "window" in error.field) for error in scene.refused] == [(IngestReason.BAD_SIZE, True)]


def test_yaw_in_degrees_is_told_or_switched(scan, room):
    boxes = [box | {"yaw": yaw} for box, yaw in zip(room.BOXES, (235.0, 90, 0, -45, 0, 0, 0, 20), strict=True)]
    room.write_boxes(scan, boxes)
    with pytest.raises(SceneError, match="degrees") as caught:
        read(scan)
    assert caught.value.reason is IngestReason.WRONG_UNITS
    assert np.allclose(read(scan, yaw="degrees").rotation[1], [[0, 1, 0], [-1, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize("up", ["y", "-y", "x", "-x", "-z"])
def test_every_axis_can_be_up_and_left_stays_left(scan, room, up):
    from qa_engine.formats.canonical import Z_UP_FROM

    back = Z_UP_FROM[up][:3, :3].T
    assert np.isclose(np.linalg.det(back), 1)
    boxes = []
    for box in room.BOXES:
        yaw = box["yaw"]
        turn = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]) @ back.T
        boxes.append(
            {
                "label": box["label"],
                "center": (back @ box["center"]).tolist(),
                "size": box["size"],
                "rotation": turn.ravel().tolist(),
            }
        )
    room.write_boxes(scan, boxes)
    scene = read(scan, up=up)
    assert np.allclose(scene.center, [box["center"] for box in room.BOXES])
    assert np.allclose(scene.rotation[:, 2], [0, 0, 1])


@pytest.mark.parametrize("per_metre", [1000, 100])
def test_a_few_boxes_in_other_units_are_refused(scan, tmp_path, room, per_metre):
    boxes = [
        {"label": b["label"], "center": np.multiply(b["center"], per_metre).tolist(), "size": size.tolist()}
        for b, size in ((b, np.multiply(b["size"], per_metre)) for b in room.BOXES[:3])
    ]
    room.write_boxes(scan, boxes)
    with pytest.raises(QAEngineError, match="wrong_units"):
        ingest(get_dataset("generic"), scan.parent, out=tmp_path / "store", options=IngestOptions())


def test_doctor_honours_switches_without_the_name_of_the_data_set(scan, room):
    boxes = [
        {
            "label": b["label"],
            "center": np.multiply(b["center"], 100).tolist(),
            "size": np.multiply(b["size"], 100).tolist(),
        }
        for b in room.BOXES
    ]
    room.write_boxes(scan, boxes)
    assert any(problem.severe for problem in diagnose(scan.parent, options=IngestOptions()).problems)
    found = diagnose(scan.parent, options=IngestOptions(settings={"units": "cm"}))
    assert found.dataset == "generic"
    assert found.problems == ()
    with pytest.raises(QAEngineError, match="parsec"):
        diagnose(scan.parent, options=IngestOptions(settings={"units": "parsec"}))


def test_every_file_that_nothing_is_taken_from_is_named(scan, tmp_path):
    for name in (
        "a.e57",
        "sub/odometry.csv",
        "poses_bounds.npy",
        "x_pose.txt",
        "x.weird",
        "y.weird",
        "labels.json",
    ):
        (scan / name).parent.mkdir(exist_ok=True)
        (scan / name).write_text("{}")
    unread = {error.field: error.problem for error in read(scan).refused}
    assert set(unread) == {"a.e57", "sub/odometry.csv", "poses_bounds.npy", "x_pose.txt", "x.weird", "labels.json"}
    assert "laser scan" in unread["a.e57"]
    assert "2 such files" in unread["x.weird"]
    report = ingest(get_dataset("generic"), scan.parent, out=tmp_path / "store", options=IngestOptions())
    assert (report.lost, report.warnings) == (0, {"unread_file": 6})
    problems = diagnose(scan.parent, options=IngestOptions()).problems
    assert any("laser scan" in problem.problem for problem in problems)


@pytest.mark.parametrize("name", ["instance_id", "objectId", "colour"])
def test_the_field_of_objects_may_have_another_name_or_is_missed(tmp_path, name):
    folder = tmp_path / "scans" / "room"
    folder.mkdir(parents=True)
    rows = "".join(f"{x} {y} {z} 3\n" for x in (0, 1) for y in (0, 1) for z in (0, 1))
    fields = "".join(f"property {field}\n" for field in ("float x", "float y", "float z", f"int {name}"))
    head = f"ply\nformat ascii 1.0\nelement vertex 8\n{fields}"
    (folder / "cloud.ply").write_text(f"{head}end_header\n{rows}")
    (folder / "labels.json").write_text(json.dumps({"3": "box"}))
    if name == "colour":
        with pytest.raises(SceneError, match="no field instance"):
            read(folder)
    else:
        assert read(folder).size.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    "up", ["0,-2,0", "gravity:0,9.81,0", "1,0,0,0,0,1,0,-1,0", "1,0,0,0, 0,0,1,0, 0,-1,0,0, 0,0,0,1"]
)
def test_a_world_is_turned_by_a_direction_gravity_or_a_matrix(scan, room, up):
    upside = [box | {"center": [box["center"][0], -box["center"][2], box["center"][1]]} for box in room.BOXES]
    sizes = [box["size"] for box in room.BOXES]
    boxes = [box | {"size": [s[0], s[2], s[1]], "yaw": 0} for box, s in zip(upside, sizes, strict=True)]
    room.write_boxes(scan, boxes)
    scene = read(scan, up=up)
    assert np.allclose(scene.center, [box["center"] for box in room.BOXES])
    assert np.allclose(scene.canonical_from_source[:3, :3], [[1, 0, 0], [0, 0, 1], [0, -1, 0]])


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("up", "0,0", "2 numbers"),
        ("up", "0,0,nan", "not finite"),
        ("up", "north", "no number"),
        ("up", "0,0,0", "no length"),
        ("up", "1,0,0,0,2,0,0,0,1", "does not only turn"),
        ("units", "-1", "not above 0"),
        ("units", "inf", "not above 0"),
    ],
)
def test_a_value_that_a_switch_cannot_have_is_refused_with_what_it_may_be(scan, setting, value, words):
    with pytest.raises(QAEngineError, match=words) as caught:
        discover(scan.parent, IngestOptions(settings={setting: value}))
    assert f"--set {setting}={value}" in str(caught.value)
    assert " or " in str(caught.value)


def test_units_by_name_or_number_and_half_sizes(scan, room):
    def write(world, sizes):
        boxes = [
            box
            | {"center": np.multiply(box["center"], world).tolist(), "size": np.multiply(box["size"], sizes).tolist()}
            for box in room.BOXES
        ]
        room.write_boxes(scan, boxes)

    expected = np.array([box["size"] for box in room.BOXES])
    for units, per_metre in {"feet": 1 / 0.3048, "inches": 1 / 0.0254, "0.5": 2.0}.items():
        write(per_metre, per_metre)
        assert np.allclose(read(scan, units=units).size, expected)
    write(1, 0.5)
    assert np.allclose(read(scan, sizes="half").size, expected)


def test_the_switch_that_is_advised_counts_from_the_source(scan, room):
    room.write_boxes(scan)
    for wrong in ("y", "-x", "-z"):
        (found,) = check_scene(read(scan, up=wrong)).findings
        assert "--set up=z" in str(found.error), str(found.error)
