"""Scores by what is asked for, from the table that the engine leaves beside its questions."""

import json
import sys

import polars as pl
import pytest
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import QUESTION_TYPES
from qa_eval.cli import main
from qa_eval.scoring.tags import read_tags

ROWS = [
    ("depth", "relation", ["depth", "comparison"], "one"),
    ("side", "relation", ["position"], "one"),
    ("size", "measurement", ["size"], "many"),
]
ASKED = [("depth", "A", "A"), ("depth", "A", "B"), ("side", "B", "B"), ("size", "10", "9")]


@pytest.fixture
def questions(tmp_path):
    names = ("question_type", "level", "abilities", "frames_needed")
    frame = pl.DataFrame(
        [dict(zip(names, row, strict=True)) | {"family": "f"} for row in ROWS], schema=dict(QUESTION_TYPES)
    )
    path = tmp_path / "question_types.parquet"
    write_table(frame, path, QUESTION_TYPES, table_metadata("question_types", "test", {}, 0))
    rows = [{"id": i, "question_type": t, "ground_truth": truth} for i, (t, truth, _) in enumerate(ASKED)]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = [{"id": i, "prediction": said} for i, (*_, said) in enumerate(ASKED)]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    return tmp_path / "questions.jsonl"


@pytest.fixture
def call(monkeypatch):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["qa-eval", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0)

    return run


def test_score_says_means_of_types_by_tag(questions, call, capfd):
    words = ("score", questions.with_name("said.jsonl"), "--questions", questions, "--benchmark", "questions")
    assert call(*words, "--json") == 0
    tags = json.loads(capfd.readouterr().out)["tags"]
    assert tags["level:relation"] == {"mean": 75, "n": 3, "types": 2}  # of 50 and 100, whatever their rows
    assert tags["level:measurement"] == tags["frames:many"] == tags["ability:size"] == {"mean": 90, "n": 1, "types": 1}
    assert (tags["ability:depth"]["mean"], tags["frames:one"]["mean"]) == (50, 75)
    assert call(*words) == 0
    assert "  level:relation                 3    75.00   question types: 2" in capfd.readouterr().out


def test_questions_of_others_have_no_tags(questions, call, capfd):
    questions.with_name("question_types.parquet").unlink()
    assert read_tags(questions) == read_tags(None) == {}
    words = ("score", questions.with_name("said.jsonl"), "--questions", questions, "--benchmark", "questions")
    assert call(*words, "--json") == 0
    assert "tags" not in json.loads(capfd.readouterr().out)
