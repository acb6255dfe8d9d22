import hashlib
from dataclasses import replace

import polars as pl
import pytest
from qa_contract.errors import FileError
from qa_contract.tableio import read_table
from qa_contract.tables import QUESTIONS, SCENES
from qa_engine.api import make_request
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError
from qa_engine.generation.files import write_generation
from qa_engine.ingestion import adding
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store

SPLIT = {"train": 1.0, "val": 0.0, "test": 0.0}


def rooms(out, first, n, *, seed=5, **how):
    options = IngestOptions(seed=seed, scenes=n, frames=1, size=16, first_scene=first)
    return ingest(get_dataset("rooms"), None, out=out, options=options, split=how.pop("split", SPLIT), **how)


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def asked(path, out):
    store = Store(path)
    write_generation(store, make_request(store, ["object_counting", "object_abs_distance"], seed=1), out)
    return read_table(out, "questions", QUESTIONS).sort("question_id")


@pytest.fixture
def store(tmp_path):
    rooms(tmp_path / "store", 0, 3)
    return tmp_path / "store"


def test_added_scenes_are_read_with_the_others_and_change_nothing_of_them(store, tmp_path):
    before, questions = digests(store), asked(store, tmp_path / "before")
    rooms(store, 3, 2, add=True)
    rooms(store, 7, 1, add=True)
    names = [f"room_5_{k:05d}" for k in (0, 1, 2, 3, 4, 7)]
    grown = Store(store)
    assert grown.scene_names() == names
    assert all(frame.image_path.is_file() for name in names for frame in grown.frames(name))
    assert before.items() <= digests(store).items()
    assert sorted(path.name for path in store.parent.iterdir()) == ["before", "store"]
    after = asked(store, tmp_path / "after")
    assert after["scene_name"].n_unique() == 6
    assert after.filter(pl.col("scene_name").is_in(names[:3])).equals(questions)


def test_a_grown_store_asks_what_one_written_at_once_asks(store, tmp_path):
    rooms(store, 3, 2, add=True)
    rooms(tmp_path / "whole", 0, 5)
    questions = [asked(path, tmp_path / f"asked_{path.name}") for path in (store, tmp_path / "whole")]
    assert questions[0].equals(questions[1])


def test_a_scene_that_is_there_is_refused_and_the_others_are_added(store):
    report = rooms(store, 2, 2, add=True)
    assert (report.n_scenes, report.rejects) == (1, {"duplicate_scene": 1})
    assert len(Store(store).scene_names()) == 4
    before = digests(store)
    with pytest.raises(QAEngineError, match=r"None of the 4 scenes of 'rooms' could be used.*\n.*came before"):
        rooms(store, 0, 4, add=True)
    assert digests(store) == before


@pytest.mark.parametrize("killed_at", ["first", "tables"])
def test_an_interrupted_run_leaves_the_store_as_it_was_and_the_next_one_ends_it(
    store, tmp_path, monkeypatch, killed_at
):
    class Path(type(tmp_path)):
        def replace(self, target):
            if killed_at == "first" or self.name == adding.ADDED:
                raise KeyboardInterrupt
            return super().replace(target)

    with monkeypatch.context() as patched:
        add_to = adding.add_to
        patched.setattr("qa_engine.ingestion.run.add_to", lambda out, staging, name: add_to(out, Path(staging), name))
        with pytest.raises(KeyboardInterrupt):
            rooms(store, 3, 2, add=True)
    assert len(Store(store).scene_names()) == 3
    report = rooms(store, 3, 2, add=True)
    assert (report.n_scenes, report.n_resumed) == (2, 2)
    rooms(tmp_path / "other", 0, 3)
    rooms(tmp_path / "other", 3, 2, add=True)
    undisturbed = digests(tmp_path / "other")
    manifests = {name for name in undisturbed if name.endswith("manifest.json")}
    assert digests(store).items() >= {k: v for k, v in undisturbed.items() if k not in manifests}.items()
    assert digests(store).keys() == undisturbed.keys()


@pytest.mark.parametrize("how", [{"seed": 6}, {"split": {"train": 0.0, "val": 0.0, "test": 1.0}}])
def test_a_rescan_comes_to_the_split_of_its_place_whatever_the_rest_is_split_by(tmp_path, how):
    plain = get_dataset("rooms")
    scans = replace(plain, load=lambda source: replace(plain.load(source), scene_group=source.scene_name[-1]))
    store = tmp_path / "store"
    options = IngestOptions(seed=5, scenes=3, frames=0)
    ingest(scans, None, out=store, options=options, split=SPLIT)
    options = replace(options, seed=how.get("seed", 5), first_scene=10, scenes=5)
    ingest(scans, None, out=store, options=options, split=how.get("split", SPLIT), add=True)
    found = dict(read_table(store, "scenes", SCENES).select("scene_name", "split").iter_rows())
    added = {name[-1]: split for name, split in found.items() if name[-2] == "1"}
    other = "test" if "split" in how else "train"
    assert added == {"0": "train", "1": "train", "2": "train", "3": other, "4": other}


def test_collections_are_named_and_have_a_folder_of_their_own(store, tmp_path):
    rooms(tmp_path / "two", 0, 2, collection="small")
    rooms(tmp_path / "two", 4, 2, add=True, collection="flat-2")
    assert (tmp_path / "two" / "added" / "flat-2" / "scenes.parquet").is_file()
    names = Store(tmp_path / "two").collections
    assert names == {f"room_5_{k:05d}": "small" if k < 2 else "flat-2" for k in (0, 1, 4, 5)}
    assert {*Store(store).collections.values()} == {None}
    before = digests(tmp_path / "two")
    for first, name, message in (
        (8, "small", "has a collection of this name"),
        (8, "../flat", "use small letters"),
        (1, "more", r"has room_5_00001 from 'rooms' already.*--first-scene"),
    ):
        with pytest.raises(QAEngineError, match=message):
            rooms(tmp_path / "two", first, 1, add=True, collection=name)
    assert digests(tmp_path / "two") == before


def test_keeping_a_store_and_replacing_it_contradict_each_other(store):
    with pytest.raises(QAEngineError, match="contradict"):
        rooms(store, 3, 1, add=True, force=True)


def test_there_must_be_a_store(tmp_path):
    with pytest.raises(FileError, match="no such file or folder"):
        rooms(tmp_path / "none", 0, 1, add=True)
    assert list(tmp_path.iterdir()) == []
