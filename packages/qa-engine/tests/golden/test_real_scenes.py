"""Published scenes: 91 of VSI-Bench, and ARKitScenes validation scans with the frames of one of them."""

import json

import numpy as np
import polars as pl
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.views.frame_sets import sample_frames


def test_all_vsi_bench_scenes_are_read(real_data, tmp_path):
    path = real_data / "vsi_bench" / "meta_info.json"
    report = ingest(get_dataset("vsi-bench"), path, out=tmp_path / "store", options=IngestOptions())
    scenes = {scene.scene_name: scene for scene in Store(tmp_path / "store").iter_scenes()}
    assert (report.n_scenes, report.rejects) == (91, {})
    published = json.loads(path.read_text())
    assert scenes.keys() == published.keys()
    for name, entry in published.items():
        scene = scenes[name]
        assert scene.category_counts == entry["object_counts"]
        assert scene.room_size_m2 == entry["room_size"]
        assert scene.dataset == entry["dataset"]
        boxes = [box for group in entry["object_bbox"].values() for box in group]
        assert scene.center.tolist() == [box["centroid"] for box in boxes]
        assert scene.size.tolist() == [box["axesLengths"] for box in boxes]
        assert scene.rotation.reshape(-1, 9).tolist() == [box["normalizedAxes"] for box in boxes]


def test_arkitscenes_sample(real_data, tmp_path):
    root = real_data / "real" / "arkitscenes"
    options = IngestOptions(annotations=root / "reconstructed")
    report = ingest(get_dataset("arkitscenes"), root, out=tmp_path / "store", options=options)
    assert (report.n_scenes, report.n_frames, report.n_scenes_with_frames, report.rejects) == (8, 28, 1, {})
    store = Store(tmp_path / "store")
    scene = store.load_scene("47334096")
    assert scene.category_counts == {"table": 2, "chair": 5, "stool": 1, "sofa": 1, "tv": 1, "stove": 1}
    assert scene.scene_group == "469786"
    assert scene.room_size_m2 is None
    frames = store.frames(scene)
    assert [frame.frame_id for frame in frames] == [f"frame_{i:05d}" for i in range(3, 31)]
    assert {(frame.width, frame.height) for frame in frames} == {(480, 640)}
    assert all(frame.world_from_camera is None and frame.time_s is None for frame in frames)
    assert sample_frames(store, n=8).n_without_frames == 7
    (ids,) = pl.read_parquet(store.path / "frame_sets.parquet")["frame_ids"]
    assert ids[0] == "frame_00003"
    assert ids[-1] == "frame_00030"


def test_both_sources_of_one_scene_agree(real_data, tmp_path):
    root = real_data / "real" / "arkitscenes"
    options = IngestOptions(annotations=root / "reconstructed")
    ingest(get_dataset("arkitscenes"), root, out=tmp_path / "arkit", options=options, only=["47334096"])
    meta = real_data / "vsi_bench" / "meta_info.json"
    ingest(get_dataset("vsi-bench"), meta, out=tmp_path / "vsi", options=IngestOptions(), only=["47334096"])
    ours, theirs = (Store(tmp_path / name).load_scene("47334096") for name in ("arkit", "vsi"))
    for scene in (ours, theirs):
        assert len(scene) == 11
    orders = [np.lexsort(scene.center.T) for scene in (ours, theirs)]
    assert (ours.center[orders[0]] == theirs.center[orders[1]]).all()
    assert (ours.category[orders[0]] == theirs.category[orders[1]]).all()
