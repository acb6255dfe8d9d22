import json
import subprocess
import sys

import polars as pl
import pytest
from qa_confidence import CALIBRATORS
from qa_confidence.calibrating import GROUPINGS, INPUTS
from qa_confidence.cli.feedback import Phase
from qa_confidence.cli.fit import Group, Method
from qa_confidence.cli.label import Score
from qa_confidence.cli.shared import Input, Profile
from qa_confidence.difficulty import PROFILES
from qa_confidence.labelling import OWN_ANSWER, SAMPLED, TRAIN
from qa_confidence.scores import SCORES


@pytest.fixture
def inputs(make, tmp_path):
    rows = [make.prediction(f"q{i}", [-0.05 * i], scene_name=f"s{i % 2}") for i in range(8)]
    make.write(make.predictions(*rows), tmp_path, "predictions")
    make.write(make.questions(*[{"question_id": f"q{i}", "cell": "c"} for i in range(8)]), tmp_path, "questions")
    return tmp_path


def test_label_then_feedback(inputs, run):
    done = run("label", inputs, "--out", inputs / "label", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["wrote"] == {str(inputs / "label/confidence.parquet"): 8}
    assert "Next: qa-confidence feedback" in done.stderr
    done = run("feedback", inputs / "label", "--questions", inputs, "--out", inputs / "feedback")
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(inputs / "feedback/feedback.parquet")["n"].sum() == 8
    assert pl.read_parquet(inputs / "feedback/rejects.parquet").is_empty()


def test_files_without_the_columns_added_later_are_read(inputs, run):
    older = pl.read_parquet(inputs / "predictions.parquet").drop("option_logprobs", "frame_ids", "versions")
    older.write_parquet(inputs / "predictions.parquet", metadata={"table": "predictions"})
    assert run("label", inputs, "--out", inputs / "plain").returncode == 0
    done = run("label", inputs, "--score", "choice_softmax", "--out", inputs / "softmax")
    assert done.returncode == 0, "the answers are numbers, which need no options"


def test_same_input_same_bytes(inputs, run):
    for out in ("one", "two"):
        run("label", inputs, "--out", inputs / out)
        run("feedback", inputs / out, "--questions", inputs, "--out", inputs / f"{out}-feedback")
    for name in ("confidence", "rejects"):
        assert (inputs / f"one/{name}.parquet").read_bytes() == (inputs / f"two/{name}.parquet").read_bytes()
    assert (inputs / "one-feedback/feedback.parquet").read_bytes() == (
        inputs / "two-feedback/feedback.parquet"
    ).read_bytes()


def test_lost_rows_exit_with_1(make, tmp_path, run):
    make.write(make.predictions(make.prediction("a", [-0.1]), make.prediction("b", [])), tmp_path, "predictions")
    done = run("label", tmp_path, "--out", tmp_path / "label")
    assert done.returncode == 1
    assert "no_tokens 1" in done.stderr
    make.write(make.questions(), tmp_path, "questions")
    done = run("feedback", tmp_path / "label", "--questions", tmp_path, "--out", tmp_path / "feedback")
    assert done.returncode == 1
    assert "unknown_question 1" in done.stderr


def test_user_errors_exit_with_2_and_leave_nothing(inputs, run):
    for arguments, message in (
        (["label", inputs / "nowhere"], "no such file"),
        (["label", inputs, "--profile", "papper"], "Did you mean 'paper'"),
        (["label", inputs / "questions.parquet"], "expected table 'predictions'"),
        (["feedback", inputs, "--questions", inputs], "expected confidence.parquet"),
    ):
        done = run(*arguments, "--out", inputs / "out")
        assert done.returncode == 2, arguments
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not (inputs / "out").exists()
    (inputs / "full").mkdir()
    (inputs / "full/file").touch()
    done = run("label", inputs, "--out", inputs / "full")
    assert done.returncode == 2
    assert "--force" in done.stderr


def test_debug_shows_the_traceback(tmp_path, run):
    done = run("label", "nowhere", "--out", tmp_path / "out", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "TableError" in done.stderr


@pytest.mark.parametrize(
    ("choices", "names"),
    [
        (Score, [*SCORES, SAMPLED]),
        (Profile, PROFILES),
        (Input, INPUTS),
        (Method, CALIBRATORS),
        (Group, GROUPINGS),
        (Phase, [TRAIN, *OWN_ANSWER]),
    ],
)
def test_options_offer_what_there_is(choices, names):
    assert [choice.value for choice in choices] == list(names)


def test_the_module_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "qa_confidence.cli", "label", "x"], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"--out" in done.stderr


def test_help_of_every_command_is_light_and_fits():
    code = """
import sys
from typer.testing import CliRunner
from qa_confidence.cli import app
for command in ("label", "feedback", "fit", "apply", "report", "compare"):
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80"})
    assert result.exit_code == 0 and max(map(len, result.stdout.splitlines())) <= 80, command
print(sorted({"polars", "duckdb", "numpy", "pydantic", "rich"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
