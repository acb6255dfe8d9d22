import json
import weakref

import numpy as np
import polars as pl
import pytest
from qa_contract.errors import FileError
from qa_engine.datasets import DATASETS, get_dataset
from qa_engine.datasets.base import Dataset, IngestOptions, SceneSource
from qa_engine.errors import QAEngineError
from qa_engine.ingestion.run import ingest, parse_split, split_of
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.store import Store


def into_store(dataset, root, out, **options):
    named = {key: options.pop(key) for key in ("split", "only", "force", "workers") if key in options}
    return ingest(get_dataset(dataset), root, out=out, options=IngestOptions(**options), **named)


def rejects(store):
    return pl.read_parquet(store / "rejects.parquet")


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_a_scene_comes_back_from_the_store(write_vsi, vsi_entry, tmp_path):
    report = into_store("vsi-bench", write_vsi({"scene0001_02": vsi_entry}), tmp_path / "store")
    assert (report.n_scenes, report.n_objects, report.n_frames, report.lost) == (1, 3, 0, 0)
    scene = Store(tmp_path / "store").load_scene("scene0001_02")
    assert scene.category_counts == {"chair": 2, "sofa": 1}
    assert scene.center.tolist() == [[0, 0, 0.5], [3, 0, 0.5], [0, 4, 0.5]]
    assert scene.size.tolist() == [[1, 2, 1]] * 3
    assert (scene.rotation == np.eye(3)).all()
    assert scene.room_size_m2 == 20.5
    assert scene.scene_group == "scene0001"
    assert scene.floor_polygon is None


def test_frames_come_back_in_order_with_cameras(write_arkit, tmp_path):
    into_store("arkitscenes", write_arkit(n_frames=3), tmp_path / "store")
    store = Store(tmp_path / "store")
    frames = store.frames(store.load_scene("41000001"))
    assert [frame.time_s for frame in frames] == [99.9, 100.0, 100.1]
    assert all(frame.image_path.is_file() and frame.depth_path.is_file() for frame in frames)
    assert frames[0].intrinsics.tolist() == [[20, 0, 8], [0, 20, 6], [0, 0, 1]]
    assert np.allclose(frames[0].world_from_camera[:3, 3], [-1, -2, -3])


def test_bad_scenes_become_rejects_and_the_others_go_on(write_arkit, tmp_path):
    root = write_arkit("41000001")
    for number, text in enumerate(['{"data": [', '{"skipped": true}', '{"data": 3}'], start=2):
        path = write_arkit(f"4100000{number}") / "3dod/Training" / f"4100000{number}"
        (path / f"4100000{number}_3dod_annotation.json").write_text(text)
    write_arkit("41000005")
    report = into_store("arkitscenes", root, tmp_path / "store")
    assert Store(tmp_path / "store").scene_names() == ["41000001", "41000005"]
    rows = rejects(tmp_path / "store").filter(pl.col("stage") == "ingest")
    assert rows["reason"].to_list() == ["bad_json", "skipped", "wrong_type"]
    assert rows["item"][2] == "3dod/Training/41000004/41000004_3dod_annotation.json"
    assert "annotation.data: expected a list, found 3. Compare the file" in rows["detail"][2]
    assert report.lost == 2
    assert str(tmp_path) not in "".join(rows["detail"])


def test_one_folder_of_a_scan_in_both_folds_is_refused(write_arkit, tmp_path):
    root = write_arkit(fold="Training")
    write_arkit(fold="Validation")
    into_store("arkitscenes", root, tmp_path / "store")
    rows = rejects(tmp_path / "store").filter(pl.col("stage") == "ingest")
    assert rows["reason"].to_list() == ["duplicate_scene"]


def test_nothing_readable_writes_nothing(write_vsi, tmp_path):
    with pytest.raises(QAEngineError, match=r"(?s)None of the 2 scenes.*missing_field"):
        into_store("vsi-bench", write_vsi({"a": {"dataset": "d"}, "b": {}}), tmp_path / "out" / "store")
    assert list((tmp_path / "out").iterdir()) == []


