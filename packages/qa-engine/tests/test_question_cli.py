import hashlib
import json
import shutil

import polars as pl
import pytest
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import FEEDBACK, OBJECTS, QUESTIONS
from qa_engine.tasks import DEFAULT, TASKS

COMMON = set(DEFAULT) - {"obj_appearance_order", "route_planning"}
"""Question types that twenty rooms with one frame always give."""


@pytest.fixture(scope="module")
def store(call, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rooms") / "store"
    split = "train=0.6,test=0.4"
    assert (
        call(
            "ingest", "rooms", "--out", folder, "--scenes", 20, "--frames-per-scene", 1, "--size", 16, "--split", split
        )
        == 0
    )
    assert call("sample-frames", folder, "--frames", 1) == 0
    return folder


@pytest.fixture(scope="module")
def asked(call, store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked") / "q"
    assert call("generate", store, "--out", folder, "--seed", 3) == 0
    return folder


def questions(folder):
    return read_table(folder, "questions", QUESTIONS)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.parquet"))}


@pytest.mark.parametrize("amount", [(), ("--count", 50), ("--per-scene", 4)])
def test_same_seed_same_bytes_for_one_and_two_workers(call, store, tmp_path, amount, monkeypatch):
    monkeypatch.setattr("qa_engine.generation.run.SCENES_PER_BATCH", 6)  # several batches of the 20 scenes
    for workers in (1, 2):
        out = tmp_path / str(workers)
        assert call("generate", store, "--out", out, "--seed", 5, "--workers", workers, *amount) == 0
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
    assert call("generate", store, "--out", tmp_path / "other", "--seed", 6, *amount) == 0
    assert digests(tmp_path / "1") != digests(tmp_path / "other")


def test_a_scene_with_too_few_candidates_gives_what_it_has(call, store, tmp_path):
    assert call("generate", store, "--out", tmp_path / "all") == 0
    assert call("generate", store, "--out", tmp_path / "many", "--per-scene", 100_000) == 0
    assert len(questions(tmp_path / "many")) == len(questions(tmp_path / "all"))


def test_all_types_are_asked_and_every_program_replays(call, store, asked, capfd):
    table = questions(asked)
    assert set(table["question_type"]) >= COMMON
    assert table["signature"].n_unique() == table["question_id"].n_unique() == len(table)
    assert table["frame_set_id"].unique().to_list() == ["uniform-1"]
    assert call("verify", store, asked, "--json") == 0
    assert json.loads(capfd.readouterr().out) == {"questions": len(table), "differences": []}


def test_verify_lists_what_was_changed(call, store, asked, tmp_path, capfd):
    table = questions(asked)
    first = table["question_id"][0]
    broken = table.with_columns(
        ground_truth=pl.when(pl.col("question_id") == first).then(pl.lit("Z")).otherwise("ground_truth")
    )
    path = write_table(broken, tmp_path / "questions.parquet", QUESTIONS, table_metadata("questions", "test", {}, 0))
    assert call("verify", store, path) == 1
    out, err = capfd.readouterr()
    assert first in out
    assert "ground_truth is Z" in out
    assert "1 differences" in err


def test_count_spreads_over_types_and_scenes(call, store, tmp_path):
    assert call("generate", store, "--out", tmp_path / "q", "--count", 160, "--split", "train") == 0
    table = questions(tmp_path / "q")
    assert len(table) == 160
    per_type = dict(table["question_type"].value_counts().iter_rows())
    assert set(per_type) >= COMMON
    splits = read_table(store, "scenes", {"scene_name": pl.String, "split": pl.String})
    scenes = set(splits.filter(split="train")["scene_name"])
    assert set(table["scene_name"]) == scenes
    # Room size has one question per scene; what it cannot give goes to the others.
    assert per_type["room_size_estimation"] == min(len(scenes), 20)


def test_count_above_the_supply_says_so(call, store, tmp_path, capfd):
    out = tmp_path / "q"
    assert call("generate", store, "--out", out, "--count", 1000, "--tasks", "room_size_estimation") == 1
    assert "980 of 1000 questions are missing" in capfd.readouterr().err
    assert len(questions(out)) == 20


def test_excluded_questions_are_not_asked_again(call, store, asked, tmp_path):
    words = ("--tasks", "object_rel_direction,object_counting", "--seed", 9)
    assert call("generate", store, "--out", tmp_path / "a", "--count", 30, "--round", 1, *words) == 0
    first = questions(tmp_path / "a")
    exclude = ("--exclude", tmp_path / "a")
    assert call("generate", store, "--out", tmp_path / "b", "--round", 2, *words, *exclude) == 0
    second = questions(tmp_path / "b")
    assert not set(first["signature"]) & set(second["signature"])
    everything = questions(asked).filter(
        pl.col("question_type").is_in(list({*first["question_type"], *second["question_type"]}))
    )
    assert set(first["signature"]) | set(second["signature"]) == set(everything["signature"])
    rejects = read_table(tmp_path / "b", "rejects", {"reason": pl.String, "detail": pl.String})
    dropped = rejects.filter(reason="asked_before")["detail"].str.extract(r"(\d+)").cast(pl.Int64).sum()
    assert dropped == 30
    assert call("generate", store, "--out", tmp_path / "c", "--round", 2, *words, *exclude, "--exclude", asked) == 0
    assert len(questions(tmp_path / "c")) == 0


def test_exclusion_goes_on_where_a_task_has_no_candidates(call, write_arkit, tmp_path):
    root = write_arkit(labels=("chair", "chair"))  # two to count, and no room size
    assert call("ingest", "arkitscenes", root, "--out", tmp_path / "store", "--split", "train=1") == 0
    words = ("--tasks", "object_counting,room_size_estimation")
    assert call("generate", tmp_path / "store", "--out", tmp_path / "a", *words) == 0
    assert questions(tmp_path / "a")["question_type"].to_list() == ["object_counting"]
    assert call("generate", tmp_path / "store", "--out", tmp_path / "b", "--exclude", tmp_path / "a", *words) == 0
    assert len(questions(tmp_path / "b")) == 0


def test_feedback_moves_the_questions(call, store, tmp_path):
    cells = [(name, cell) for name in ("object_counting", "object_abs_distance") for cell in TASKS[name].knob.cells]
    rows = [
        {
            "scene_name": "any",
            "question_type": name,
            "cell": cell,
            "n": 50,
            "n_frontier": 45 if name == "object_abs_distance" else 0,
        }
        for name, cell in cells
    ]
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in FEEDBACK.items() if name not in rows[0]]
    feedback = pl.DataFrame(rows).with_columns(missing)
    path = write_table(feedback, tmp_path / "feedback.parquet", FEEDBACK, table_metadata("feedback", "test", {}, 0))
    words = ("generate", store, "--count", 40, "--tasks", "object_counting,object_abs_distance")
    assert call(*words, "--out", tmp_path / "even") == 0
    assert call(*words, "--out", tmp_path / "fed", "--feedback", path) == 0
    even, fed = (
        questions(tmp_path / name).filter(question_type="object_abs_distance").height for name in ("even", "fed")
    )
    assert even == 20
    assert fed > 32
    weights = json.loads((tmp_path / "fed" / "manifest.json").read_text())["weights"]
    assert weights["object_abs_distance distance:1-2"] > 10 * weights["object_counting count:2"]
    choices = json.loads((tmp_path / "fed" / "manifest.json").read_text())["choices"]
    assert choices[0]["why"] == "(0 frontier + 1) / (50 asked + 2)"
    assert sum(choice["weight"] for choice in choices) == pytest.approx(1)
    assert call(*words, "--out", tmp_path / "paper", "--feedback", path, "--sampler", "paper") == 0
    assert questions(tmp_path / "paper").equals(questions(tmp_path / "even"))


def test_rejects_are_counted_by_reason(asked):
    rejects = read_table(asked, "rejects", {"stage": pl.String, "reason": pl.String, "question_type": pl.String})
    assert set(rejects["stage"]) == {"generate"}
    assert {"count_below_two", "not_unique", "too_close"} <= set(rejects["reason"])


def test_a_broken_scene_is_lost_and_the_others_go_on(call, store, tmp_path, capfd):
    broken = tmp_path / "store"
    shutil.copytree(store, broken)
    objects = read_table(broken, "objects", OBJECTS)
    name = objects["scene_name"][0]
    size = pl.when(pl.col("scene_name") == name).then(pl.lit([-1.0, 1.0, 1.0])).otherwise("size")
    metadata = table_metadata("objects", "test", {}, 0)
    write_table(objects.with_columns(size=size), broken / "objects.parquet", OBJECTS, metadata)
    assert call("generate", broken, "--out", tmp_path / "q") == 1
    assert "1 of 20 scenes were lost" in capfd.readouterr().err
    table = questions(tmp_path / "q")
    assert table["scene_name"].n_unique() == 19
    assert name not in set(table["scene_name"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--tasks", "obj_count"),
            "Unknown task 'obj_count'. Did you mean 'object_counting'?",
        ),
        (("--tasks", ","), "names no task"),
        (("--count", 3, "--per-scene", 3), "exclude each other"),
        (("--split", "trian"), "Unknown split 'trian'"),
        (("--split", "val"), "no scenes in split 'val'"),
        (("--sampler", "learn"), "Did you mean 'learning'?"),
        (("--profile", "exakt"), "Did you mean 'exact'?"),
        (("--frame-set", "uniform-9"), "The store has: uniform-1"),
        (("--feedback", "nowhere.parquet"), "nowhere.parquet"),
        (("--exclude", "nowhere"), "nowhere"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(call, store, tmp_path, capfd, words, message):
    assert call("generate", store, "--out", tmp_path / "q", *words) == 2
    assert message in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_missing_store_and_occupied_output(call, store, asked, tmp_path, capfd):
    assert call("generate", tmp_path / "none", "--out", tmp_path / "q") == 2
    before = digests(asked)
    assert call("generate", store, "--out", asked) == 2
    assert "--force" in capfd.readouterr().err
    assert digests(asked) == before
    assert call("verify", store, store) == 2


def test_levels_and_families_name_tasks(call, store, tmp_path):
    assert call("generate", store, "--out", tmp_path / "q", "--tasks", "object_rel_direction_hard") == 0
    assert set(questions(tmp_path / "q")["question_type"]) == {"object_rel_direction_hard"}


def test_tasks_lists_types_cells_and_needs(call, capfd):
    assert call("tasks") == 0
    text = capfd.readouterr().out
    assert call("tasks", "--json") == 0
    rows = json.loads(capfd.readouterr().out)
    assert [row["question_type"] for row in rows] == list(TASKS)
    assert all(row["question_type"] in text and row["needs"] in text for row in rows)
    assert rows[0]["cells"] == ["count:2", "count:3", "count:4", "count:5+"]


def test_sequences_from_ingest_to_answers(call, tmp_path, capfd):
    """Order of appearance and routes: asked where frames and floor plan are there, replayed, answered from the text."""
    folder, asked_, answers = tmp_path / "store", tmp_path / "q", tmp_path / "a.parquet"
    assert (
        call("ingest", "rooms", "--out", folder, "--scenes", 12, "--frames-per-scene", 12, "--size", 40, "--seed", 11)
        == 0
    )
    words = ("--tasks", "obj_appearance_order,route_planning", "--min-visible-px", 8, "--min-time-gap-s", 0.5)
    assert call("generate", folder, "--out", tmp_path / "before", *words) == 0
    rejects = read_table(tmp_path / "before", "rejects", {"reason": pl.String, "detail": pl.String})
    assert rejects.filter(reason="no_observations").height == 12
    assert call("observe", folder) == 0
    assert call("generate", folder, "--out", asked_, *words) == 0
    table = questions(asked_)
    assert set(table["question_type"]) == {"obj_appearance_order", "route_planning"}
    assert call("verify", folder, asked_) == 0
    assert call("answer", folder, asked_, "--out", answers, "--min-visible-px", 8) == 0
    assert pl.read_parquet(answers)["prediction"].to_list() == table["ground_truth"].to_list()
    capfd.readouterr()
    assert call("answer", folder, asked_, "--out", answers, "--force") == 0
    assert "not_seen" in capfd.readouterr().err  # no object covers 100 of 1600 pixels long enough
