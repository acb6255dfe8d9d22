"""Every row says what produced it."""

import json
import shutil
from dataclasses import replace

import polars as pl
import pytest
from PIL import Image
from qa_contract.tableio import read_metadata, read_table
from qa_contract.tables import PREDICTIONS
from qa_eval.errors import QAEvalError
from qa_eval.runners import RunnerConfig
from qa_eval.runners.transformers import TransformersRunner
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.items import build_items, frame_shots
from qa_eval.runs.run import run
from qa_eval.scoring.questions import read_questions


@pytest.fixture
def options(tiny_model):
    return RunOptions(model=str(tiny_model), batch_size=3, max_new_tokens=2, device="cpu")


def rows_of(out):
    table = read_table(out, "predictions", PREDICTIONS)
    return {row["question_id"]: row for row in table.to_dicts()}


def test_rows_of_a_local_model(questions, store, tmp_path, options):
    for path in store.glob("images/s1/*.png"):
        Image.new("RGB", (100, 30)).save(path)
    run(questions, store, tmp_path / "out", options)
    rows = rows_of(tmp_path / "out")
    assert rows["n0"]["frame_ids"] == ["0", "2"]
    assert {row["decoding"] for row in rows.values()} == {"greedy, 2 new tokens"}
    assert rows["n0"]["frame_input"] == "images"
    # The processor works in steps of 32 pixels: 100 x 30 become 96 x 32, 64 x 64 stay.
    assert (rows["n0"]["frame_pixels"], rows["n1"]["frame_pixels"]) == (96 * 32, 64 * 64)
    assert rows["n0"]["frame_fps"] is None
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert rows["n0"]["dataset_revision"] == manifest["dataset_revision"]["sha256"]
    for name in ("qa-eval", "torch", "torchvision", "transformers", "pillow"):
        assert f"{name} {manifest['packages'][name]}" in rows["n0"]["versions"]


def test_one_frame_and_no_frames(questions, store, tmp_path, options):
    for runner, ids in (("single-frame", ["2"]), ("blind", None)):
        run(questions, store, tmp_path / runner, replace(options, runner=runner))
        row = rows_of(tmp_path / runner)["n0"]
        assert row["frame_ids"] == ids
        assert row["frame_input"] == ("images" if ids else "none")


def test_baselines_show_nothing_and_decode_nothing(questions, tmp_path):
    for runner in ("oracle", "majority", "random"):
        run(questions, None, tmp_path / runner, RunOptions(runner))
        row = rows_of(tmp_path / runner)["d0"]
        assert (row["frame_input"], row["decoding"], row["option_logprobs"]) == ("none", None, None)
        assert row["versions"].startswith("qa-eval ")
        assert len(row["dataset_revision"]) == 16


def test_option_logprobs_are_those_of_the_letters_at_the_first_position(tiny_model, questions, store):
    import torch

    runner = TransformersRunner(RunnerConfig(str(tiny_model), "cpu", 4))
    table = read_questions(questions)
    items = build_items(table, frame_shots(table, store))
    answers = dict(zip(table["question_id"], runner.answer(items), strict=True))
    assert answers["n0"].option_logprobs is None
    runner.prefixes = None
    inputs = runner._inputs([items[4]])
    with torch.no_grad():
        logits = runner.model(**inputs).logits[0, -1].float()
    letters = [runner.processor.tokenizer.convert_tokens_to_ids(letter) for letter in "AB"]
    expected = torch.log_softmax(logits, -1)[letters].tolist()
    assert items[4].options == ("A. left", "B. right")
    assert answers[items[4].question_id].option_logprobs == pytest.approx(expected, abs=1e-4)


