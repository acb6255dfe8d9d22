"""Reinforcement learning, from the command line to the files: rewards, resuming, adapters, the dual encoder."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import polars as pl
import pytest
from qa_contract.tableio import read_table
from qa_contract.tables import METRICS, PREDICTIONS
from qa_trainer.rewards import REWARDS

GRPO = {"device": "cpu", "steps": 2, "batch_size": 2, "group_size": 4, "max_completion_length": 4}


@pytest.fixture(scope="module")
def warm_model(tiny_model, tmp_path_factory):
    """A random model that prefers digits and the end token: some of its completions are numbers, and some are not."""
    import torch
    from qa_trainer.models.loading import load_model

    model, processor = load_model(tiny_model)
    tokens = processor.tokenizer.convert_tokens_to_ids([*"0123456789", processor.tokenizer.eos_token])
    with torch.no_grad():
        model.get_input_embeddings().weight[tokens] *= 6
    folder = tmp_path_factory.mktemp("warm")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def grpo(libraries, command, make, store, questions, warm_model):
    def run(out, *words, questions=questions, **options):
        chosen = GRPO | {"store": store, "model": warm_model, "learning_rate": 1e-3} | options
        return command("grpo", questions, "--out", out, *words, *make.flags(chosen))

    return run


def weights(folder, name="model/model.safetensors"):
    from safetensors.torch import load_file

    return load_file(folder / name)


def equal(one, two):
    return one.keys() == two.keys() and all(one[name].equal(two[name]) for name in one)


def test_reinforcement_runs_with_every_reward_and_moves_the_weights(grpo, make, store, warm_model, tmp_path):
    people = [
        {"role": "a", "category": "bed", "instance_ids": [1]},
        {"role": "b", "category": "tv", "instance_ids": [2]},
    ]
    rows = [make.question(i, operands=people if i % 3 == 0 else people[:1], ground_truth="2") for i in (0, 6, 3, 9)]
    questions = make.write(rows, tmp_path / "asked", "questions")
    boxes = [
        {"scene_name": f"room_{scene}", "category": name, "center": [x, 1.0, 0.5]}
        for scene in range(3)
        for name, x in (("bed", 0.0), ("tv", 3.0))
    ]
    make.write(boxes, store, "objects")
    rewards = [name for name in REWARDS if not name.startswith("reasoning")]
    ended = grpo(tmp_path / "out", "--json", *(f"--reward={name}" for name in rewards), questions=questions)
    (store / "objects.parquet").unlink()
    assert ended.code == 0, ended.stderr
    steps = json.loads((tmp_path / "out/rewards.json").read_text())["steps"]
    assert [step["step"] for step in steps] == [1, 2]
    assert 0.5 < steps[0]["rewards/length/mean"] <= 1
    before, after = weights(warm_model, "model.safetensors"), weights(tmp_path / "out")
    assert any(not before[name].equal(after[name]) for name in before)


def test_steps_are_asked_for_and_rewards_read_the_answer_behind_them(grpo, make, tmp_path):
    asked = make.write([make.question(0)], tmp_path, "questions")
    words = ["--ask-steps", "--reward=choice", "--reward=reasoning", "--dry-run"]
    shown = json.loads(grpo(tmp_path / "out", *words, questions=asked).stdout)
    assert "between <think> and </think>, then the answer alone" in shown["text"]
    said = ["<think>far</think><answer>2.0</answer>", "2.0"]
    columns = {"ground_truth": ["2.0"] * 2, "options": [None] * 2}
    assert REWARDS["mra"](said, reasons=[True] * 2, **columns) == [1.0, 0.0]
    assert REWARDS["mra"](said, reasons=[False] * 2, **columns) == [0.0, 1.0]


def test_a_killed_run_goes_on_with_the_same_weights_and_rewards(
    grpo, start, make, questions, store, warm_model, tmp_path
):
    options = {"steps": 4, "save_steps": 1, "learning_rate": 1e-3, "micro_batch_size": 4}
    assert grpo(tmp_path / "whole", **options).code == 0
    out = tmp_path / "killed"
    more = {"store": store, "model": warm_model}
    process = start("grpo", questions, "--out", out, *make.flags(GRPO | more | options))
    deadline = time.monotonic() + 240
    while not list(out.glob("checkpoints/checkpoint-*/complete.json")):
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (out / "manifest.json").exists()
    ended = grpo(out, **options)
    assert ended.code == 0, ended.stderr
    assert "going on from step" in ended.stderr
    assert json.loads((out / "manifest.json").read_text())["resumed_at"] in (1, 2, 3)
    assert equal(weights(out), weights(tmp_path / "whole"))
    assert not equal(weights(out), weights(warm_model, "model.safetensors"))
    assert (out / "rewards.json").read_bytes() == (tmp_path / "whole/rewards.json").read_bytes()
    steps = json.loads((out / "rewards.json").read_text())["steps"]
    assert [step["step"] for step in steps] == [1, 2, 3, 4]
    assert not (out / "checkpoints").exists()
    # A complete run is left alone; another one is refused.
    assert "already complete" in grpo(out, **options).stderr
    other = grpo(out, **options | {"steps": 5})
    assert other.code == 2
    assert "settings.steps: 4 -> 5" in other.stderr


def test_adapters_are_trained_and_merged(grpo, warm_model, tmp_path):
    ended = grpo(tmp_path / "out", lora_rank=4, freeze="vision", beta=0.04, group_size=8, steps=4, temperature=2.5)
    assert ended.code == 0, ended.stderr
    adapter = weights(tmp_path / "out", "adapter/adapter_model.safetensors")
    assert {tensor.shape[0] for name, tensor in adapter.items() if "lora_A" in name} == {4}
    assert not any("visual.blocks" in name for name in adapter)
    before, after = weights(warm_model, "model.safetensors"), weights(tmp_path / "out")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed
    assert all("language_model" in name or "merger" in name for name in changed)


def test_the_dual_encoder_is_reinforced_against_its_own_start(grpo, command, warm_model, tmp_path):
    assert command("init-spatial", warm_model, "--geometry", "tiny", "--out", tmp_path / "dual").code == 0
    options = {"model": tmp_path / "dual", "freeze": "geometry", "reward": "format", "beta": 0.04, "steps": 1}
    ended = grpo(tmp_path / "out", **options)
    assert ended.code == 0, ended.stderr
    step = json.loads((tmp_path / "out/rewards.json").read_text())["steps"][0]
    # Nothing has moved yet: the reference model is the model at the start.
    assert step["kl"] == pytest.approx(0, abs=1e-6)
    assert (tmp_path / "out/model/modeling_spatial_mllm.py").exists()


def test_a_dry_run_prints_the_first_sample_with_the_request_for_a_map(grpo, tmp_path):
    ended = grpo(tmp_path / "out", "--dry-run", "--reward=cognitive_map")
    assert ended.code == 0, ended.stderr
    shown = json.loads(ended.stdout)
    assert shown["image_grid"] == [[1, 4, 4], [1, 4, 4]]
    assert "on a 10x10 grid" in shown["text"]
    assert not (tmp_path / "out").exists()


def test_a_server_for_completions_is_asked_first_and_named_to_trl(grpo, tmp_path, monkeypatch):
    from qa_trainer.grpo.train import arguments
    from qa_trainer.settings.grpo import GRPOSettings

    url = "http://127.0.0.1:9"
    settings = GRPOSettings(vllm_server_url=url)
    given = arguments(settings, tmp_path, settings.steps, use_cpu=True)
    assert (given.use_vllm, given.vllm_mode, given.vllm_server_base_url) == (True, "server", url)
    ended = grpo(tmp_path / "out", vllm_server_url=url)
    assert ended.code == 2
    assert "--vllm-server-url http://127.0.0.1:9: no answer" in ended.stderr
    ended = grpo(tmp_path / "out", vllm_server_url="127.0.0.1:8000")
    assert ended.code == 2
    assert "--vllm-server-url needs text that matches" in ended.stderr

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health/" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ended = grpo(tmp_path / "out", vllm_server_url=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert ended.code == 2
    assert "TRL needs vLLM here, too" in ended.stderr


def test_unknown_rewards_and_wrong_weights_are_user_errors(command, make, store, questions, tiny_model, tmp_path):
    flags = make.flags(GRPO | {"store": store, "model": tiny_model})
    ended = command("grpo", questions, "--out", tmp_path / "out", *flags, "--reward", "mrra")
    assert ended.code == 2
    assert "Unknown reward 'mrra'. Did you mean 'mra'?" in ended.stderr
    config = tmp_path / "grpo.toml"
    config.write_text("reward_weights = [1.0]\n")
    ended = command("grpo", questions, "--out", tmp_path / "out", *flags, "--config", config)
    assert ended.code == 2
    assert "1 reward_weights for 3 rewards" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_completions_and_figures_are_written_for_the_loop(grpo, tmp_path):
    ended = grpo(tmp_path / "out", "--reward=mra", "--reward=format", "--reward-weights=2", "--reward-weights=0.5")
    assert ended.code == 0, ended.stderr
    rows = read_table(tmp_path / "out", "predictions", PREDICTIONS)
    assert len(rows) == 2 * 2 * 4
    assert rows["phase"].unique().to_list() == ["score"]
    assert rows["decoding"].unique().to_list() == ["sampled, temperature 1, 4 new tokens"]
    assert rows["question_id"].value_counts()["count"].to_list() == [4] * 4
    for name in ("token_logprobs", "token_mask", "token_entropy"):
        assert rows[name].list.len().equals(rows["token_ids"].list.len())
    assert rows["token_logprobs"].list.max().max() <= 0
    steps = read_table(tmp_path / "out", "metrics", METRICS)
    assert steps["reward_names"].to_list() == [["mra", "format"]] * 2
    assert steps["reward_weights"].to_list() == [[2.0, 0.5]] * 2
    # Whatever mra applies to has a mean; here the choices of a step have none of it.
    assert all(means[1] is not None for means in steps["reward_means"])
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["equal_groups"] == steps["equal_groups"].sum()


def test_a_group_whose_rewards_are_equal_is_counted_and_can_be_left_out(grpo, make, warm_model, tmp_path):
    # Nothing is worth anything: the truth is a letter, and mra does not apply to one.
    rows = [make.question(i, ground_truth="0", question="How far is the bed?") for i in (0, 2)]
    questions = make.write(rows, tmp_path / "asked", "questions")
    common = {"questions": questions, "steps": 1, "beta": 0}
    assert grpo(tmp_path / "out", "--reward=mra", "--skip-equal-groups", **common).code == 0
    assert read_table(tmp_path / "out", "metrics", METRICS)["equal_groups"].to_list() == [2]
    before, after = weights(warm_model, "model.safetensors"), weights(tmp_path / "out")
    assert equal(before, after)
    assert len(read_table(tmp_path / "out", "predictions", PREDICTIONS)) == 8


def test_two_runs_of_one_step_equal_one_of_two(grpo, make, tmp_path):
    rows = [make.question(i) for i in range(4)]
    asked = [make.write(part, tmp_path / f"asked{n}", "questions") for n, part in enumerate((rows, rows[:2], rows[2:]))]
    options = {"beta": 0, "schedule": "linear", "schedule_steps": 2}
    assert grpo(tmp_path / "whole", questions=asked[0], **options).code == 0
    options |= {"steps": 1}
    assert grpo(tmp_path / "first", questions=asked[1], **options).code == 0
    options |= {"state_from": tmp_path / "first", "model": tmp_path / "first/model"}
    ended = grpo(tmp_path / "second", questions=asked[2], **options)
    assert ended.code == 0, ended.stderr
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "second"))
    parts = [read_table(tmp_path / name, "predictions", PREDICTIONS) for name in ("first", "second")]
    whole = read_table(tmp_path / "whole", "predictions", PREDICTIONS)
    assert pl.concat(parts)["completion"].to_list() == whole["completion"].to_list()
    assert parts[1]["step"].unique().to_list() == [2]


def test_the_state_of_another_command_is_refused(grpo, sft, tmp_path):
    assert sft(tmp_path / "sft", steps=1).code == 0
    ended = grpo(tmp_path / "out", model=tmp_path / "sft/model", state_from=tmp_path / "sft")
    assert ended.code == 2
    assert "the state of 'sft'" in ended.stderr


def test_questions_with_any_number_of_frames_share_a_batch(grpo, make, llava_model, tmp_path):
    frames = [make.question(0, frame_set_id=None), make.question(1), make.question(2), make.question(3)]
    questions = make.write(frames, tmp_path, "questions")
    for name, options in {"qwen": {}, "llava": {"model": llava_model}}.items():
        ended = grpo(tmp_path / name, questions=questions, steps=1, batch_size=4, group_size=2, **options)
        assert ended.code == 0, ended.stderr
        shown = read_table(tmp_path / name, "predictions", PREDICTIONS)["frame_input"]
        assert sorted(shown.unique().to_list()) == ["images", "none"]
