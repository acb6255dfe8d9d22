"""The examples of the pages that add a question type, a data set and a sampler to the engine."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path

import polars as pl
import pytest
import qa_engine
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import CHOICES, FEEDBACK
from qa_engine.cli import app
from qa_engine.datasets import DATASETS
from qa_engine.generation.samplers import SAMPLERS
from qa_engine.tasks import TASKS
from typer.testing import CliRunner

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)


@pytest.fixture
def added(monkeypatch):
    """Make the file of a page and register it by the page's line, for the time of a test."""

    def add(page: str, registry: str, entries: dict) -> types.ModuleType:
        source, line, *_ = blocks(page)
        module = types.ModuleType(f"of_{page.removesuffix('.md')}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(source, module.__name__, "exec"), module.__dict__)
        before = dict(entries)
        exec(line, module.__dict__ | {registry: entries})
        for name in entries.keys() - before.keys():
            monkeypatch.setitem(entries, name, entries.pop(name))  # taken out again when the test ends
        return module

    return add


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return qa_engine.ingest("rooms", out=tmp_path_factory.mktemp("rooms") / "store", scenes=6, frames=0, size=32)


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_question_type_is_asked_answered_and_replayed(added, store):
    task = added("add_a_task.md", "TASKS", TASKS).TASK
    questions = qa_engine.generate(store, [task.question_type], seed=1)
    assert len(questions) > 10
    assert questions["program"].str.starts_with("height_cm(").all()
    assert set(questions["cell"]) <= set(task.knob.cells)
    assert qa_engine.verify(store, questions) == []
    answers = qa_engine.answer(store, questions)
    assert answers["prediction"].to_list() == questions["ground_truth"].to_list()
    assert task.question_type in call("tasks")


def test_a_data_set_is_looked_at_and_read(added, tmp_path):
    added("add_a_dataset.md", "DATASETS", DATASETS)
    boxes = [
        {"name": name, "center": [100 * k, 0, 50], "size": [60, 60, 100]} for k, name in enumerate(["sofa", "bed"])
    ]
    (tmp_path / "attic.room.json").write_text(json.dumps({"furniture": boxes}))
    assert "planner" in call("doctor", tmp_path)
    found = qa_engine.ingest("planner", tmp_path, out=tmp_path / "store")
    scene = found.load_scene("attic")
    assert scene.category.tolist() == ["sofa", "bed"]
    assert scene.size[0].tolist() == [0.6, 0.6, 1.0]
    (tmp_path / "hall.room.json").write_text(json.dumps({"furniture": [{"name": "lamp", "center": [0, 0], "size": 3}]}))
    report = CliRunner().invoke(app, ["ingest", "planner", str(tmp_path), "--out", str(tmp_path / "two")])
    assert report.exit_code == 1
    (reject,) = pl.read_parquet(tmp_path / "two" / "rejects.parquet").to_dicts()
    assert (reject["scene_name"], reject["reason"]) == ("hall", "wrong_type")


def test_a_sampler_weighs_and_its_state_travels(added, store, tmp_path):
    added("add_a_sampler.md", "SAMPLERS", SAMPLERS)
    first, second = tmp_path / "round_01", tmp_path / "round_02"
    words = ("--tasks", "object_counting", "--sampler", "movement")
    call("generate", store.path, "--out", first, *words, "--count", 8, "--round", 1)
    state = json.loads((first / "sampler.json").read_text())
    assert (state["sampler"], state["state"]["object_counting count:2"]) == ("movement", 0.5)
    rows = pl.DataFrame(
        {"round": 1, "scene_name": "s", "question_type": "object_counting", "cell": "count:2", "n": 8, "n_frontier": 8}
    )
    feedback = tmp_path / "feedback.parquet"
    write_table(with_every_column(rows, FEEDBACK), feedback, FEEDBACK, table_metadata("feedback", "test", {}, 0))
    more = ("--feedback", feedback, "--sampler-state", first)
    call("generate", store.path, "--out", second, *words, *more, "--count", 8, "--round", 2)
    why = dict(read_table(second, "choices", CHOICES).select("cell", "why").unique().iter_rows())
    assert why["count:2"] == "frontier share 0.50, then 0.90"
    wrong = ("generate", store.path, "--out", tmp_path / "no", "--sampler-state", first)
    result = CliRunner().invoke(app, [str(word) for word in wrong])
    assert result.exit_code == 2
    assert "is the state of sampler 'movement', not of 'baseline'" in result.output
