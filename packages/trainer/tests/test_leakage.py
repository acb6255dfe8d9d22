"""Scenes that benchmarks test on are not trained on unless that is asked for."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize("trainer", ["sft", "grpo"])
def test_benchmark_scenes_are_refused_unless_allowed(command, make, store, tiny_model, tmp_path, trainer):
    rows = [make.question(0), make.question(1, scene_name="41069025", frame_set_id=None)]
    questions = make.write(rows, tmp_path, "questions")
    flags = make.flags({"store": store, "model": tiny_model, "device": "cpu"})
    for words in ([], ["--dry-run"]):
        ended = command(trainer, questions, "--out", tmp_path / "out", *flags, *words)
        assert ended.code == 2
        assert "1 scenes are in benchmarks, the first is '41069025' (vsi-bench)" in ended.stderr
        assert not list(tmp_path.glob("out/*.json"))
    ended = command(trainer, questions, "--out", tmp_path / "out", *flags, "--dry-run", "--allow-benchmark-scenes")
    assert ended.code == 0, ended.stderr
    assert json.loads(ended.stdout)["image_grid"] == [[1, 4, 4], [1, 4, 4]]


def test_a_run_that_is_allowed_says_so(sft, make, tmp_path):
    rows = [make.question(0), make.question(1, scene_name="41069025", frame_set_id=None)]
    questions = make.write(rows, tmp_path, "questions")
    options = {"steps": 1, "batch_size": 2, "allow_benchmark_scenes": True}
    ended = sft(tmp_path / "out", questions=questions, **options)
    assert ended.code == 0, ended.stderr
    assert "this model cannot be tested there" in ended.stderr
    assert "allow_benchmark_scenes" not in json.loads((tmp_path / "out/run.json").read_text())["settings"]
