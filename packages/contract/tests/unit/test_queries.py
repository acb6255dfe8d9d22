"""The ten queries that the documentation prints, over a run whose answers are known."""

import shutil

import pytest
from qa_contract import query
from qa_contract.queries import QUERIES, queries_markdown


def ask(run, name):
    return query(run, QUERIES[name].sql).to_dicts()


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_finds_rows_and_keeps_the_run(run, name):
    found = ask(run, name)
    assert found
    assert {row["run"] for row in found} == {"first"}


@pytest.mark.parametrize("name", QUERIES)
def test_several_runs_give_the_rows_of_each(run, tmp_path, name):
    shutil.copytree(run, tmp_path / "second")
    alone, both = ask(run, name), query([run, tmp_path / "second"], QUERIES[name].sql)
    assert both.filter(run="first").to_dicts() == alone
    assert both.height == 2 * len(alone)


def test_score_by_type(run):
    found = [(row["round"], row["n"], row["score"]) for row in ask(run, "score_by_type")]
    # One, two, three of four questions are right; counting has the first and the third.
    assert found == [(0, 2, 0.5), (1, 2, 0.5), (2, 2, 1.0), (0, 2, 0.0), (1, 2, 0.5), (2, 2, 0.5)]


def test_learned_and_forgotten(run):
    columns = ("round", "learned", "said_before", "says_now")
    found = [tuple(row[name] for name in columns) for row in ask(run, "learned_and_forgotten")]
    assert found == [(1, True, "7", "2"), (2, True, "7", "2")]


def test_confident_mistakes(run):
    (row,) = ask(run, "confident_mistakes")
    assert (row["confidence"], row["ground_truth"], row["completion"]) == (0.8, "2", "7")


def test_label_shares(run):
    shares = [(row["round"], row["n"], row["easy"], row["frontier"], row["hard"]) for row in ask(run, "label_shares")]
    assert shares == [(1, 4, 0.25, 0.5, 0.25), (2, 4, 0.25, 0.5, 0.25)]


def test_frames_by_type(run):
    columns = ("question_type", "answers", "shown", "evidence")
    found = {tuple(row[name] for name in columns) for row in ask(run, "frames_by_type")}
    assert found == {("object_counting", 6, 2.0, 1.0), ("object_rel_distance", 6, 2.0, 1.0)}


def test_worth_of_sight(run):
    last = [(row["question_type"], row["gain"]) for row in ask(run, "worth_of_sight") if row["round"] == 2]
    assert last == [("object_counting", 0.5), ("object_rel_distance", 0.5)]


def test_reliability(run):
    last = [(row["bin"], row["n"], row["score"]) for row in ask(run, "reliability") if row["round"] == 2]
    assert last == [(0.5, 1, 1.0), (0.6, 1, 1.0), (0.7, 1, 1.0), (0.8, 1, 0.0)]


def test_the_page_prints_every_query():
    page = queries_markdown()
    assert len(QUERIES) == 10
    assert page.count("```sql\n") == 10
    assert all(query.sql in page and query.about.endswith(".") for query in QUERIES.values())
