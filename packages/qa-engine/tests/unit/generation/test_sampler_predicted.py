"""The model of earlier answers prefers what it expects at the frontier, says so, and is absent with too few rows."""

import json

import numpy as np
import polars as pl
import pytest
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import CHOICES, CONFIDENCE, QUESTIONS
from qa_engine.generation.samplers.items import (
    EXPLORED,
    MIN_ROWS,
    KnobModel,
    choose_expected,
    fit_knobs,
    pool_size,
    read_answered,
)

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def store(tmp_path_factory, call):
    folder = tmp_path_factory.mktemp("knobs") / "store"
    rooms = ("--scenes", 100, "--frames-per-scene", 0, "--size", 32, "--seed", 3, "--split", "train=1,val=0,test=0")
    assert call("ingest", "rooms", "--out", folder, *rooms) == 0
    return folder


def confidence_of(table):
    """A learner that is unsure of directions with a piano, sure of the others, and lost elsewhere."""
    named = pl.col("operands").list.eval(pl.element().struct.field("category"))
    unsure = named.list.contains("piano")
    turn = pl.col("question_type") == "object_rel_direction_medium"
    gold = pl.when(turn & unsure).then(0.5).when(turn).then(0.95).otherwise(0.02)
    label = pl.when(gold > 0.9).then(pl.lit("easy")).when(gold < 0.1).then(pl.lit("hard")).otherwise(pl.lit("frontier"))
    return table.select("question_id", "round", label=label, gold_confidence=gold)


def write_confidence(questions, path):
    table = confidence_of(read_table(questions, "questions", QUESTIONS))
    metadata = table_metadata("confidence", "test", {}, 0)
    return write_table(with_every_column(table, CONFIDENCE), path / "confidence.parquet", CONFIDENCE, metadata)


