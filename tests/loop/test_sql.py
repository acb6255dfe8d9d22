"""SQL over a run: the ten queries of docs/tables.md, the forms, the messages."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from qa_contract.queries import QUERIES
from typer.testing import CliRunner

from qa_loop.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tables.md").read_text()
PRINTED = dict(re.findall(r"^### (\w+)\n.*?^```sql\n(.*?)^```", PAGE, re.M | re.S))


def ask(*words: object) -> str:
    result = CliRunner().invoke(app, ["sql", *map(str, words)])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def refused(*words: object) -> str:
    result = CliRunner().invoke(app, ["sql", *map(str, words)])
    assert result.exit_code == 2
    return result.stderr


@pytest.fixture(scope="module")
def run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which the first round learned one answer for good."""
    return Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("sql") / "first"))


def test_page_prints_the_queries_that_the_command_knows():
    assert list(PRINTED) == list(QUERIES)
    assert len(PRINTED) == 10


@pytest.mark.parametrize("name", PRINTED)
def test_query_of_the_page_answers_about_the_run(run, name):
    rows = json.loads(ask(run, PRINTED[name], "--format", "json"))
    if name not in ("learned_and_forgotten", "confident_mistakes"):  # no answer of this run is scored 0
        assert {row["run"] for row in rows} == {"first"}
    assert rows == json.loads(ask(run, "--query", name, "--format", "json"))


def test_forms_hold_the_same_rows(run):
    sql = "SELECT question_id, options, round FROM questions ORDER BY round, question_id LIMIT 3"
    rows = json.loads(ask(run, sql, "--format", "json"))
    told = list(csv.DictReader(io.StringIO(ask(run, sql, "--format", "csv"))))
    assert [row["question_id"] for row in told] == [row["question_id"] for row in rows]
    assert json.loads(told[1]["options"]) == rows[1]["options"] == ["A. left", "B. right"]
    lines = ask(run, sql).splitlines()
    assert lines[0].split() == ["question_id", "options", "round"]
    assert [line.split()[0] for line in lines[1:-1]] == [row["question_id"] for row in rows]
    assert lines[-1] == "3 rows"


def test_list_shows_tables_with_their_rows_and_every_query(run):
    told = ask(run, "--list")
    assert re.search(r"^questions +3 +27 +question$", told, re.M)
    assert all(name in told for name in QUERIES)
    value = json.loads(ask(run, "--list", "--format", "json"))
    assert {row["table"]: row["rows"] for row in value["tables"]}["scenes"] == 3
    assert len(value["queries"]) == 10


def test_several_runs_by_a_glob(run):
    second = run.parent / "second"
    shutil.copytree(run, second)
    sql = "SELECT run, count(*) AS n FROM questions GROUP BY ALL ORDER BY run"
    rows = json.loads(ask(run.parent / "*", sql, "--format", "json"))
    assert rows == [{"run": "first", "n": 27}, {"run": "second", "n": 27}]
    shutil.rmtree(second)


def test_text_of_a_table_does_not_steer_the_terminal(run):
    assert "\x1b" not in ask(run, "SELECT chr(27) || '[2J' AS text")
    assert ask(run, "SELECT repeat('x', 100) AS text").splitlines()[1] == "x" * 59 + "…"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["SELECT * FROM question"], "Did you mean 'questions'?"),
        (["SELECT questio FROM questions"], "question"),
        (["DROP TABLE questions"], "one statement that reads"),
        (["SELEC 1"], "cannot be read"),
        (["--query", "scores"], "Did you mean 'score_by_type'?"),
        ([], "Give one of"),
        (["SELECT 1", "--list"], "Give one of"),
        (["SELECT 1", "--format", "xml"], "table, csv, json"),
    ],
)
def test_mistakes_are_told_in_a_line(run, words, message):
    told = refused(run, *words)
    assert message in told
    assert "Traceback" not in told


def test_folder_without_tables_and_missing_folder_are_named(tmp_path):
    assert "no table here" in refused(tmp_path, "SELECT 1")
    assert "no such file or folder" in refused(tmp_path / "absent", "SELECT 1")
