import shutil

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.views import observations
from qa_engine.views.observations import observe, read_observations


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    out = tmp_path_factory.mktemp("rooms") / "store"
    ingest(get_dataset("rooms"), None, out=out, options=IngestOptions(seed=3, scenes=5, frames=2, size=48))
    return out


@pytest.fixture
def store(rooms, tmp_path):
    shutil.copytree(rooms, tmp_path / "store")
    return Store(tmp_path / "store")


def test_rows_count_the_pixels_of_the_instance_images(store):
    report = observe(store)
    table = read_observations(store.path)
    assert (report.n_scenes, report.n_frames, report.n_unknown) == (5, 10, 0)
    assert report.n_observations == table.height
    for name in store.scene_names():
        for frame in store.frames(name):
            ids, counts = np.unique(np.asarray(Image.open(frame.instance_path)), return_counts=True)
            rows = table.filter((pl.col("scene_name") == name) & (pl.col("frame_id") == frame.frame_id))
            expected = {int(i) - 1: int(n) for i, n in zip(ids, counts, strict=True) if i > 0}
            assert dict(zip(rows["instance_id"], rows["visible_px"], strict=True)) == expected
    assert table["visible_fraction"].is_between(0, 1).all()


def test_same_bytes_again_and_refusal_without_force(store):
    observe(store)
    first = (store.path / "observations.parquet").read_bytes()
    with pytest.raises(QAEngineError, match="--force"):
        observe(store)
    observe(store, force=True)
    assert (store.path / "observations.parquet").read_bytes() == first
    assert not list(store.path.glob(".observations*"))


def test_a_stopped_run_goes_on(store, monkeypatch):
    monkeypatch.setattr(observations, "SCENES_PER_PART", 2)
    real, calls = observations.observe_scene, []

    def stops_after(limit):
        def run(scene, frames, mesh=None):
            calls.append(scene.scene_name)
            if len(calls) > limit:
                raise KeyboardInterrupt
            return real(scene, frames, mesh)

        return run

    monkeypatch.setattr(observations, "observe_scene", stops_after(3))
    with pytest.raises(KeyboardInterrupt):
        observe(store)
    assert not (store.path / "observations.parquet").exists()
    calls.clear()
    monkeypatch.setattr(observations, "observe_scene", stops_after(99))
    assert observe(store).n_resumed == 2
    assert calls == store.scene_names()[2:]
    resumed = (store.path / "observations.parquet").read_bytes()
    monkeypatch.setattr(observations, "observe_scene", real)
    observe(store, force=True)
    assert (store.path / "observations.parquet").read_bytes() == resumed


def test_parts_of_changed_boxes_are_not_taken_over(store, monkeypatch):
    (store.path / ".observations.partial").mkdir()
    real = observations.open_table
    monkeypatch.setattr(observations, "open_table", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        observe(store)
    monkeypatch.setattr(observations, "open_table", real)
    objects = pl.read_parquet(store.path / "objects.parquet")
    objects.with_columns(size=pl.col("size").list.eval(pl.element() * 1.1)).write_parquet(
        store.path / "objects.parquet"
    )
    assert observe(Store(store.path)).n_resumed == 0


def test_a_damaged_image_is_named(store):
    frame = store.frames(store.scene_names()[0])[1]
    frame.depth_path.write_bytes(b"")
    with pytest.raises(QAEngineError, match=r"00001\.png is missing or damaged"):
        observe(store)


def test_a_store_without_cameras_is_refused(write_vsi, vsi_entry, tmp_path):
    ingest(get_dataset("vsi-bench"), write_vsi({"s": vsi_entry}), out=tmp_path / "out", options=IngestOptions())
    with pytest.raises(QAEngineError, match="no frame has a camera"):
        observe(Store(tmp_path / "out"))
    with pytest.raises(QAEngineError, match="qa-engine observe"):
        read_observations(tmp_path / "out")
