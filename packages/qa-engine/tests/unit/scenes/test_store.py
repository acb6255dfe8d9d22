import polars as pl
import pytest
from qa_contract.errors import FileError, TableError
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import FRAMES
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError, SceneError
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.views.frame_sets import sample_frames, uniform


@pytest.fixture
def store(write_arkit, tmp_path):
    root = write_arkit("41000001", n_frames=5)
    write_arkit("41000002", n_frames=2)
    write_arkit("41000003")
    options = IngestOptions()
    ingest(get_dataset("arkitscenes"), root, out=tmp_path / "store", options=options, split={"train": 0, "val": 1})
    return Store(tmp_path / "store")


def test_scenes_are_listed_by_split(store):
    assert store.scene_names() == store.scene_names("val") == ["41000001", "41000002", "41000003"]
    assert store.scene_names("train") == []
    with pytest.raises(QAEngineError, match="Did you mean 'test'"):
        store.scene_names("tests")


def test_scenes_are_iterated_in_the_order_of_their_names(store):
    assert [scene.scene_name for scene in store.iter_scenes()] == store.scene_names()
    assert [len(store.frames(scene)) for scene in store.iter_scenes()] == [5, 2, 0]


def test_an_unknown_scene_is_an_error(store):
    with pytest.raises(QAEngineError, match="Did you mean '41000001'"):
        store.load_scene("41000011")


def test_a_folder_that_is_no_store_is_an_error(tmp_path):
    with pytest.raises(TableError, match=r"scenes\.parquet"):
        Store(tmp_path)
    with pytest.raises(TableError, match="no such file"):
        Store(tmp_path / "none")


def test_a_table_that_names_files_elsewhere_is_an_error(store):
    table = pl.read_parquet(store.path / "frames.parquet").with_columns(image_path=pl.lit("../../etc/passwd"))
    write_table(table, store.path / "frames.parquet", FRAMES, table_metadata("frames", "test", {}, 0))
    with pytest.raises(FileError, match="leads out of the folder"):
        store.frames("41000001")


def test_uniform_frames_keep_both_ends_and_order(store):
    report = sample_frames(store, n=3)
    assert (report.frame_set_id, report.n_scenes, report.n_short, report.n_without_frames) == ("uniform-3", 2, 1, 1)
    again = Store(store.path)
    assert again.frame_set_ids() == ["uniform-3"]
    rows = {row["scene_name"]: row for row in again.frame_sets.iter_rows(named=True)}
    assert rows["41000001"]["frame_ids"] == ["41000001_99.900", "41000001_100.100", "41000001_100.300"]
    assert rows["41000002"]["frame_ids"] == ["41000002_99.900", "41000002_100.000"]
    assert rows["41000002"]["n"] == 2
    assert "41000003" not in rows


def test_other_frame_sets_stay_and_the_same_needs_force(store):
    sample_frames(store, n=3)
    sample_frames(Store(store.path), n=1)
    first = (store.path / "frame_sets.parquet").read_bytes()
    with pytest.raises(QAEngineError, match="--force"):
        sample_frames(Store(store.path), n=1)
    sample_frames(Store(store.path), n=1, force=True)
    assert (store.path / "frame_sets.parquet").read_bytes() == first
    assert Store(store.path).frame_set_ids() == ["uniform-1", "uniform-3"]
    assert Store(store.path).frame_sets.height == 4


def test_sampling_refuses_what_it_cannot_do(store, write_vsi, vsi_entry, tmp_path):
    with pytest.raises(QAEngineError, match="Did you mean 'uniform'"):
        sample_frames(store, method="unifrom", n=3)
    with pytest.raises(QAEngineError, match="at least 1"):
        sample_frames(store, n=0)
    ingest(get_dataset("vsi-bench"), write_vsi({"a": vsi_entry}), out=tmp_path / "v", options=IngestOptions())
    with pytest.raises(QAEngineError, match="no scene has frames"):
        sample_frames(Store(tmp_path / "v"), n=3)


@pytest.mark.parametrize("n_frames", [1, 2, 5, 31, 32, 33, 100, 999])
@pytest.mark.parametrize("n", [1, 2, 8, 32])
def test_uniform_gives_ascending_frames_without_repeats(n_frames, n):
    chosen = uniform(n_frames, n).tolist()
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(n, n_frames)
    assert 0 <= chosen[0] <= chosen[-1] < n_frames


def test_uniform_gaps_differ_by_at_most_one():
    gaps = set((uniform(1000, 32)[1:] - uniform(1000, 32)[:-1]).tolist())
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [
        ("size", [1.0, -1.0, 1.0], "size"),
        ("center", [0.0, float("nan"), 0.0], "center"),
        ("rotation", [1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0], "rotation"),
        ("category", " ", "category"),
        ("instance_id", 0, "instance_id"),
        ("instance_id", -1, "instance_id"),
    ],
)
def test_one_bad_object_is_named_and_leaves_other_scenes_alone(write_vsi, vsi_entry, tmp_path, column, value, field):
    store = tmp_path / "bad"
    ingest(get_dataset("vsi-bench"), write_vsi({"a": vsi_entry, "b": vsi_entry}), out=store, options=IngestOptions())
    table = pl.read_parquet(store / "objects.parquet")
    bad = pl.int_range(pl.len()) == 1
    changed = pl.when(bad).then(pl.lit(value, dtype=table.schema[column])).otherwise(column)
    table.with_columns(changed.alias(column)).write_parquet(store / "objects.parquet")
    with pytest.raises(SceneError, match=field):
        Store(store).load_scene("a")
    good = Store(store).load_scene("b")
    assert len(good) == 3
    assert not good.center.flags.writeable
