import json
import math

import numpy as np
import pytest
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.vsi_bench import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from scipy.spatial.transform import Rotation


def read(path, index=0):
    return load(discover(path, IngestOptions())[index])


def refuse(path):
    with pytest.raises(SceneError) as caught:
        read(path)
    return caught.value


def test_an_entry_becomes_a_scene(write_vsi, vsi_entry):
    scene = read(write_vsi({"scene0001_02": vsi_entry}))
    assert (scene.scene_name, scene.dataset, scene.room_size_m2) == ("scene0001_02", "scannet", 20.5)
    assert scene.category.tolist() == ["chair", "chair", "sofa"]
    assert scene.instance_id.tolist() == [0, 1, 2]
    assert scene.center[:, 1].tolist() == [0, 0, 4]
    assert scene.size[0].tolist() == [1, 2, 1]


def test_rescans_of_a_scannet_place_share_a_group(write_vsi, vsi_entry):
    path = write_vsi({"scene0001_00": vsi_entry, "scene0001_02": vsi_entry, "09c1414f1b": vsi_entry})
    groups = [read(path, i).scene_group for i in range(3)]
    assert groups == ["scene0001", "scene0001", "09c1414f1b"]


def test_published_counts_win_over_the_number_of_boxes(write_vsi, vsi_entry):
    vsi_entry["object_counts"] = {"chair": 7, "lamp": 2}
    assert read(write_vsi({"s": vsi_entry})).category_counts == {"chair": 7, "lamp": 2}


def test_python_literals_read_like_json(write_vsi, vsi_entry):
    plain = read(write_vsi({"s": vsi_entry}))
    vsi_entry |= {key: repr(vsi_entry[key]) for key in ("object_bbox", "object_counts")}
    literal = read(write_vsi({"s": vsi_entry}, "other.json"))
    assert literal.category_counts == plain.category_counts
    assert (literal.center == plain.center).all()


@pytest.mark.parametrize("text", ["{", "__import__('os')", "[" * 400, "{'chair': nan}", "\x00", "1 + 1"])
def test_a_text_that_is_no_literal_object_is_refused(write_vsi, vsi_entry, text):
    vsi_entry["object_counts"] = text
    assert refuse(write_vsi({"s": vsi_entry})).field == "object_counts"


def test_the_dataset_can_come_from_the_file_name(write_vsi, vsi_entry):
    del vsi_entry["dataset"]
    assert read(write_vsi({"s": vsi_entry}, "scannetpp_meta_info_val.json")).dataset == "scannetpp"
    assert refuse(write_vsi({"s": vsi_entry}, "boxes.json")).field == "dataset"


def test_all_metadata_files_of_a_folder_are_read(write_vsi, vsi_entry):
    path = write_vsi({"a": vsi_entry}, "arkitscenes_meta_info_val.json")
    write_vsi({"b": vsi_entry}, "scannet_meta_info_val.json")
    assert [source.scene_name for source in discover(path.parent, IngestOptions())] == ["a", "b"]


def test_missing_room_figures_stay_missing(write_vsi, vsi_entry):
    del vsi_entry["room_center"]
    vsi_entry["room_size"] = None
    scene = read(write_vsi({"s": vsi_entry}))
    assert scene.room_size_m2 is None
    assert scene.room_center is None


def change(entry, path, value):
    *parents, last = path
    for key in parents:
        entry = entry[key]
    entry[last] = value


