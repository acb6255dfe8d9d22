"""Damaged tables, hostile programs and outputs that must not be replaced, through the command line."""

import json
import os
import shutil
import stat
import time

import polars as pl
import pytest
from qa_contract.tableio import read_metadata

LIST = "[" + ",".join("1" * 40) + "]"


def bomb(depth: int) -> str:
    """Nest a list of 40 aliases `depth` times: few steps, 40 ** depth items where it is written out."""
    text = LIST
    for k in range(depth):
        text = f"item([[v{k} for i{k} in {LIST}] for v{k} in [{text}]], 0)"
    return text


@pytest.fixture
def store(call, write_vsi, vsi_entry, tmp_path):
    path = write_vsi({"one": vsi_entry, "two": vsi_entry})
    assert call("ingest", "vsi-bench", path, "--out", tmp_path / "store") == 0
    return tmp_path / "store"


@pytest.fixture
def questions(call, store, tmp_path):
    tasks = "room_size_estimation,object_counting"
    assert call("generate", store, "--tasks", tasks, "--out", tmp_path / "questions") == 0
    return tmp_path / "questions"


def edit(path, change, **metadata):
    """Write a table again with other rows and metadata, as a foreign tool would."""
    table, known = pl.read_parquet(path), read_metadata(path)
    change(table).write_parquet(path, metadata=known | metadata)


