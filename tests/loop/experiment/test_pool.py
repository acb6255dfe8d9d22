"""Pools: what useless and wrong questions are made of, and that their flags say so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import OBJECTS, POOL_FLAGS, QUESTIONS

from qa_loop.experiment.noise import shake, wrong_answers
from qa_loop.experiment.pool import PoolSize, write_pool, write_warmup
from qa_loop.experiment.waste import REPEATS, WASTE, trivial

KINDS = {"duplicate": 1.0, "trivial": 1.0, "blind": 1.0}


def questions(n: int) -> pl.DataFrame:
    """Choices and numbers by turns; object i is in question i."""
    rows = []
    for i in range(n):
        choice = i % 2 == 0
        rows.append(
            {
                "question_id": f"q{i:04d}",
                "dataset": "rooms",
                "scene_name": f"s{i % 7}",
                "question_type": "side" if choice else "size",
                "question": f"Question {i}?",
                "options": ["A. left", "B. right", "C. back"] if choice else None,
                "ground_truth": "ABC"[i % 3] if choice else str(100 + i % 5),
                "answer_type": "choice" if choice else "integer",
                "answer_value": None if choice else 100.0 + i % 5,
                "operands": [{"role": "query", "category": "chair", "instance_ids": [i]}],
                "cell": "x",
                "signature": f"s{i % 7}|{i}",
                "prompt_id": "vsi-bench",
            }
        )
    return with_every_column(pl.DataFrame(rows, infer_schema_length=None), QUESTIONS)


def store(rows: pl.DataFrame, folder: Path) -> Path:
    write_table(rows, folder / "questions.parquet", QUESTIONS, table_metadata("questions", "test", {}, 0))
    return folder


@pytest.fixture
def made(tmp_path) -> Path:
    rows = questions(200)
    (tmp_path / "store").mkdir()
    write_pool(
        store(rows, tmp_path / "drawn"),
        store(rows, tmp_path / "truth"),
        tmp_path / "store",
        tmp_path / "pool",
        PoolSize(60, 20, 0.6, KINDS),
        seed=3,
    )
    return tmp_path / "pool"


def test_a_pool_holds_what_its_size_says_with_flags(made):
    whole = read_table(made / "all", "questions", QUESTIONS)
    flags = read_table(made / "pool_flags.parquet", "pool_flags", POOL_FLAGS)
    assert json.loads((made / "pool.json").read_text())["kinds"] == {
        "blind": 30,
        "duplicate": 30,
        "trivial": 30,
        "useful": 60,
    }
    assert whole["question_id"].to_list() == flags["question_id"].to_list()
    assert whole["question_id"].is_unique().all()
    oracle, panel = (read_table(made / name, "questions", QUESTIONS) for name in ("oracle", "panel"))
    assert len(oracle) == 60
    assert len(panel) == 20
    assert not set(panel["signature"]) & set(oracle["signature"])
    kinds = whole.join(flags, on="question_id")
    repeated = kinds.filter(kind="duplicate").group_by("question").len()
    assert repeated["len"].max() == REPEATS
    assert set(repeated["question"]) <= set(oracle["question"])
    leaked = kinds.filter(kind="blind", answer_type="choice")
    assert set(leaked["ground_truth"]) == {"A"}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(made, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    for out, seed in ((again, 3), (other, 4)):
        size = PoolSize(60, 20, 0.6, KINDS)
        write_pool(tmp_path / "drawn", tmp_path / "truth", tmp_path / "store", out, size, seed=seed)
    same = [
        (made / name).read_bytes() == (again / name).read_bytes() for name in ("all/questions.parquet", "pool.json")
    ]
    assert same == [True, True]
    assert (made / "all/questions.parquet").read_bytes() != (other / "all/questions.parquet").read_bytes()


@pytest.mark.parametrize("kind", WASTE)
def test_every_kind_leaves_answers_that_can_be_scored(kind):
    found = WASTE[kind](questions(80), 24, np.random.default_rng(0))
    assert 0 < len(found) <= 24
    for row in found.iter_rows(named=True):
        if row["answer_type"] == "choice":
            assert [text[:2] for text in row["options"]] == ["A.", "B.", "C."]
            assert "ABC".index(row["ground_truth"]) < 3
        else:
            assert float(row["ground_truth"]) == pytest.approx(row["answer_value"], rel=0.1)


def test_of_a_trivial_choice_one_option_says_something():
    found = trivial(questions(40), 40, np.random.default_rng(1)).filter(answer_type="choice")
    for options, truth in found.select("options", "ground_truth").iter_rows():
        assert [text[:1] for text in options if not text.endswith("nothing")] == [truth]


def test_a_share_of_the_warmup_is_trivial(tmp_path):
    write_warmup(store(questions(40), tmp_path / "drawn"), tmp_path / "out", 0.25, seed=1)
    found = read_table(tmp_path / "out", "questions", QUESTIONS)
    assert len(found) == 40
    assert found["signature"].str.contains("trivial").sum() == 10


def test_a_share_of_the_boxes_is_wrong_and_named(tmp_path):
    n = 200
    rows = [
        {"scene_name": f"s{i % 4}", "instance_id": i, "category": "chair", "center": [1.0, 2, 0], "size": [1.0, 1, 1]}
        for i in range(n)
    ]
    objects = with_every_column(pl.DataFrame(rows), OBJECTS)
    write_table(objects, tmp_path / "store/objects.parquet", OBJECTS, table_metadata("objects", "test", {}, 0))
    shake(tmp_path / "store", tmp_path / "out", 0.15, seed=0)
    wrong = read_table(tmp_path / "out/wrong.parquet", "objects", OBJECTS)
    after = read_table(tmp_path / "out", "objects", OBJECTS)
    moved = (after["center"] != objects["center"]) & (after["size"] != objects["size"])
    assert moved.sum() == len(wrong) == 30
    assert set(after.filter(moved)["instance_id"]) == set(wrong["instance_id"])


def test_an_answer_is_wrong_if_its_box_is_and_the_truth_says_otherwise():
    truth = questions(6)
    value = pl.when(pl.col("question_id") == "q0003").then(300.0).otherwise("answer_value")
    letter = pl.when(pl.col("question_id").is_in(["q0002", "q0004"])).then(pl.lit("A")).otherwise("ground_truth")
    asked = truth.with_columns(answer_value=value, ground_truth=letter)
    wrong = pl.DataFrame({"scene_name": ["s1", "s2", "s3", "s5"], "instance_id": [1, 2, 3, 5]})
    # q1 and q5 are about wrong boxes and still right; q2 and q3 are not; q4 differs, but not by a wrong box.
    assert wrong_answers(asked, truth, wrong).to_list() == [False, False, True, True, False, False]
    assert wrong_answers(asked, truth.clear(), wrong).to_list() == [False, True, True, True, False, True]
