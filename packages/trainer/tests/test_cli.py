"""Help, and what happens to bad input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest


def test_help_imports_no_heavy_library():
    code = (
        "import sys; from qa_trainer.cli import app\n"
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'polars', 'duckdb', 'pydantic', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_every_command_has_help(command):
    ended = command("--help")
    assert ended.code == 0
    for name in (
        "sft",
        "grpo",
        "score",
        "plan",
        "init-spatial",
        "sample-frames",
        "init-tiny",
        "pretrain-tiny",
        "probe",
    ):
        assert name in ended.stdout
        assert command(name, "--help").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "absent/folder/here"}, "no such folder, and not a hub id"),
        ({"model": "nobody/nothing"}, "the hub has no answer"),
        ({"store": "absent"}, "absent: no such file or folder (expected table 'frame_sets')"),
        ({"steps": 0}, "--steps needs a whole number, at least 1; found '0'"),
        ({"dtype": "float16"}, "--dtype needs one of auto, float32, bfloat16; found 'float16'"),
        ({"config": "absent.toml"}, "absent.toml: cannot read the settings"),
    ],
)
def test_wrong_options_end_with_2_and_a_message(sft, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    ended = sft(tmp_path / "out", **options)
    assert ended.code == 2
    assert f"error: {message}" in ended.stderr or message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.glob("out/*.json"))


def test_missing_questions_and_missing_columns_are_named(sft, questions, tmp_path):
    ended = sft(tmp_path / "out", questions=tmp_path / "absent.parquet")
    assert ended.code == 2
    assert "absent.parquet: no such file or folder (expected table 'questions')" in ended.stderr
    path = tmp_path / "questions.parquet"
    pl.read_parquet(questions).drop("prompt_id").write_parquet(path)
    ended = sft(tmp_path / "out", questions=path)
    assert ended.code == 2
    assert "lacks column(s) prompt_id" in ended.stderr
    path.write_text("not a table")
    assert sft(tmp_path / "out", questions=path).code == 2
    assert not (tmp_path / "out" / "run.json").exists()


def test_a_folder_with_other_content_is_refused(sft, store, tmp_path):
    shutil.copytree(store, tmp_path / "out")
    ended = sft(tmp_path / "out")
    assert ended.code == 2
    assert "the output folder exists and holds no training run" in ended.stderr
    assert (tmp_path / "out" / "frames.parquet").exists()


def test_debug_shows_the_traceback(command, tmp_path):
    arguments = ["sft", tmp_path / "absent", "--store", tmp_path, "--model", "tiny", "--out", tmp_path / "out"]
    assert "Traceback" not in command(*arguments).stderr
    ended = command(*arguments, "--debug")
    assert ended.code == 2
    assert "Traceback" in ended.stderr


def test_the_version_is_printed(command):
    ended = command("--version")
    assert (ended.code, ended.stdout) == (0, f"qa-trainer {version('qa-trainer')}\n")


def test_a_dual_encoder_is_made_from_a_base(command, tiny_model, llava_model, tmp_path):
    from qa_trainer.models.loading import load_model

    out = tmp_path / "dual"
    ended = command("init-spatial", tiny_model, "--geometry", "tiny", "--connector", "cross_attention", "--out", out)
    assert ended.code == 0, ended.stderr
    assert type(load_model(out)[0]).__name__ == "SpatialMLLMQwen3VLForConditionalGeneration"
    for options, message in (
        (["--connector", "mlp_ad"], "Unknown connector 'mlp_ad'. Did you mean 'mlp_add'?"),
        (["--geometry-weights", tmp_path / "absent"], "absent: no such file"),
    ):
        ended = command("init-spatial", tiny_model, "--out", tmp_path / "other", *options)
        assert ended.code == 2
        assert message in ended.stderr
    ended = command("init-spatial", llava_model, "--geometry", "tiny", "--out", tmp_path / "other")
    assert ended.code == 2
    assert "a model of type 'llava' cannot take a geometry encoder" in ended.stderr
    assert not (tmp_path / "other").exists()


def test_models_names_the_shipped_ones_and_their_folders(command):
    ended = command("models", "--json")
    assert ended.code == 0
    models = json.loads(ended.stdout)
    assert [model["name"] for model in models] == ["tiny", "small"]
    for model in models:
        for name in ("config.json", "model.safetensors", "tokenizer.json", "README.md"):
            assert (Path(model["folder"]) / name).is_file()


def test_the_attention_is_chosen_and_recorded(sft, command, make, questions, store, tiny_model, tmp_path):
    assert sft(tmp_path / "run", steps=1, attention="eager").code == 0
    assert json.loads((tmp_path / "run/manifest.json").read_text())["attention"] == "eager"
    flags = make.flags({"store": store, "model": tiny_model, "device": "cpu", "sample": 2, "max_new_tokens": 2})
    assert command("score", questions, "--out", tmp_path / "clean", *flags).code == 0
    assert json.loads((tmp_path / "clean/manifest.json").read_text())["attention"] == "sdpa"
    ended = sft(tmp_path / "flash", steps=1, attention="flash_attention_2")
    assert ended.code == 2
    assert "--attention flash_attention_2: not for this model on this machine" in ended.stderr
    assert "Traceback" not in ended.stderr
