from __future__ import annotations

import shutil

import polars as pl
import pytest
from qa_contract.errors import TableError
from qa_contract.tables import REJECTS
from qa_trainer.data.questions import load_samples
from qa_trainer.errors import REASONS, QATrainerError


def test_rows_keep_the_order_of_the_file_and_the_frames_that_of_their_set(questions, store):
    samples = load_samples(questions, store)
    assert samples.rows["question_id"].to_list() == [f"q{i:03d}" for i in range(160)]
    assert samples.rows["images"][4].to_list() == ["images/room_1/1.png", "images/room_1/0.png"]
    assert samples.rows.select("frame_ids", "frame_width", "frame_height").row(5) == (["f1", "f0"], 64, 32)
    assert samples.rejects.is_empty()


def test_an_example_is_a_conversation_with_one_placeholder_per_frame(questions, store):
    batch = load_samples(questions, store).examples([1, 161])
    (message,) = batch["prompt"][0]
    assert [part["type"] for part in message["content"]] == ["image", "image", "text"]
    text = message["content"][2]["text"]
    assert text.startswith("These are frames of a video.\nWhich is closest to the tv?\nOptions:\nA. sofa\n")
    assert batch["completion"][0] == [{"role": "assistant", "content": [{"type": "text", "text": "A"}]}]
    assert batch["images"][0] == [f"{store}/images/room_1/{i}.png" for i in (1, 0)]
    # Row numbers wrap around.
    assert batch["prompt"][1] == batch["prompt"][0]


def test_without_frame_sets_the_store_needs_no_frames(make, tmp_path):
    path = make.write([make.question(0, frame_set_id=None)], tmp_path, "questions")
    samples = load_samples(path, tmp_path / "no store")
    assert samples.rows["images"].to_list() == [[]]
    assert [part["type"] for part in samples.examples([0])["prompt"][0][0]["content"]] == ["text"]


def test_every_bad_row_is_refused_with_its_reason_and_the_rest_goes_on(make, store, tmp_path):
    bad_store = tmp_path / "store"
    shutil.copytree(store, bad_store)
    (bad_store / "images/room_1/0.png").unlink()
    (bad_store / "images/room_2/1.png").write_bytes((store / "images/room_2/1.png").read_bytes()[:60])
    frames = pl.read_parquet(store / "frames.parquet").to_dicts()
    sets = pl.read_parquet(store / "frame_sets.parquet").to_dicts()
    outside = tmp_path / "outside.png"
    shutil.copy(store / "images/room_0/0.png", outside)
    (bad_store / "images/link.png").symlink_to(outside)
    frames.append({"scene_name": "room_3", "frame_id": "f0", "image_path": "images/link.png"})
    sets.append({"scene_name": "room_3", "frame_set_id": "uniform-2", "frame_ids": ["f0"]})
    sets.append({"scene_name": "room_4", "frame_set_id": "uniform-2", "frame_ids": ["f9"]})
    sets.append({"scene_name": "room_5", "frame_set_id": "uniform-2", "frame_ids": []})
    make.write(frames, bad_store, "frames")
    make.write(sets, bad_store, "frame_sets")
    rows = [
        make.question(0),
        make.question(1),  # room_1 has lost a file
        make.question(2),  # room_2 has a truncated file
        make.question(3, ground_truth=None),
        make.question(6, ground_truth="  "),
        make.question(0),
        make.question(9, prompt_id="vsi-bunch"),
        make.question(12, prompt_id=None),
        make.question(15, options=["A. <|image_pad|>", "B. bed"]),
        make.question(18, frame_set_id="uniform-9"),
        make.question(21, scene_name="room_3"),
        make.question(24, scene_name="room_4"),
        make.question(27, scene_name="room_5"),
        make.question(30, question=None),
        make.question(33, question_id=None),
        make.question(36),
    ]
    samples = load_samples(make.write(rows, tmp_path, "questions"), bad_store)
    assert samples.rows["question_id"].to_list() == ["q000", "q036"]
    assert samples.rejects.schema == REJECTS
    assert samples.rejects.select("item", "reason").rows() == [
        ("q001", "missing_frame"),
        ("q002", "unreadable_frame"),
        ("q003", "no_ground_truth"),
        ("q006", "no_ground_truth"),
        ("q000", "duplicate_question"),
        ("q009", "unknown_prompt"),
        ("q012", "unknown_prompt"),
        ("q015", "special_token"),
        ("q018", "missing_frame_set"),
        ("q021", "frame_outside_store"),
        ("q024", "missing_frame"),
        ("q027", "missing_frame"),
        ("q030", "no_question"),
        (None, "no_question"),
    ]
    assert set(samples.rejects["reason"]) <= set(REASONS)
    details = dict(samples.rejects.select("item", "detail").rows())
    assert details["q001"] == "no file images/room_1/0.png"
    assert details["q018"] == "frame set 'uniform-9'"
    assert details["q024"] == "frame 'f9' is not in the table 'frames'"


def test_no_usable_question_is_an_error_that_counts_the_reasons(make, store, tmp_path):
    rows = [make.question(0, ground_truth=None), make.question(1, ground_truth=None)]
    with pytest.raises(QATrainerError, match=r"no question to train on \(no_ground_truth 2\)"):
        load_samples(make.write(rows, tmp_path, "questions"), store)


def test_a_missing_column_and_a_missing_table_are_named(questions, store, tmp_path):
    path = tmp_path / "questions.parquet"
    pl.read_parquet(questions).drop("ground_truth").write_parquet(path)
    with pytest.raises(TableError, match=r"lacks column.*ground_truth"):
        load_samples(path, store)
    with pytest.raises(TableError, match=r"expected frame_sets\.parquet"):
        load_samples(questions, tmp_path)


def test_a_frame_that_is_there_twice_is_an_error(make, questions, store, tmp_path):
    frames = pl.read_parquet(store / "frames.parquet").to_dicts()
    make.write([*frames, frames[0]], tmp_path, "frames")
    shutil.copy(store / "frame_sets.parquet", tmp_path)
    with pytest.raises(TableError, match="scene_name 'room_0', frame_id 'f0' stands in 2 rows"):
        load_samples(questions, tmp_path)
