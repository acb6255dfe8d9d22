"""The list of question types: what each says of itself, the page that shows them, and how much is written."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from posed_room import facts_of, pose, scene_with
from qa_engine.errors import QAEngineError
from qa_engine.facts.batch import Batch
from qa_engine.generation.files import write_generation
from qa_engine.generation.request import Request
from qa_engine.scenes.store import Store
from qa_engine.tasks import BLIND, DEFAULT, FAMILIES, TASKS, select_tasks
from qa_engine.tasks.base import PLACEHOLDER
from qa_engine.tasks.pools import MAX_PER_SCENE, drawn_sets, of_scene

PAGE = Path(__file__).parents[5] / "docs" / "tasks.md"


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.question_type)
def test_a_type_is_whole(task):
    assert task.tags.family in FAMILIES
    assert task.tags.abilities
    assert len(task.kinds) in (0, len(task.roles))
    assert len(task.wordings) >= 1 or task.question_type in DEFAULT  # VSI-Bench has one wording of each
    places = {*task.roles, *(f"listed_{j}" for j in range(len(task.listed)))}
    for text in (task.question, *task.wordings):
        assert set(PLACEHOLDER.findall(text)) <= places, text
    said = {*PLACEHOLDER.findall(task.question)}
    for other in task.wordings:
        assert set(PLACEHOLDER.findall(other)) == said or not said - {"frame"}, other


def test_default_is_vsi_bench_and_all_is_what_has_to_be_looked_at():
    assert [task.question_type for task in select_tasks()] == list(DEFAULT)
    assert len(select_tasks(["every"])) == len(TASKS) >= 60
    kept = {task.question_type for task in select_tasks(["all"])}
    assert BLIND.keys() <= TASKS.keys()
    assert kept == {name for name in TASKS if name not in BLIND or BLIND[name].score <= BLIND[name].chance + 0.02}
    assert "object_largest" not in kept
    assert select_tasks(["object_largest"])[0].question_type == "object_largest"
    assert {task.tags.family for task in select_tasks(["images"])} == {"images"}


def test_tasks_json_says_family_inputs_wordings_and_level(call, capfd):
    assert call("tasks", "--json") == 0
    rows = json.loads(capfd.readouterr().out)
    by_name = {row["question_type"]: row for row in rows}
    pair = by_name["pair_camera_turn"]
    assert (pair["family"], pair["inputs"], pair["frames_needed"], pair["level"]) == (
        "motion",
        "images",
        "two",
        "measurement",
    )
    assert len(pair["wordings"]) == 2
    assert by_name["object_counting"]["asked_by_default"]
    assert not pair["asked_by_default"]
    largest = by_name["object_largest"]
    assert not largest["in_all"]
    assert largest["blind"]["score"] > largest["blind"]["chance"] + 0.02
    assert by_name["cognitive_map"]["blind"] is None


@pytest.mark.skipif(not PAGE.is_file(), reason="the package is alone, without the workspace's docs")
def test_the_page_has_a_row_for_every_type():
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in TASKS if f"| `{name}` |" not in text] == []
    assert f"{len(TASKS)} types" in text


def test_a_scene_of_a_hundred_objects_is_asked_about_in_bounds():
    rng = np.random.default_rng(0)
    boxes = [(f"thing {k}", (*rng.uniform(0, 20, 2), 0.5), (0.5, 0.5, 1)) for k in range(100)]
    batch = Batch([facts_of(scene_with(boxes, [pose((0, 0, 1), (1, 1))]))])
    scene, roles = drawn_sets(batch, of_scene(batch), lambda k: np.random.default_rng(k), 3, ordered=True, limit=10**4)
    assert len(roles) == MAX_PER_SCENE == len(np.unique(roles, axis=0))
    assert set(scene.tolist()) == {0}


def test_more_than_the_limit_is_not_written(tmp_path, call):
    assert call("ingest", "rooms", "--scenes", 2, "--frames-per-scene", 0, "--out", tmp_path / "store") == 0
    with pytest.raises(QAEngineError, match="More than --limit 5 questions, most of them of: "):
        write_generation(Store(tmp_path / "store"), Request(tasks=DEFAULT), tmp_path / "q", limit=5)
    assert not (tmp_path / "q").exists()
    assert call("generate", tmp_path / "store", "--limit", 100000, "--out", tmp_path / "q") == 0
    written = pl.read_parquet(tmp_path / "q" / "questions.parquet")["question_type"].value_counts()
    counts = json.loads((tmp_path / "q" / "manifest.json").read_text())["question_types"]
    assert counts == dict(sorted(written.iter_rows()))
