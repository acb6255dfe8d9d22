import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import QUESTIONS
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.views import coverage as cover
from qa_engine.views.frame_sets import coverage, sample_frames
from qa_engine.views.observations import observe, surface_points


def greedy_sets(sets, n):
    covered, chosen = set(), []
    while len(chosen) < n:
        gain = [len(each - covered) for each in sets]
        if not max(gain, default=0):
            break
        chosen.append(gain.index(max(gain)))
        covered |= sets[chosen[-1]]
    return chosen


def as_bits(sets, n_cells=192):
    marks = np.zeros((len(sets), n_cells), dtype=bool)
    for row, each in zip(marks, sets, strict=True):
        row[list(each)] = True
    return np.packbits(marks, axis=1).view(np.uint64)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(0, 191)), min_size=1, max_size=9), st.integers(1, 6))
def test_same_choice_as_with_sets(sets, n):
    assert cover.most_covering(as_bits(sets), n).tolist() == greedy_sets(sets, n)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.booleans())
def test_bits_are_the_voxels_of_the_points(seed, n_frames, renumbered):
    rng = np.random.default_rng(seed)
    points = [rng.uniform(-3, 4, (int(rng.integers(0, 30)), 3)).astype(np.float32) for _ in range(n_frames)]
    limit = cover.MAX_CELLS
    try:
        cover.MAX_CELLS = 10 if renumbered else limit
        bits = cover.voxel_bits(points)
    finally:
        cover.MAX_CELLS = limit
    everything = np.concatenate(points)
    if not len(everything):
        assert not bits.any()
        return
    low = everything.min(axis=0)
    extent = everything.max(axis=0) - low
    edge = float(extent.min()) / 20 or float(extent.max()) / 20 or 1.0
    sets = [set(map(tuple, ((part - low) * np.float32(1 / edge)).astype(int).tolist())) for part in points]
    assert np.bitwise_count(bits).sum(axis=1).tolist() == [len(each) for each in sets]
    for i in range(n_frames):
        shared = [int(np.bitwise_count(bits[i] & row).sum()) for row in bits]
        assert shared == [len(sets[i] & each) for each in sets]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.lists(st.integers(0, 39), unique=True))
def test_always_as_many_frames_as_asked_for(n_frames, n, some):
    chosen = np.array([i for i in some if i < n_frames][:n], dtype=np.intp)
    full = cover.filled(chosen, n_frames, n)
    assert len(full) == min(n, n_frames)
    assert (np.diff(full) > 0).all()
    assert set(chosen.tolist()) <= set(full.tolist())
    points = [np.zeros((1, 3))] * n_frames  # no frame adds anything after the first
    assert len(coverage(points, n)) == min(n, n_frames)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    out = tmp_path_factory.mktemp("rooms") / "store"
    ingest(get_dataset("rooms"), None, out=out, options=IngestOptions(seed=5, scenes=2, frames=12, size=64))
    observe(Store(out))
    return Store(out)


def chosen(store, frame_set_id):
    table = pl.read_parquet(store.path / "frame_sets.parquet").filter(pl.col("frame_set_id") == frame_set_id)
    return dict(zip(table["scene_name"], table["frame_ids"].to_list(), strict=True))


def seen_voxels(store, name, ids):
    scene, frames = store.load_scene(name), store.frames(name)
    bits = cover.voxel_bits([surface_points(scene, frame) for frame in frames])
    rows = [i for i, frame in enumerate(frames) if frame.frame_id in ids]
    return int(np.bitwise_count(np.bitwise_or.reduce(bits[rows])).sum())


def test_coverage_sees_more_than_even_steps(store):
    assert sample_frames(store, method="coverage", n=4).n_blind == 0
    sample_frames(Store(store.path), method="uniform", n=4)
    cover_set, even = chosen(store, "coverage-4"), chosen(store, "uniform-4")
    for name in store.scene_names():
        assert len(cover_set[name]) == len(even[name]) == 4
        assert cover_set[name] == sorted(cover_set[name])
        assert seen_voxels(store, name, cover_set[name]) >= seen_voxels(store, name, even[name])


def test_query_takes_the_frame_that_sees_the_operand_best(store, tmp_path):
    name, other = store.scene_names()
    table = pl.read_parquet(store.path / "observations.parquet").filter(pl.col("scene_name") == name)
    best = table.sort("visible_fraction", "visible_px", descending=True).group_by("instance_id").first()
    target = best.sort("instance_id").row(0, named=True)
    most = table.filter(pl.col("instance_id") == target["instance_id"])["visible_fraction"].max()
    row = dict.fromkeys(QUESTIONS) | {
        "scene_name": name,
        "operands": [{"role": "object", "category": "x", "instance_ids": [target["instance_id"]]}],
    }
    path = tmp_path / "questions.parquet"
    metadata = table_metadata("questions", producer="test", config={}, seed=0)
    write_table(pl.DataFrame([row], schema=dict(QUESTIONS)), path, QUESTIONS, metadata)
    report = sample_frames(Store(store.path), method="query", n=2, questions=path)
    assert report.n_blind == 1  # nothing is asked about the other scene
    ids = chosen(store, "query-2")
    assert len(ids[name]) == len(ids[other]) == 2
    shown = table.filter(pl.col("frame_id").is_in(ids[name]) & (pl.col("instance_id") == target["instance_id"]))
    assert shown["visible_fraction"].max() == most


def test_questions_belong_to_query_alone(store, tmp_path):
    with pytest.raises(QAEngineError, match="needs --questions"):
        sample_frames(store, method="query", n=2)
    with pytest.raises(QAEngineError, match="takes no --questions"):
        sample_frames(store, method="coverage", n=2, questions=tmp_path)


def test_without_cameras_coverage_takes_even_steps(write_arkit, tmp_path):
    root = write_arkit(n_frames=5)
    for path in [*root.rglob("*.pincam"), *root.rglob("*.traj")]:
        path.unlink()
    ingest(get_dataset("arkitscenes"), root, out=tmp_path / "store", options=IngestOptions())
    report = sample_frames(Store(tmp_path / "store"), method="coverage", n=3)
    assert (report.n_blind, report.n_short) == (1, 0)
    (ids,) = chosen(Store(tmp_path / "store"), "coverage-3").values()
    assert [each[-6:] for each in ids] == ["99.900", "00.100", "00.300"]