def test_letters_in_any_form_have_logprobs_and_doubled_ones_none(tiny_model, questions, store):
    runner = TransformersRunner(RunnerConfig(str(tiny_model), "cpu", 1))
    table = read_questions(questions)
    (item,) = build_items(table, frame_shots(table, store))[4:5]
    forms = (("A. left", "B. right"), ("A) left", "(B) right"), ("A. left", "A. right"), ("left", "right"))
    dotted, other, doubled, bare = runner.answer([replace(item, options=options) for options in forms])
    assert dotted.option_logprobs is not None
    assert len(dotted.option_logprobs) == 2
    assert other.option_logprobs == pytest.approx(dotted.option_logprobs, abs=1e-5)
    assert doubled.option_logprobs is None
    assert bare.option_logprobs is None


def test_replayed_rows_keep_what_produced_them(questions, store, tmp_path, options):
    run(questions, store, tmp_path / "model", options)
    replay = RunOptions("replay", parser="lenient")
    run(questions, None, tmp_path / "again", replay, answers=tmp_path / "model")
    first, again = rows_of(tmp_path / "model"), rows_of(tmp_path / "again")
    kept = ("model_id", "frame_ids", "frame_input", "frame_pixels", "decoding", "versions", "option_logprobs")
    for name in (*kept, "token_logprobs", "frame_set_id"):
        assert [row[name] for row in again.values()] == [row[name] for row in first.values()], name
    assert {row["runner"] for row in again.values()} == {"replay"}


def test_answers_from_elsewhere_have_unknown_frames(questions, tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "n0", "prediction": "2"}\n')
    run(questions, None, tmp_path / "out", RunOptions("replay"), answers=path)
    row = rows_of(tmp_path / "out")["n0"]
    assert [row[name] for name in ("frame_input", "frame_ids", "decoding", "versions")] == [None] * 4
    assert (row["frame_set_id"], row["model_id"]) == ("uniform-2", "replay")


def test_predictions_of_older_versions_are_replayed(questions, store, tmp_path, options):
    run(questions, store, tmp_path / "model", options)
    path = tmp_path / "model/predictions.parquet"
    new = ("option_logprobs", "frame_ids", "frame_input", "frame_pixels", "frame_fps", "decoding", "versions")
    table = pl.read_parquet(path).drop(*new, "dataset_revision")
    table.write_parquet(tmp_path / "old.parquet", metadata=read_metadata(path))
    run(questions, None, tmp_path / "again", RunOptions("replay"), answers=tmp_path / "old.parquet")
    row = rows_of(tmp_path / "again")["n0"]
    assert row["token_logprobs"] == table["token_logprobs"][0].to_list()
    assert row["frame_input"] is None


CONFIGURATION = """
from transformers import Qwen3VLConfig

class OwnConfig(Qwen3VLConfig):
    model_type = "own_model"
"""
MODEL = """
from transformers import Qwen3VLForConditionalGeneration
from .configuration_own import OwnConfig

class OwnModel(Qwen3VLForConditionalGeneration):
    config_class = OwnConfig
"""


def test_code_in_a_model_folder_runs_only_when_trusted(tiny_model, questions, store, tmp_path, options, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = shutil.copytree(tiny_model, tmp_path / "own")
    (folder / "configuration_own.py").write_text(CONFIGURATION)
    (folder / "modeling_own.py").write_text(MODEL)
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "own_model"}
    config["auto_map"] = {
        "AutoConfig": "configuration_own.OwnConfig",
        "AutoModelForImageTextToText": "modeling_own.OwnModel",
    }
    (folder / "config.json").write_text(json.dumps(config))
    own = replace(options, model=str(folder))
    with pytest.raises(QAEvalError, match="pass --trust-remote-code"):
        run(questions, store, tmp_path / "out", own)
    assert not (tmp_path / "out").exists()
    run(questions, store, tmp_path / "out", replace(own, trust_remote_code=True))
    run(questions, store, tmp_path / "plain", options)
    mine, plain = rows_of(tmp_path / "out"), rows_of(tmp_path / "plain")
    assert mine["n0"]["model_id"].startswith("own_model@")
    assert [row["token_ids"] for row in mine.values()] == [row["token_ids"] for row in plain.values()]
