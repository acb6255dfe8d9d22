"""Several processes train together: same rows, same weights as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

CONFIGS = Path(__file__).parents[3] / "configs"
LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--num_machines", "1"]
LAUNCH += ["--mixed_precision", "no", "--dynamo_backend", "no", "--num_cpu_threads_per_process", "1"]
# `--cpu` starts one process only; the launcher of several is that for GPUs, and `--device cpu` keeps them off.
DDP = ("--multi_gpu",)
FSDP2 = (
    *("--use_fsdp", "--fsdp_version", "2", "--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP"),
    *("--fsdp_state_dict_type", "FULL_STATE_DICT", "--fsdp_cpu_ram_efficient_loading", "false"),
)


def launch(
    make, *words: object, kind: str = "sft", launcher: tuple[str, ...] = DDP, **options: object
) -> subprocess.CompletedProcess[str]:
    """Start `qa-trainer` in two processes on the CPU."""
    program = ["-m", "qa_trainer"] if launcher == DDP else [str(Path(__file__).with_name("fsdp_on_cpu.py"))]
    command = [*LAUNCH, *launcher, "--main_process_port", "0", *program, kind]
    command += [*map(str, words), *make.flags(options)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )


def weights(out):
    from safetensors.torch import load_file

    return load_file(out / "model" / "model.safetensors")


@pytest.mark.slow
def test_two_processes_equal_one_and_go_on_in_a_second_round(sft, make, questions, store, tiny_model, tmp_path):
    rows = pl.read_parquet(questions).rows(named=True)
    second = make.write(rows[24:], tmp_path / "second", "questions")
    common = {"store": store, "device": "cpu", "batch_size": 8, "micro_batch_size": 2, "learning_rate": 1e-4}
    schedule = {"schedule": "linear", "warmup_steps": 2, "schedule_steps": 6}
    assert sft(tmp_path / "one", steps=6, **common, **schedule).code == 0
    first, out = tmp_path / "first", tmp_path / "out"
    ended = launch(make, questions, "--out", first, model=tiny_model, steps=3, save_steps=2, **common, **schedule)
    assert ended.returncode == 0, ended.stderr[-3000:]
    ended = launch(make, second, "--out", out, model=first / "model", state_from=first, steps=3, **common, **schedule)
    assert ended.returncode == 0, ended.stderr[-3000:]
    # Every row once, in the order of one process.
    whole = pl.read_parquet(tmp_path / "one/predictions.parquet")
    parts = pl.concat([pl.read_parquet(folder / "predictions.parquet") for folder in (first, out)])
    assert parts["question_id"].to_list() == [f"q{i:03d}" for i in range(48)]
    assert parts.select("question_id", "step", "token_ids").equals(whole.select("question_id", "step", "token_ids"))
    assert parts["token_logprobs"].explode().to_list() == pytest.approx(
        whole["token_logprobs"].explode().to_list(), abs=1e-3
    )
    metrics = pl.concat([pl.read_parquet(folder / "metrics.parquet") for folder in (first, out)])
    expected = pl.read_parquet(tmp_path / "one/metrics.parquet")
    for column in ("step", "rows", "tokens", "answer_tokens", "learning_rate"):
        assert metrics[column].to_list() == expected[column].to_list(), column
    for column in ("loss", "grad_norm"):
        assert metrics[column].to_list() == pytest.approx(expected[column].to_list(), rel=1e-3), column
    one, two = weights(tmp_path / "one"), weights(out)
    assert all(two[name].allclose(one[name], rtol=0, atol=1e-5) for name in one)
    assert json.loads((out / "manifest.json").read_text())["processes"] == 2
    assert {path.name for path in (out / "state").glob("rng_state*")} == {"rng_state_0.pth", "rng_state_1.pth"}


@pytest.mark.slow
def test_a_sharded_model_trains_as_a_whole_one(sft, make, questions, store, tiny_model, tmp_path):
    rows = pl.read_parquet(questions).rows(named=True)
    second = make.write(rows[4:], tmp_path / "second", "questions")
    common = {"store": store, "device": "cpu", "batch_size": 4, "learning_rate": 1e-4}
    assert sft(tmp_path / "one", steps=2, **common).code == 0
    first, out = tmp_path / "first", tmp_path / "out"
    ended = launch(make, questions, "--out", first, launcher=FSDP2, model=tiny_model, steps=1, **common)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert (first / "state" / "optimizer.bin").exists()
    options = common | {"model": first / "model", "state_from": first, "steps": 1}
    ended = launch(make, second, "--out", out, launcher=FSDP2, **options)
    assert ended.returncode == 0, ended.stderr[-3000:]
    one, two = weights(tmp_path / "one"), weights(out)
    assert one.keys() == two.keys()
    assert all(two[name].allclose(one[name], rtol=0, atol=1e-5) for name in one)
    parts = pl.concat([pl.read_parquet(folder / "predictions.parquet") for folder in (first, out)])
    assert parts["question_id"].to_list() == [f"q{i:03d}" for i in range(8)]
    assert json.loads((out / "manifest.json").read_text())["processes"] == 2


@pytest.mark.slow
def test_reinforcement_in_two_processes_counts_the_completions_of_both(make, questions, store, tiny_model, tmp_path):
    from qa_trainer.rewards import REWARDS

    names, out = ["format", "length"], tmp_path / "out"
    words = [f"--reward={name}" for name in names]
    options = {"store": store, "device": "cpu", "batch_size": 4, "group_size": 2, "micro_batch_size": 2, "steps": 2}
    options |= {"max_completion_length": 40, "beta": 0.04, "learning_rate": 1e-4, "skip_equal_groups": True}
    ended = launch(make, questions, "--out", out, *words, kind="grpo", model=tiny_model, **options)
    assert ended.returncode == 0, ended.stderr[-3000:]
    asked = pl.read_parquet(questions).select("question_id", "options")
    found = pl.read_parquet(out / "predictions.parquet").join(asked, on="question_id", maintain_order="left")
    assert sorted(found["question_id"]) == [f"q{i:03d}" for i in range(8) for _ in range(2)]
    columns = {"options": found["options"].to_list(), "completion_ids": found["token_ids"].to_list()}
    given = {name: REWARDS[name](found["completion"].to_list(), **columns) for name in names}
    scored = found.select("step", "question_id").with_columns(pl.DataFrame(given))
    means = scored.group_by("step").agg(pl.col(names).mean()).sort("step")
    metrics = pl.read_parquet(out / "metrics.parquet")
    assert metrics["step"].to_list() == means["step"].to_list() == [1, 2]
    for place, name in enumerate(names):
        assert metrics["reward_means"].list.get(place).to_list() == pytest.approx(means[name].to_list()), name
    total = scored.with_columns(total=pl.sum_horizontal(names))
    equal = total.group_by("step", "question_id").agg(equal=pl.col("total").n_unique() == 1)
    equal = equal.group_by("step").agg(pl.col("equal").sum()).sort("step")
    assert metrics["equal_groups"].to_list() == equal["equal"].to_list()
    assert json.loads((out / "manifest.json").read_text())["processes"] == 2
    assert {path.name for path in (out / "state").glob("rng_state*")} == {"rng_state_0.pth", "rng_state_1.pth"}


@pytest.mark.parametrize("name", ["ddp", "fsdp2", "zero3"])
def test_the_shipped_launch_configurations_are_read_by_accelerate(name):
    from accelerate.commands.config.config_args import load_config_from_file

    path = CONFIGS / f"accelerate_{name}.yaml"
    if not path.exists():
        pytest.skip("the configurations lie in the repository, not in the package")
    config = load_config_from_file(str(path))
    assert config.distributed_type == {"ddp": "MULTI_GPU", "fsdp2": "FSDP", "zero3": "DEEPSPEED"}[name]
    if name == "fsdp2":
        assert config.fsdp_config["fsdp_version"] == 2
        assert config.fsdp_config["fsdp_state_dict_type"] == "FULL_STATE_DICT"
    if name == "zero3":
        assert config.deepspeed_config["zero_stage"] == 3
        assert config.deepspeed_config["zero3_save_16bit_model"]


def test_a_batch_that_does_not_divide_by_the_processes_is_refused(store, questions, tmp_path):
    from qa_trainer.data.feed import single
    from qa_trainer.data.questions import load_samples
    from qa_trainer.errors import QATrainerError
    from qa_trainer.runs.folder import RunFolder
    from qa_trainer.runs.processes import Team
    from qa_trainer.runs.reporter import Silent
    from qa_trainer.settings.sft import SFTSettings
    from qa_trainer.sft.train import SFTRun, train

    feed = single("questions", load_samples(questions, store), first=0, count=6)
    run = SFTRun(feed, tmp_path, 0, 1, None, None, "run", {})
    _settings, team = SFTSettings(batch_size=6, steps=1, device="cpu"), Team(0, 4)
    object.__setattr__(team, "share", lambda value=None: value)
    with pytest.raises(QATrainerError, match="batch_size 6 is not a multiple of 4, 4 processes with 1 questions"):
        train(
            run,
            SFTSettings(batch_size=6, steps=1, device="cpu"),
            RunFolder(tmp_path, "new"),
            team=team,
            reporter=Silent(),
        )
