"""Choosing from a table: as it is, by a mix, by a sampler; what is left out, what runs out."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import FEEDBACK, QUESTIONS
from qa_engine.generation.choosing import as_it_is, by_mix, by_weight, cells_of

METADATA = table_metadata("questions", "test", {}, 0)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """900 questions of type a (cells x and y), 100 of type b (cell z)."""
    kinds, cells = ["a"] * 900 + ["b"] * 100, ["x"] * 600 + ["y"] * 300 + ["z"] * 100
    ids = [f"q{i}" for i in range(1000)]
    named = {"question_id": ids, "question_type": kinds, "cell": cells, "scene_name": ["s"] * 1000, "signature": ids}
    return with_every_column(pl.DataFrame(named), QUESTIONS)


@pytest.fixture
def table(rows, tmp_path):
    write_table(rows, tmp_path / "q/questions.parquet", QUESTIONS, METADATA)
    return tmp_path / "q"


def test_a_smaller_draw_is_part_of_a_larger_one(rows):
    few, more = (set(as_it_is(rows, n, seed=3)["question_id"]) for n in (100, 200))
    assert few < more
    assert len(more) == 200
    assert 0.05 < as_it_is(rows, 400, seed=3)["question_type"].eq("b").mean() < 0.15
    assert set(as_it_is(rows, 100, seed=4)["question_id"]) != few


def test_weights_are_met_and_what_a_cell_lacks_goes_to_its_type(rows):
    cells = cells_of(rows)
    chosen = by_weight(rows, cells, np.array([0.25, 0.25, 0.5]), 200, seed=0)
    assert dict(chosen["cell"].value_counts().iter_rows()) == {"x": 50, "y": 50, "z": 100}
    more = by_weight(rows, cells, np.array([0.1, 0.8, 0.1]), 500, seed=0)
    assert dict(more["cell"].value_counts().iter_rows()) == {"x": 150, "y": 300, "z": 50}
    assert chosen["cell"].to_list() != sorted(chosen["cell"])  # mixed, so that a part of a training has all of them


def test_a_mix_leaves_other_types_out(rows):
    assert set(by_mix(rows, {"b": 1.0}, 20, seed=0)["question_type"]) == {"b"}
    both = by_mix(rows, {"a": 3.0, "b": 1.0, "c": 5.0}, 200, seed=0)
    assert both["question_type"].eq("b").sum() == 50


def test_a_type_of_the_mix_that_the_table_lacks_is_told(table, tmp_path, call, capsys):
    assert call("choose", table, "--count", 20, "--out", tmp_path / "o", "--mix", "b=1,bb=1") == 0
    assert "no question is of type bb" in capsys.readouterr().err
    assert call("choose", table, "--count", 20, "--out", tmp_path / "p", "--mix", "bb=1") == 2
    assert "Types there: a, b." in capsys.readouterr().err


def test_a_sampler_chooses_by_feedback_and_nothing_twice(table, tmp_path, call):
    told = [
        {"round": 1, "scene_name": "s", "question_type": "a", "cell": cell, "n": 200, "n_clean": 200,
         "mean_headroom": gain, "mean_corrected": 0.5, "mean_blind": 0.1}
        for cell, gain in (("x", 0.0), ("y", 0.4))
    ]  # fmt: skip
    feedback = with_every_column(pl.DataFrame(told), FEEDBACK)
    write_table(feedback, tmp_path / "f/feedback.parquet", FEEDBACK, table_metadata("feedback", "test", {}, 0))
    words = ("--sampler", "headroom", "--explore", 0, "--feedback", tmp_path / "f")
    assert call("choose", table, "--count", 100, "--out", tmp_path / "one", *words) == 0
    one = read_table(tmp_path / "one", "questions", QUESTIONS)
    counts = dict(one["cell"].value_counts().iter_rows())
    assert counts["z"] == 50
    assert counts["y"] > 5 * counts["x"]
    told = json.loads((tmp_path / "one/sampler.json").read_text())
    assert {cell["cell"] for cell in told["cells"]} == {"x", "y", "z"}
    assert call("choose", table, "--count", 100, "--out", tmp_path / "two", *words, "--exclude", tmp_path / "one") == 0
    two = read_table(tmp_path / "two", "questions", QUESTIONS)
    assert not set(one["question_id"]) & set(two["question_id"])
    assert call("choose", table, "--count", 2000, "--out", tmp_path / "all") == 1  # there are 1,000


def test_two_ways_at_once_are_refused(table, tmp_path, call, capsys):
    assert call("choose", table, "--count", 9, "--out", tmp_path / "o", "--mix", "a=1", "--sampler", "paper") == 2
    assert "give one of them" in capsys.readouterr().err
    assert call("choose", table, "--count", 9, "--out", tmp_path / "o", "--feedback", table) == 2
    assert call("choose", table, "--count", 9, "--out", tmp_path / "o", "--mix", "a") == 2
    assert "TYPE=SHARE" in capsys.readouterr().err
