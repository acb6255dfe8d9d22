"""Recordings for the rerun viewer, read again with rerun's own reader."""

import sys
from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from qa_contract.errors import TableError
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.show.rerun import write_recording
from qa_engine.show.selection import Shown
from qa_engine.views.observations import observe, read_observations
from scipy.spatial.transform import Rotation

pytest.importorskip("rerun", reason="the extra 'viewer' is not installed")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    out = tmp_path_factory.mktemp("recorded") / "store"
    ingest(get_dataset("rooms"), None, out=out, options=IngestOptions(seed=4, scenes=2, frames=3, size=48))
    return Store(out)


def read(path):
    """Components by entity and name, as lists over rows."""
    import rerun

    found = defaultdict(dict)
    for chunk in rerun.chunk.RrdReader(path).stream().to_chunks():
        batch = chunk.to_record_batch()
        for name in batch.schema.names:
            found[chunk.entity_path][name] = batch.column(name).to_pylist()
    return found


def test_a_recording_has_the_room_the_cameras_and_the_questions(store, tmp_path, call):
    pytest.importorskip("rerun")
    questions, path = tmp_path / "q", tmp_path / "r.rrd"
    assert call("generate", store.path, "--out", questions, "--per-scene", 4) == 0
    assert call("view", store.path, "--questions", questions, "--rrd", path) == 0
    found = read(path)
    for name in store.scene_names():
        scene, frames = store.load_scene(name), store.frames(name)
        boxes = found[f"/{name}/boxes"]
        (labels,), (half,) = boxes["Boxes3D:labels"], boxes["Boxes3D:half_sizes"]
        assert labels == [f"{c} {i}" for c, i in zip(scene.category, scene.instance_id, strict=True)]
        np.testing.assert_allclose(half, scene.size / 2, rtol=1e-6)
        turns = Rotation.from_quat(boxes["Boxes3D:quaternions"][0]).as_matrix()
        np.testing.assert_allclose(turns.transpose(0, 2, 1), scene.rotation, atol=1e-6)
        camera = found[f"/{name}/camera"]
        for number, frame in enumerate(frames):
            (matrix,), (place,) = camera["Pinhole:image_from_camera"][number], camera["Transform3D:translation"][number]
            np.testing.assert_allclose(np.reshape(matrix, (3, 3)).T, frame.intrinsics, rtol=1e-6)  # columns first
            np.testing.assert_allclose(place, frame.world_from_camera[:3, 3], rtol=1e-5)
        assert sum(map(len, found[f"/{name}/camera/image"]["EncodedImage:blob"])) == len(frames)
        assert "- answer: **" in found[f"/{name}/questions"]["TextDocument:text"][0][0]
        assert found[f"/{name}/floor"]["LineStrips3D:strips"]


def test_outlines_are_those_of_the_observations(tmp_path):
    ingest(get_dataset("rooms"), None, out=tmp_path / "s", options=IngestOptions(seed=4, scenes=1, frames=3, size=48))
    store = Store(tmp_path / "s")
    (name,) = store.scene_names()
    report = write_recording(Shown(store), tmp_path / "before.rrd")
    assert (report.n_scenes, report.n_frames, report.n_questions) == (1, 3, 0)
    guessed = read(tmp_path / "before.rrd")[f"/{name}/camera/image/objects"]
    assert any(guessed["Boxes2D:labels"])
    observe(store)
    write_recording(Shown(store), tmp_path / "after.rrd")
    rows = read_observations(store.path).filter(pl.col("frame_id") == store.frames(name)[1].frame_id)
    boxes = read(tmp_path / "after.rrd")[f"/{name}/camera/image/objects"]
    assert len(boxes["Boxes2D:labels"][1]) == rows.height > 0
    centre = np.array(rows["box_2d"].to_list()).reshape(-1, 2, 2).mean(axis=1)
    np.testing.assert_allclose(boxes["Boxes2D:centers"][1], centre, atol=1e-4)


def test_a_cloud_and_frames_without_pose_are_shown(tmp_path, write_arkit):
    root = tmp_path / "scans" / "kitchen"
    root.mkdir(parents=True)
    header = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    points = "0 0 0 3\n1 0 0 3\n0 1 1 3\n5 5 5 7\n"
    (root / "cloud.ply").write_text(f"{header}property int instance\nend_header\n{points}")
    (root / "labels.json").write_text('{"3": "chair"}')
    ingest(get_dataset("generic"), root.parent, out=tmp_path / "cloud", options=IngestOptions())
    write_recording(Shown(Store(tmp_path / "cloud")), tmp_path / "cloud.rrd")
    found = read(tmp_path / "cloud.rrd")["/kitchen/cloud"]
    assert len(found["Points3D:positions"][0]) == 4
    assert len(set(found["Points3D:colors"][0])) == 2
    (tmp_path / "frames").mkdir()
    ingest(get_dataset("arkitscenes"), write_arkit(n_frames=2), out=tmp_path / "posed", options=IngestOptions())
    assert write_recording(Shown(Store(tmp_path / "posed")), tmp_path / "arkit.rrd").n_frames == 2


def test_a_file_that_exists_is_kept_and_the_extra_is_named(store, tmp_path, monkeypatch, call, capsys):
    path = tmp_path / "r.rrd"
    path.write_text("mine")
    with pytest.raises(TableError, match="--force"):
        write_recording(Shown(store), path)
    assert path.read_text() == "mine"
    assert call("view", store.path) == 2
    assert "--rrd FILE" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(QAEngineError, match=r"qa-engine\[viewer\]"):
        write_recording(Shown(store), tmp_path / "other.rrd")
    assert [p.name for p in tmp_path.iterdir()] == ["r.rrd"]
