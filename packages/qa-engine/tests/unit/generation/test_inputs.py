"""What a run reads from the rounds before it, and how often it opens its store."""

import json
import pickle

import pytest
from qa_engine.api import generate
from qa_engine.errors import QAEngineError
from qa_engine.generation.inputs import read_state
from qa_engine.scenes.store import Store


@pytest.fixture
def store(call, write_vsi, vsi_entry, tmp_path):
    assert call("ingest", "vsi-bench", write_vsi({"a": vsi_entry, "b": vsi_entry}), "--out", tmp_path / "store") == 0
    return tmp_path / "store"


def test_a_state_that_is_none_is_named(tmp_path):
    with pytest.raises(QAEngineError, match=r"sampler\.json: no state of a sampler"):
        read_state(tmp_path, "baseline")
    path = tmp_path / "sampler.json"
    for text in ("", "[]", "{}", '{"sampler": "baseline"}'):
        path.write_text(text)
        with pytest.raises(QAEngineError, match="'qa-engine generate' writes"):
            read_state(path, "baseline")
    path.write_text(json.dumps({"sampler": "paper", "state": {}}))
    with pytest.raises(QAEngineError, match="of sampler 'paper', not of 'baseline'"):
        read_state(path, "baseline")
    assert read_state(path, "paper") == {}


def test_a_store_is_opened_once(call, store, tmp_path, monkeypatch):
    opened = []
    before = Store.__init__
    monkeypatch.setattr(Store, "__init__", lambda self, path: (opened.append(path), before(self, path))[1])
    assert call("generate", store, "--out", tmp_path / "q") == 0
    assert opened == [store]


def test_a_store_travels_by_name(store):
    opened = Store(store)
    assert opened.load_scene("a").scene_name == "a"  # its tables are read
    sent = pickle.dumps(opened)
    assert len(sent) < 500
    assert pickle.loads(sent).scene_names() == ["a", "b"]


def test_python_writes_what_the_command_writes(call, store, tmp_path):
    opened = Store(store)
    table = generate(opened, count=3, seed=5, out=tmp_path / "q")
    assert call("generate", store, "--out", tmp_path / "same", "--count", 3, "--seed", 5) == 0
    for name in ("questions.parquet", "choices.parquet", "rejects.parquet", "sampler.json"):
        assert (tmp_path / "q" / name).read_bytes() == (tmp_path / "same" / name).read_bytes()
    assert table.equals(generate(opened, count=3, seed=5))
    other = generate(opened, count=3, seed=5, exclude=table)
    assert not set(other["signature"]) & set(table["signature"])