@pytest.mark.parametrize(
    ("path", "value", "field", "reason"),
    [
        (["object_bbox", "sofa"], {}, "object_bbox.'sofa'", IngestReason.WRONG_TYPE),
        (["object_bbox", "sofa", 0], [], "object_bbox.'sofa'[0]", IngestReason.WRONG_TYPE),
        (["object_bbox", "sofa", 0, "centroid"], [0, 0], "object_bbox.'sofa'[0].centroid", IngestReason.WRONG_TYPE),
        (["object_bbox", "sofa", 0, "centroid"], ["1", 0, 0], "object_bbox.'sofa'[0].centroid[0]", "wrong_type"),
        (["object_bbox", "sofa", 0, "centroid"], [True, 0, 0], "object_bbox.'sofa'[0].centroid[0]", "wrong_type"),
        (["object_bbox", "sofa", 0, "centroid"], [math.nan, 0, 0], "object_bbox.'sofa'[0].centroid[0]", "not_finite"),
        (["object_bbox", "sofa", 0, "centroid"], [10**400, 0, 0], "object_bbox.'sofa'[0].centroid[0]", "not_finite"),
        (["object_bbox", "sofa", 0, "axesLengths"], [1, -1, 1], "object_bbox.'sofa'[0].axesLengths", "bad_size"),
        (["object_bbox", "sofa", 0, "normalizedAxes"], [1] * 9, "object_bbox.'sofa'[0].normalizedAxes", "bad_rotation"),
        (["object_bbox", "sofa", 0, "min"], [0, 0, 0], "object_bbox.'sofa'[0].min", IngestReason.BOX_MISMATCH),
        (["object_bbox"], None, "object_bbox", IngestReason.WRONG_TYPE),
        (["object_counts", "chair"], 2.5, "category_counts['chair']", IngestReason.BAD_COUNT),
        (["room_size"], -1, "room_size_m2", IngestReason.BAD_SIZE),
        (["room_size"], "20", "room_size", IngestReason.WRONG_TYPE),
        (["dataset"], 3, "dataset", IngestReason.WRONG_TYPE),
    ],
)
def test_a_broken_field_is_named(write_vsi, vsi_entry, path, value, field, reason):
    change(vsi_entry, path, value)
    error = refuse(write_vsi({"s": vsi_entry}))
    assert (error.field, error.reason) == (field, reason)


def test_a_missing_field_is_named(write_vsi, vsi_entry):
    del vsi_entry["object_bbox"]["chair"][1]["axesLengths"]
    error = refuse(write_vsi({"s": vsi_entry}))
    assert error.field == "object_bbox.'chair'[1].axesLengths"
    assert error.reason is IngestReason.MISSING_FIELD


def test_columns_as_axes_are_recognised_by_the_bounds(write_vsi, vsi_entry):
    # Turned around x and z: after a turn around z alone, rows and columns have the same bounds.
    rows = Rotation.from_euler("xz", [0.5, 0.8]).as_matrix()
    size = np.array([1.0, 2.0, 1.5])
    half = np.abs(rows).T @ size / 2
    box = {"centroid": [0, 0, 0], "axesLengths": size.tolist(), "min": (-half).tolist(), "max": half.tolist()}
    vsi_entry["object_bbox"] = {"sofa": [box | {"normalizedAxes": rows.ravel().tolist()}]}
    assert len(read(write_vsi({"s": vsi_entry}))) == 1
    vsi_entry["object_bbox"] = {"sofa": [box | {"normalizedAxes": rows.T.ravel().tolist()}]}
    error = refuse(write_vsi({"s": vsi_entry}))
    assert "transpose" in error.problem


def test_the_hash_of_a_scene_ignores_the_others(write_vsi, vsi_entry):
    alone = read(write_vsi({"s": vsi_entry}))
    beside = read(write_vsi({"r": {}, "s": vsi_entry}), 1)
    vsi_entry["room_size"] = 21
    changed = read(write_vsi({"s": vsi_entry}))
    assert alone.source_sha == beside.source_sha != changed.source_sha


@pytest.mark.parametrize("text", ['{"s": {"room_si', "[1, 2]", "{}", "", '{"s": {}, "s": {}}', "[" * 100_000])
def test_a_file_that_is_no_object_of_scenes_is_an_error(tmp_path, text):
    path = tmp_path / "meta_info.json"
    path.write_text(text)
    with pytest.raises(QAEngineError, match=r"meta_info\.json"):
        discover(path, IngestOptions())


def test_bytes_that_are_no_text_are_an_error(tmp_path):
    path = tmp_path / "meta_info.json"
    path.write_bytes(json.dumps({"s": "ü"}, ensure_ascii=False).encode("latin-1"))
    with pytest.raises(QAEngineError, match="not valid JSON"):
        discover(path, IngestOptions())