def write_programs(path, *programs):
    rows = [{"id": k, "scene_name": "one", "program": program} for k, program in enumerate(programs)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_store_with_doubled_scenes_is_refused(call, store, tmp_path, capfd):
    edit(store / "scenes.parquet", lambda rows: pl.concat([rows, rows]))
    assert call("generate", store, "--out", tmp_path / "q") == 2
    error = capfd.readouterr().err
    assert "scenes.parquet: scene_name 'one' stands in 2 rows" in error
    assert not (tmp_path / "q").exists()


def test_doubled_questions_are_refused(call, store, questions, capfd):
    edit(questions / "questions.parquet", lambda rows: pl.concat([rows, rows]))
    assert call("verify", store, questions) == 2
    assert "stands in 2 rows" in capfd.readouterr().err


def test_a_table_of_another_version_is_refused(call, store, questions, capfd):
    edit(questions / "questions.parquet", lambda rows: rows, version="99")
    assert call("verify", store, questions) == 2
    assert "table 'questions' has version 99; this reads version 1" in capfd.readouterr().err


DAMAGE = {
    "answer_value": [float("nan"), float("inf"), -float("inf"), None],
    "program": [None, "", "().__class__", "9" * 5000, "count('chair')" * 400],
    "ground_truth": [None, "", "nan"],
    "answer_type": [None, "essay", "choice"],
    "unit": [None, "furlong"],
    "options": [["A"] * 40, [None, "B. x"], []],
    "profile": [None, "nope"],
    "scene_name": [None, "", "nowhere"],
}


@pytest.mark.parametrize("column", DAMAGE)
def test_a_damaged_question_is_a_difference_that_names_question_and_column(call, store, questions, capfd, column):
    path = questions / "questions.parquet"
    undamaged = pl.read_parquet(path)
    for value in DAMAGE[column]:
        damaged = pl.lit(value, dtype=undamaged.schema[column]).alias(column)
        edit(path, lambda rows, damaged=damaged: undamaged.with_columns(damaged))
        capfd.readouterr()
        code = call("verify", store, questions, "--json")
        found = json.loads(capfd.readouterr().out)["differences"]
        same = column == "options" or (column == "unit" and value is None)
        assert code == (1 if found else 0)
        assert found or same, value
        for row in found:
            assert row["question_id"] in set(undamaged["question_id"])
            assert row["problem"] in (*DAMAGE, "scene")


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_a_value_counts_by_what_is_written_out(call, store, tmp_path, depth):
    programs = write_programs(tmp_path / "programs.jsonl", *[f"[{bomb(depth)}]"] * 25, bomb(1))
    began = time.monotonic()
    assert call("run-programs", store, programs, "--out", tmp_path / "out.jsonl", "--workers", 1) == 0
    assert time.monotonic() - began < 30
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {row["status"] for row in rows[:25]} == {"over_budget"}
    assert "10000 items" in rows[0]["detail"]
    assert rows[25]["status"] == "ok"
    assert (tmp_path / "out.jsonl").stat().st_size < 100_000


def test_texts_count_by_their_length_and_long_lists_by_their_items(call, store, tmp_path):
    text = f"[['{'x' * 200}' for i in {LIST}] for j in {LIST}]"
    slow = f"[unique([v for i in {LIST}]) for v in [{bomb(1)}] for k in {LIST} for n in {LIST}]"
    programs = write_programs(tmp_path / "programs.jsonl", text, slow)
    assert call("run-programs", store, programs, "--out", tmp_path / "out.jsonl", "--workers", 1) == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["over_budget"] * 2


@pytest.mark.parametrize("column", ["id", "scene_name", "program"])
@pytest.mark.parametrize("out", ["out.parquet", "out.jsonl"])
def test_half_a_character_is_refused_with_its_line(call, store, tmp_path, capfd, column, out):
    row = {"id": "a", "scene_name": "one", "program": "1"}
    lines = [json.dumps(row), json.dumps(row | {column: "\ud800"})]
    (tmp_path / "programs.jsonl").write_text("\n".join(lines))
    assert call("run-programs", store, tmp_path / "programs.jsonl", "--out", tmp_path / out) == 2
    assert f"line 2: {column} '\\ud800' holds half a character" in capfd.readouterr().err
    assert not (tmp_path / out).exists()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_what_is_no_file_is_not_replaced(call, store, tmp_path, force):
    programs = write_programs(tmp_path / "programs.jsonl", "1")
    try:
        os.mknod(tmp_path / "out.jsonl", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        os.mkfifo(tmp_path / "out.jsonl")
    before = (tmp_path / "out.jsonl").lstat()
    assert call("run-programs", store, programs, "--out", tmp_path / "out.jsonl", *force) == 2
    assert call("generate", store, "--out", tmp_path / "out.jsonl", *force) == 2
    assert (tmp_path / "out.jsonl").lstat() == before
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["meta_info.json", "out.jsonl", "programs.jsonl", "store"]


def test_a_run_that_fails_leaves_no_folder(call, store, tmp_path):
    assert call("generate", store, "--split", "val", "--out", tmp_path / "deep/er/q") == 2
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize("seed", ["-5", "99999999999999999999", "nan"])
def test_a_seed_out_of_range_is_refused_at_once(call, store, tmp_path, capfd, seed):
    assert call("generate", store, "--seed", seed, "--out", tmp_path / "q") == 2
    assert "--seed" in capfd.readouterr().err
    assert not (tmp_path / "q").exists()


@pytest.mark.parametrize("size", [1e300, 1e10, -1.0, 0.0])
def test_a_room_of_no_size_on_earth_is_a_reject(call, write_vsi, vsi_entry, tmp_path, size):
    path = write_vsi({"good": vsi_entry, "bad": vsi_entry | {"room_size": size}})
    assert call("ingest", "vsi-bench", path, "--out", tmp_path / "store") == 1
    assert pl.read_parquet(tmp_path / "store/scenes.parquet")["scene_name"].to_list() == ["good"]
    rejects = pl.read_parquet(tmp_path / "store/rejects.parquet").filter(scene_name="bad")
    assert "room_size" in rejects["detail"][0]


def test_answers_keep_their_question_where_a_field_is_null(call, store, questions, tmp_path):
    rows = pl.read_parquet(questions / "questions.parquet").select(
        "question_id", "scene_name", "question_type", "question", "options"
    )
    n = len(rows)
    nulls = [
        rows.with_columns(pl.when(pl.int_range(n) == 0).then(None).otherwise(pl.col(name)).alias(name))
        for name in ("scene_name", "question_type", "question")
    ]
    assert call("answer", store, questions, "--out", tmp_path / "whole.parquet") == 0
    whole = pl.read_parquet(tmp_path / "whole.parquet")
    for k, table in enumerate(nulls):
        table.write_parquet(tmp_path / f"nulls{k}.parquet")
        assert call("answer", store, tmp_path / f"nulls{k}.parquet", "--out", tmp_path / f"a{k}.parquet") == 0
        answers = pl.read_parquet(tmp_path / f"a{k}.parquet")
        assert answers["status"][0] == "not_answerable"
        assert answers["reason"][0] is not None
        assert answers[1:].equals(whole[1:])


@pytest.fixture
def rooms(call, tmp_path):
    """A store with two frames, depth and instance images."""
    path = tmp_path / "rooms"
    assert call("ingest", "rooms", "--scenes", 1, "--frames-per-scene", 2, "--size", 48, "--out", path) == 0
    assert call("sample-frames", path, "--frames", 2) == 0
    return path


def link_frame(store, secret):
    frame = min(store.glob("frames/*/*.png"))
    frame.unlink()
    frame.symlink_to(secret)


def link_folder(store, secret):
    folder = next(store.glob("frames/*"))
    shutil.move(folder, secret.parent / "frames")
    folder.symlink_to(secret.parent / "frames")


def link_instances(store, secret):
    edit(store / "frames.parquet", lambda rows: rows.with_columns(instance_path=pl.lit("instances.png")))
    (store / "instances.png").symlink_to(secret)


def name_absolute(store, secret):
    edit(store / "frames.parquet", lambda rows: rows.with_columns(image_path=pl.lit(str(secret))))


def name_above(store, secret):
    edit(store / "frames.parquet", lambda rows: rows.with_columns(image_path=pl.lit(f"../{secret.name}")))


def link_cloud(store, secret):
    edit(store / "scenes.parquet", lambda rows: rows.with_columns(cloud_path=pl.lit("cloud.parquet")))
    (store / "cloud.parquet").symlink_to(secret)


@pytest.mark.parametrize("lead", [link_frame, link_folder, link_instances, name_absolute, name_above, link_cloud])
def test_view_shows_no_file_from_outside_the_store(call, rooms, tmp_path, capfd, lead):
    secret = tmp_path / "secret.png"
    shutil.copy(min(rooms.glob("frames/*/*.png")), secret)
    lead(rooms, secret)
    assert call("view", rooms, "--out", tmp_path / "pages") == 2
    assert "leads out of the folder" in capfd.readouterr().err
    assert not (tmp_path / "pages").exists()


def test_no_frame_from_outside_the_store_is_observed_or_sent(call, rooms, tmp_path, capfd):
    secret = tmp_path / "secret.png"
    shutil.copy(min(rooms.glob("frames/*/*.png")), secret)
    link_frame(rooms, secret)
    server = ("--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--retries", 0)
    for words in (("observe", rooms), ("propose", rooms, *server, "--out", tmp_path / "q")):
        assert call(*words) in (1, 2)
        assert "leads out of the folder" in capfd.readouterr().err, words
