import json

import numpy as np
import pytest
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.multiscan import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError


@pytest.fixture
def write_scan(tmp_path, make_box):
    def write(name="scene_00007_01", labels=("ceiling_light.1", "remove", "chair.2"), **changes):
        folder = tmp_path / name
        folder.mkdir()
        objects = [{"label": label, "obb": make_box((i, 0, 1))} for i, label in enumerate(labels)]
        (folder / f"{name}.annotations.json").write_text(json.dumps({"objects": objects} | changes))
        return tmp_path

    return write


def read(root, **settings):
    return load(discover(root, IngestOptions(settings=settings))[0])


def test_labels_become_words_and_discarded_parts_are_skipped(write_scan):
    scene = read(write_scan())
    assert scene.category.tolist() == ["ceiling light", "chair"]
    assert scene.category_raw.tolist() == ["ceiling_light.1", "chair.2"]
    assert scene.instance_id.tolist() == [0, 2]
    assert scene.scene_group == "scene_00007"
    assert [error.reason for error in scene.refused] == [IngestReason.SKIPPED]


def test_the_convention_of_the_axes_can_be_switched(write_scan):
    turned = {"centroid": [0, 0, 0], "axesLengths": [1, 2, 3], "normalizedAxes": [0, 1, 0, -1, 0, 0, 0, 0, 1]}
    root = write_scan(objects=[{"label": "bed.1", "obb": turned}])
    assert read(root).rotation[0, 0].tolist() == [0, 1, 0]
    assert read(root, axes="columns").rotation[0, 0].tolist() == [0, -1, 0]


def test_the_real_scan_has_the_published_objects(real_data):
    scene = read(real_data / "real" / "multiscan")
    assert len(scene) + len(scene.refused) == 28
    assert len(scene) == 27
    assert np.allclose(scene.rotation[:, 1, 2], 1, atol=1e-6)  # row 1 is up
    half = np.einsum("nij,ni->nj", np.abs(scene.rotation), scene.size) / 2
    span = [(scene.center - half).min(0), (scene.center + half).max(0)]
    assert np.abs(span).max() < 2.8
    assert scene.category_counts["refrigerator"] == 2


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"objects": None}, "annotation.objects", IngestReason.WRONG_TYPE),
        ({"objects": [{}]}, "objects[0].label", IngestReason.MISSING_FIELD),
        ({"objects": [{"label": "bed.1"}]}, "objects[0].obb", IngestReason.MISSING_FIELD),
    ],
)
def test_a_broken_annotation_is_named(write_scan, changes, field, reason):
    with pytest.raises(SceneError) as caught:
        read(write_scan(**changes))
    assert (caught.value.field, caught.value.reason) == (field, reason)


def test_a_link_out_of_the_dataset_is_refused(write_scan, tmp_path):
    root = write_scan()
    path = next(root.rglob("*.json"))
    outside = tmp_path.parent / f"{tmp_path.name}-secret.json"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(SceneError, match="link out of the dataset"):
        read(root)


def test_a_folder_without_scans_is_an_error(tmp_path):
    with pytest.raises(QAEngineError, match="no scene here"):
        discover(tmp_path, IngestOptions())
    with pytest.raises(QAEngineError, match="no such folder"):
        discover(tmp_path / "x", IngestOptions())