def test_hostile_names_stay_out_of_the_file_system(write_vsi, vsi_entry, tmp_path):
    scenes = {"../../escape": vsi_entry, "a/b": vsi_entry, "\ud800": vsi_entry, "..": vsi_entry, "good": vsi_entry}
    into_store("vsi-bench", write_vsi(scenes), tmp_path / "out" / "store")
    assert rejects(tmp_path / "out" / "store")["reason"].to_list() == ["bad_name"] * 4
    assert {path.name for path in tmp_path.iterdir()} == {"meta_info.json", "out"}


def test_the_same_seed_gives_the_same_bytes(write_arkit, tmp_path):
    root = write_arkit(n_frames=2)
    write_arkit("41000002", data=None)
    for name in ("a", "b"):
        into_store("arkitscenes", root, tmp_path / name, seed=3)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) == 9
    for file in files:
        if file.name != "manifest.json":
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_generated_scenes_are_read_one_at_a_time(tmp_path):
    alive = []

    def load(source):
        assert not any(reference() is not None for reference in alive)
        rgb = np.zeros((4, 4, 3), np.uint8)
        alive.append(weakref.ref(rgb))
        return Scene(
            scene_name=source.scene_name,
            dataset="made",
            category=np.array([]),
            center=np.empty((0, 3)),
            size=np.empty((0, 3)),
            rotation=np.empty((0, 3, 3)),
            frames=(Frame(frame_id="0", rgb=rgb),),
        )

    def discover(root, options):
        return [SceneSource(scene_name=f"m{i}", item=f"made:{i}", data=None) for i in range(options.scenes)]

    made = Dataset(
        name="made", description="", needs="", discover=discover, load=load, needs_root=False, options={"scenes"}
    )
    report = ingest(made, None, out=tmp_path / "store", options=IngestOptions(scenes=5))
    assert (report.n_scenes, report.n_frames, report.n_objects) == (5, 5, 0)


def test_only_takes_the_named_scenes(write_vsi, vsi_entry, tmp_path):
    path = write_vsi({"a": vsi_entry, "b": vsi_entry, "c": {}})
    into_store("vsi-bench", path, tmp_path / "store", only=["b"])
    assert Store(tmp_path / "store").scene_names() == ["b"]
    assert rejects(tmp_path / "store").is_empty()
    with pytest.raises(QAEngineError, match=r"Unknown scene 'bb'\. Did you mean 'b'"):
        into_store("vsi-bench", path, tmp_path / "other", only=["bb"])


def test_options_that_a_dataset_would_ignore_are_errors(write_vsi, vsi_entry, tmp_path):
    path = write_vsi({"a": vsi_entry})
    with pytest.raises(QAEngineError, match="takes no --frames-dir"):
        into_store("vsi-bench", path, tmp_path / "store", frames_dir=tmp_path)
    with pytest.raises(QAEngineError, match="needs ROOT"):
        into_store("vsi-bench", None, tmp_path / "store")


def test_an_existing_store_is_replaced_only_by_force(write_vsi, vsi_entry, tmp_path):
    store = tmp_path / "store"
    into_store("vsi-bench", write_vsi({"a": vsi_entry}), store)
    with pytest.raises(FileError, match="--force"):
        into_store("vsi-bench", write_vsi({"b": vsi_entry}), store)
    assert Store(store).scene_names() == ["a"]
    into_store("vsi-bench", write_vsi({"b": vsi_entry}), store, force=True)
    assert Store(store).scene_names() == ["b"]


def test_force_deletes_neither_the_input_nor_another_folder(write_arkit, tmp_path):
    root = write_arkit()
    with pytest.raises(QAEngineError, match="holds the input"):
        into_store("arkitscenes", root, root, force=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    with pytest.raises(QAEngineError, match="is no store"):
        into_store("arkitscenes", root, tmp_path / "home", force=True)
    assert (tmp_path / "home" / "thesis.tex").exists()
    assert (root / "3dod").exists()


def test_the_manifest_holds_what_differs_between_machines(write_vsi, vsi_entry, tmp_path):
    into_store("vsi-bench", write_vsi({"a": vsi_entry}), tmp_path / "store", seed=4)
    manifest = json.loads((tmp_path / "store" / "manifest.json").read_text())
    assert manifest["seed"] == 4
    assert manifest["config"]["dataset"] == "vsi-bench"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("train=0.5", "sum to 0.5"),
        ("trian=1", "Did you mean 'train'"),
        ("train=x", "lacks a number"),
        ("train", "lacks a number"),
        ("train=1.5,val=-0.5", "between 0 and 1"),
        ("train=nan", "between 0 and 1"),
        ("", "Unknown split"),
    ],
)
def test_fractions_that_make_no_sense_are_errors(text, problem):
    with pytest.raises(QAEngineError, match=problem):
        parse_split(text)


