"""Logs for inspect_ai, read by its own reader where it is installed."""

import json

import pytest
from qa_eval.bridges.inspect_log import SCORER, write_inspect_log
from qa_eval.cli import app
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.run import run
from typer.testing import CliRunner


@pytest.fixture
def log(questions, tmp_path):
    """A log of the majority baseline on eleven questions."""
    run(questions, None, tmp_path / "run", RunOptions("majority"))
    assert write_inspect_log(tmp_path / "run", tmp_path / "log.json") == 11
    return tmp_path / "log.json"


def test_a_log_holds_questions_answers_scores_and_means(log):
    found = json.loads(log.read_text())
    sample = found["samples"][0]
    assert sample["input"].startswith("These are frames of a video.")
    assert sample["scores"][SCORER]["value"] == 1.0
    assert sample["output"]["completion"] == sample["scores"][SCORER]["answer"] == sample["target"] == "2"
    metrics = found["results"]["scores"][0]["metrics"]
    values = [one["scores"][SCORER]["value"] for one in found["samples"]]
    assert metrics["micro"]["value"] == pytest.approx(sum(values) / 11)
    assert set(metrics) >= {"overall", "micro", "object_counting"}


def test_the_reader_of_inspect_ai_opens_it(log):
    read_eval_log = pytest.importorskip("inspect_ai.log").read_eval_log
    found = read_eval_log(str(log))
    assert found.status == "success"
    assert len(found.samples) == 11
    assert found.samples[0].scores[SCORER].value == 1.0
    assert found.results.scores[0].metrics["micro"].value > 0


def test_the_command_wants_a_name_that_inspect_finds(log, tmp_path):
    runner = CliRunner()
    done = runner.invoke(app, ["export-inspect", str(tmp_path / "run"), "--out", str(tmp_path / "again.json")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "again.json").read_bytes() == log.read_bytes()
    refused = runner.invoke(app, ["export-inspect", str(tmp_path / "run"), "--out", str(tmp_path / "again.eval")])
    assert refused.exit_code != 0
