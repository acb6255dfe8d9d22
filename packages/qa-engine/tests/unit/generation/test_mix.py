"""Shares of several proposers: filled up, told apart, never the same question twice; and the command."""

import json

import polars as pl
import pytest
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import CHOICES, QUESTIONS, REJECTS
from qa_engine.generation.mix import mix


def table(by, *programs, scene="s"):
    rows = [
        {"question_id": f"{by}{i}", "scene_name": scene, "program": program, "proposer": by, "signature": f"{by}{i}"}
        for i, program in enumerate(programs)
    ]
    return with_every_column(pl.DataFrame(rows, schema_overrides={"program": pl.String}), QUESTIONS)


def counts(n):
    return [f"count('{i}')" for i in range(n)]


def test_shares_are_taken_and_what_is_lacking_is_filled_by_who_has_the_most_to_spare():
    few, some, many = (
        table("few", "count('a')"),
        table("some", *counts(5)),
        table("many", *(f"-{x}" for x in counts(9))),
    )
    mixed = mix([("few", few), ("some", some), ("many", many)], [4, 4, 2])
    assert [share.taken for share in mixed.shares] == [1, 4, 5]
    assert len(mixed.questions) == 10
    assert mixed.questions["question_id"].n_unique() == 10
    again = mix([("few", few), ("some", some), ("many", many)], [4, 4, 2])
    assert again.questions.equals(mixed.questions)
    assert not mix([("few", few), ("some", some), ("many", many)], [4, 4, 2], seed=1).questions.equals(mixed.questions)


def test_programs_of_one_meaning_are_one_question_and_the_scarcer_proposer_keeps_it():
    by_model = table("llm", "distance_m(7,  3)", "count('x')", "not a program", "count('old')")
    by_template = table("template", "distance_m(3, 7)", "count('y')", "count('z')", "count('y')")
    earlier = pl.DataFrame({"scene_name": ["s", "t"], "program": ["count('old')", "count('z')"]})
    mixed = mix([("template", by_template), ("llm", by_model)], [2, 4], earlier=earlier)
    assert sorted(mixed.questions["question_id"]) == ["llm0", "llm1", "llm2", "template1", "template2"]
    refused = {item: reason for item, _, reason, _ in mixed.rejects.iter_rows()}
    assert refused == {"llm3": "asked_before", "template0": "duplicate", "template3": "duplicate"}
    assert [(share.offered, share.refused) for share in mixed.shares] == [(4, 2), (4, 1)]


def test_command_keeps_the_reasons_and_says_what_is_missing(call, tmp_path, capfd):
    for name, rows in (("a", table("a", *counts(3))), ("b", table("b", "room_area_m2()"))):
        write_table(rows, tmp_path / name / "questions.parquet", QUESTIONS, table_metadata("questions", "test", {}, 0))
    why = with_every_column(pl.DataFrame({"question_id": ["a1"], "sampler": ["x"], "why": ["because"]}), CHOICES)
    write_table(why, tmp_path / "a" / "choices.parquet", CHOICES, table_metadata("choices", "test", {}, 0))
    words = ("mix", tmp_path / "a", tmp_path / "b", "--take", 2, "--take", 2)
    assert call(*words, "--out", tmp_path / "out") == 0
    assert len(read_table(tmp_path / "out", "questions", QUESTIONS)) == 4
    assert read_table(tmp_path / "out", "choices", CHOICES)["why"].drop_nulls().to_list() == ["because"]
    assert len(read_table(tmp_path / "out", "rejects", REJECTS)) == 0
    sources = json.loads((tmp_path / "out" / "manifest.json").read_text())["sources"]
    assert [source["taken"] for source in sources] == [3, 1]
    assert call(*words[:-1], 9, "--exclude", tmp_path / "b", "--out", tmp_path / "few") == 1
    assert "8 of 11 questions are missing" in capfd.readouterr().err
    assert read_table(tmp_path / "few", "rejects", REJECTS)["reason"].to_list() == ["asked_before"]


@pytest.mark.parametrize(
    ("words", "message"),
    [(("a", "b", "--take", 1), "2 tables and 1 times --take"), (("a", "x/a", "--take", 1, "--take", 1), "same name")],
)
def test_mistakes_are_named(call, tmp_path, capfd, words, message):
    assert call("mix", *words, "--out", tmp_path / "out") == 2
    assert message in capfd.readouterr().err