@pytest.fixture(scope="module")
def first(store, call, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    words = ("--tasks", "object_rel_direction_medium,room_size_estimation", "--count", 200, "--round", 1)
    assert call("generate", store, "--out", folder / "q", *words) == 0
    write_confidence(folder / "q", folder / "c")
    return folder


def generate(call, store, first, out, *words):
    more = ("--tasks", "object_rel_direction_medium", "--count", 100, "--round", 2, "--exclude", first / "q")
    return call("generate", store, "--out", out, *more, *words)


def share(questions):
    return (confidence_of(read_table(questions, "questions", QUESTIONS))["label"] == "frontier").mean()


def test_frontier_candidates_are_preferred_and_the_reason_says_so(call, store, first, tmp_path, capfd):
    assert generate(call, store, first, tmp_path / "plain") == 0
    words = ("--sampler", "predicted", "--confidence", first / "c")
    assert generate(call, store, first, tmp_path / "chosen", *words) == 0
    assert "Sampler 'predicted'" not in capfd.readouterr().err
    assert share(tmp_path / "chosen") > share(tmp_path / "plain") + 0.15
    table = read_table(tmp_path / "chosen", "choices", CHOICES)
    assert (
        table["question_id"].to_list()
        == read_table(tmp_path / "chosen", "questions", QUESTIONS)["question_id"].to_list()
    )
    expected = table.filter(pl.col("why").str.contains("most likely at the frontier among"))
    random = table.filter(pl.col("why").str.contains("drawn to explore"))
    assert len(expected) + len(random) == 100
    assert 5 <= len(random) <= 40
    assert expected["predicted_frontier"].mean() > random["predicted_frontier"].mean()
    row = expected.row(0, named=True)
    assert f"predicted confidence {round(row['predicted_confidence'], 2)}" in row["why"]
    about = json.loads((tmp_path / "chosen" / "sampler.json").read_text())["state"]["knob_model"]
    assert about["n_rows"] == 200
    assert about["skill"] > 0.9
    assert "category piano" in about["weightiest_knobs"]

    for workers in (1, 2):
        assert generate(call, store, first, tmp_path / f"again{workers}", *words, "--workers", workers) == 0
        for name in ("questions.parquet", "choices.parquet"):
            assert (tmp_path / f"again{workers}" / name).read_bytes() == (tmp_path / "chosen" / name).read_bytes()


def test_every_scene_keeps_its_share_where_it_is_given_one(call, store, first, tmp_path):
    words = ("--tasks", "object_rel_direction_medium", "--per-scene", 2, "--exclude", first / "q", "--round", 2)
    more = ("--sampler", "predicted", "--confidence", first / "c")
    assert call("generate", store, "--out", tmp_path / "q", *words, *more) == 0
    assert call("generate", store, "--out", tmp_path / "plain", *words) == 0
    counted = [
        read_table(tmp_path / name, "questions", QUESTIONS)["scene_name"].value_counts().sort("scene_name")
        for name in ("q", "plain")
    ]
    assert counted[0].equals(counted[1])
    assert share(tmp_path / "q") > share(tmp_path / "plain")


def test_too_few_rows_are_said_and_change_nothing(call, store, first, tmp_path, capfd):
    few = read_table(first / "c", "confidence", CONFIDENCE).head(MIN_ROWS - 1)
    write_table(few, tmp_path / "few.parquet", CONFIDENCE, table_metadata("confidence", "test", {}, 0))
    assert (
        generate(call, store, first, tmp_path / "a", "--sampler", "predicted", "--confidence", tmp_path / "few.parquet")
        == 0
    )
    assert f"{MIN_ROWS - 1} earlier questions with a confidence, fewer than {MIN_ROWS}" in capfd.readouterr().err
    assert generate(call, store, first, tmp_path / "b", "--sampler", "predicted") == 0
    assert "no earlier questions with a confidence" in capfd.readouterr().err
    assert generate(call, store, first, tmp_path / "c", "--sampler", "learning") == 0
    found = [read_table(tmp_path / name, "questions", QUESTIONS) for name in "abc"]
    assert found[0].equals(found[2])
    assert found[1].equals(found[2])
    choices = read_table(tmp_path / "a", "choices", CHOICES)
    assert choices["predicted_confidence"].null_count() == len(choices)
    assert choices["why"].null_count() == 0


def test_a_model_needs_questions_of_both_kinds(first):
    answered = read_answered([first / "q"], [first / "c"])
    assert answered is not None
    assert len(answered) == 200
    alike = answered.with_columns(label=pl.lit("hard"))
    assert fit_knobs(alike, seed=0) == "all 200 earlier questions are not at the frontier"


def test_the_newer_of_two_answers_counts(first, tmp_path):
    later = read_table(first / "c", "confidence", CONFIDENCE).with_columns(
        round=pl.lit(5, pl.Int32), gold_confidence=pl.lit(0.99), label=pl.lit("easy")
    )
    write_table(later, tmp_path / "later.parquet", CONFIDENCE, table_metadata("confidence", "test", {}, 0))
    answered = read_answered([first / "q"], [tmp_path / "later.parquet", first / "c"])
    assert answered is not None
    assert set(answered["label"]) == {"easy"}


def test_no_cell_gets_more_or_less_than_its_quota(first):
    answered = read_answered([first / "q"], [first / "c"])
    model = fit_knobs(answered, seed=0)
    assert isinstance(model, KnobModel)
    table = read_table(first / "q", "questions", QUESTIONS)
    cells = sorted(set(table.select("question_type", "cell").iter_rows()))
    names = sorted(set(table["scene_name"]))
    sizes = {(kind, cell): n for kind, cell, n in table.group_by("question_type", "cell").len().iter_rows()}
    quota = np.array([[min(5, sizes[cell]) for cell in cells]])
    chosen = choose_expected(table, model, [names], cells, quota, seed=1)
    found = {(kind, cell): n for kind, cell, n in chosen.group_by("question_type", "cell").len().iter_rows()}
    assert [found[cell] for cell in cells] == quota[0].tolist()
    assert 0 < EXPLORED < 1
    assert (pool_size(quota, by_scene=False) >= quota).all()
