"""What moves a score is set, recorded in every row, and told where runs are unlike."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from qa_contract.errors import UserError
from qa_contract.tableio import read_table
from qa_contract.tables import SCORES
from qa_eval.cli import app
from qa_eval.errors import QAEvalError
from qa_eval.runners.base import RunnerConfig
from qa_eval.runners.models import SHIPPED, find_model
from qa_eval.runners.transformers import TransformersRunner
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.items import build_items, frame_shots
from qa_eval.runs.run import run
from qa_eval.scoring.compare import compare_runs
from qa_eval.scoring.questions import read_questions
from typer.testing import CliRunner


@pytest.fixture
def options(tiny_model):
    return RunOptions("transformers", str(tiny_model), max_new_tokens=3, device="cpu", limit=3)


def test_settings_are_in_every_row_and_unlike_ones_are_told(questions, store, tmp_path, options):
    changed = replace(options, attention="eager", dtype="bfloat16", system_prompt="Be brief.", max_pixels=32 * 32)
    run(questions, store, tmp_path / "a", options)
    run(questions, store, tmp_path / "b", changed)
    rows = read_table(tmp_path / "b", "scores", SCORES)
    assert rows.height == 3
    assert {json.loads(text)["attention"] for text in rows["settings"]} == {"eager"}
    result = compare_runs(tmp_path / "a", tmp_path / "b")[1]["unlike"]
    assert result["attention"] == ["sdpa", "eager"]
    assert result["dtype"] == ["float32", "bfloat16"]
    assert result["system_prompt"][1] == "Be brief."
    assert "1024" in result["image_processor"][1]
    printed = CliRunner().invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "b")])
    assert "warning: A and B differ in attention: sdpa, eager." in printed.output
    CliRunner().invoke(app, ["report", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "r")])
    assert "The runs differ in dtype" in (tmp_path / "r/report.html").read_text()


def test_system_prompt_and_size_reach_the_model(tiny_model, questions, store):
    config = RunnerConfig(str(tiny_model), "cpu", 3, system_prompt="Be brief.", max_pixels=32 * 32)
    runner = TransformersRunner(config)
    table = read_questions(questions)
    item = build_items(table, frame_shots(table, store))[0]
    assert runner._chat_text(item).startswith("<|im_start|>system\nBe brief.<|im_end|>")
    assert runner.answer([item])[0].frame_pixels == 32 * 32
    assert TransformersRunner(RunnerConfig(str(tiny_model), "cpu", 3)).answer([item])[0].frame_pixels > 32 * 32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runner": "oracle", "dtype": "float16"}, "runs no local model; --dtype"),
        ({"runner": "openai", "max_pixels": 9}, "runs no local model; --max-pixels"),
        ({"runner": "majority", "system_prompt": "x"}, "asks no model; --system-prompt"),
        ({"dtype": "float8"}, "Unknown dtype 'float8'"),
        ({"min_pixels": 999_999}, "more than at most"),
    ],
)
def test_settings_without_effect_are_refused(questions, store, tmp_path, options, change, message):
    with pytest.raises(UserError, match=message):
        run(questions, store, tmp_path / "out", replace(options, **change))


def test_a_name_that_is_no_folder_fails_at_once(monkeypatch, tmp_path):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(QAEvalError, match="not the id of a model"):
        find_model("nothing")
    with pytest.raises(QAEvalError, match="the hub has no answer"):
        find_model("nobody/nothing")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_names_are_models_of_the_trainer(name):
    if shutil.which("qa-trainer") is None:
        pytest.skip("qa-trainer is not installed")
    assert Path(find_model(name)).name == name