def test_a_split_without_a_share_stays_empty():
    fractions = parse_split("train=0.9,val=0.1")
    assert {split_of(f"g{i}", fractions, seed=0) for i in range(500)} == {"train", "val"}


def test_every_dataset_is_registered_under_its_name():
    assert all(name == dataset.name for name, dataset in DATASETS.items())
    with pytest.raises(QAEngineError, match="Did you mean 'arkitscenes'"):
        get_dataset("arkit")


def files_of(store):
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


def test_workers_change_nothing(write_arkit, tmp_path):
    root = write_arkit(n_frames=1)
    for i in range(2, 19):
        write_arkit(f"410000{i:02d}", labels=("chair",) * (i % 4), n_frames=i % 2)
    (root / "3dod/Training/41000003/41000003_3dod_annotation.json").write_text("{")
    reports = [into_store("arkitscenes", root, tmp_path / f"w{n}", workers=n) for n in (1, 2)]
    assert reports[0].rejects == reports[1].rejects == {"bad_json": 1}
    assert files_of(tmp_path / "w1") == files_of(tmp_path / "w2")


def test_a_stopped_ingest_goes_on_without_reading_scenes_again(monkeypatch, tmp_path):
    monkeypatch.setattr("qa_engine.ingestion.run.SCENES_PER_PART", 2)
    read, stop_at = [], [3]

    def load(source):
        if len(read) == stop_at[0]:
            raise KeyboardInterrupt
        read.append(source.scene_name)
        return Scene(
            scene_name=source.scene_name,
            dataset="made",
            category=np.array(["chair"]),
            center=np.zeros((1, 3)),
            size=np.ones((1, 3)),
            rotation=np.eye(3)[None],
            frames=(Frame(frame_id="0", rgb=np.zeros((4, 4, 3), np.uint8)),),
        )

    def discover(root, options):
        return [SceneSource(scene_name=f"m{i}", item=f"made:{i}", data=None) for i in range(options.scenes)]

    made = Dataset(
        name="made", description="", needs="", discover=discover, load=load, needs_root=False, options={"scenes"}
    )
    with pytest.raises(KeyboardInterrupt):
        ingest(made, None, out=tmp_path / "store", options=IngestOptions(scenes=5))
    assert not (tmp_path / "store").exists()
    stop_at[0] = None
    report = ingest(made, None, out=tmp_path / "store", options=IngestOptions(scenes=5))
    assert (report.n_scenes, report.n_resumed) == (5, 2)
    assert read == ["m0", "m1", "m2", "m2", "m3", "m4"]  # m2 was read, but its part was not whole
    ingest(made, None, out=tmp_path / "whole", options=IngestOptions(scenes=5))
    assert files_of(tmp_path / "store") == files_of(tmp_path / "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"store", "whole"}


def test_scenes_that_were_lost_are_read_again_and_other_runs_are_not_mixed(write_arkit, tmp_path, monkeypatch):
    root = write_arkit("41000001")
    annotation = write_arkit("41000002") / "3dod/Training/41000002/41000002_3dod_annotation.json"
    whole = annotation.read_text()
    annotation.write_text("{")
    monkeypatch.setattr(
        "qa_engine.ingestion.run.output_folder", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        into_store("arkitscenes", root, tmp_path / "store")
    monkeypatch.undo()
    annotation.write_text(whole)
    report = into_store("arkitscenes", root, tmp_path / "store")
    assert (report.n_scenes, report.rejects, report.n_resumed) == (2, {}, 0)


def test_one_set_of_files_per_option(write_arkit, tmp_path, monkeypatch):
    root = write_arkit("41000001")
    monkeypatch.setattr(
        "qa_engine.ingestion.run.output_folder", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        into_store("arkitscenes", root, tmp_path / "store", seed=1)
    monkeypatch.undo()
    assert into_store("arkitscenes", root, tmp_path / "store", seed=2).n_resumed == 0
