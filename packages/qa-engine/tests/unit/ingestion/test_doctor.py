import json

import pytest
from qa_engine.cli import app
from qa_engine.datasets import DATASETS
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError
from qa_engine.ingestion.doctor import diagnose
from typer.testing import CliRunner


def test_every_dataset_that_is_read_has_a_checklist():
    read = [dataset for dataset in DATASETS.values() if dataset.needs_root]
    assert len(read) > 10
    assert all(any(need.required for need in dataset.checklist) for dataset in read)


def test_a_whole_scan_is_recognised(write_arkit):
    found = diagnose(write_arkit(n_frames=3), options=IngestOptions())
    assert (found.dataset, found.n_scenes) == ("arkitscenes", 1)
    assert {part.name: part.found for part in found.parts} == {
        "annotations": 1,
        "images": 3,
        "cameras": 3,
        "trajectory": 1,
        "depth": 3,
        "mesh": 0,
        "splits": 0,
    }
    assert not any(problem.severe for problem in found.problems)


def test_what_is_missing_comes_with_its_source(write_arkit):
    root = write_arkit(n_frames=2)
    (root / "3dod/Training/41000001/41000001_frames/lowres_wide.traj").unlink()
    result = CliRunner().invoke(app, ["doctor", str(root)])
    assert result.exit_code == 0
    line = next(i for i, text in enumerate(result.stdout.splitlines()) if text.startswith("trajectory"))
    assert "none" in result.stdout.splitlines()[line]
    assert "download_data.py" in result.stdout.splitlines()[line + 1]
    assert f"qa-engine ingest arkitscenes {root}" in result.stderr


def test_a_required_part_that_is_missing_is_the_first_fix(tmp_path):
    (tmp_path / "ai_001_001" / "_detail").mkdir(parents=True)
    (tmp_path / "ai_001_001/_detail/mesh_objects_si.hdf5").write_bytes(b"")
    result = CliRunner().invoke(app, ["doctor", str(tmp_path), "--dataset", "hypersim"])
    assert result.exit_code == 1
    assert "First fix: get camera table" in result.stderr
    assert "error: " in result.stdout


def test_a_scene_that_would_be_refused_is_an_error(tmp_path):
    boxes = [
        {"label": label, "center": [i * 900.0, 0, 400], "size": [500, 500, 800]}
        for i, label in enumerate(["chair", "table", "sofa", "stool", "desk"])
    ]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "boxes.json").write_text(json.dumps(boxes))
    result = CliRunner().invoke(app, ["doctor", str(tmp_path), "--json"])
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["dataset"] == "generic"
    assert answer["problems"][0]["severe"]
    assert "millimetres" in answer["problems"][0]["problem"]
    result = CliRunner().invoke(app, ["doctor", str(tmp_path), "--dataset", "generic", "--set", "units=mm"])
    assert result.exit_code == 0


def test_a_folder_of_holiday_photos_is_like_no_dataset(tmp_path):
    (tmp_path / "IMG_0001.jpg").write_bytes(b"x")
    with pytest.raises(QAEngineError, match="like no dataset"):
        diagnose(tmp_path, options=IngestOptions())
    with pytest.raises(QAEngineError, match="no such file"):
        diagnose(tmp_path / "nowhere", options=IngestOptions())
    with pytest.raises(QAEngineError, match="Did you mean 'scannet'"):
        diagnose(tmp_path, dataset="scanet", options=IngestOptions())


@pytest.mark.parametrize(
    ("folder", "dataset", "n_scenes"),
    [("multiscan", "multiscan", 1), ("replica", "replica", 2), ("hypersim", "hypersim", 2), ("adt", "adt", 1)],
)
def test_real_samples_are_recognised(folder, dataset, n_scenes, real_data):
    if dataset == "hypersim":
        pytest.importorskip("h5py", reason="the extra 'hdf5' is not installed")
    found = diagnose(real_data / "real" / folder, options=IngestOptions())
    assert (found.dataset, found.n_scenes) == (dataset, n_scenes)
    if dataset != "hypersim":  # its sample lacks the boxes of one scene
        assert found.problems == ()
