"""The loop over the real packages, very small, killed once while it trains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from qa_loop.results import read_scores

CONFIG = """
[run]
name = "real"
seed = 3
rounds = 1
[scenes]
dataset = "rooms"
scenes = 4
frames = 2
size = 64
split = "train=0.5,val=0.0,test=0.5"
[frames]
frames = 2
[[generate.proposer]]
name = "template"
share = 0.5
[[generate.proposer]]
name = "llm"
share = 0.5
model = "current"
options = { max_tokens = 4, max_frames = 1 }
[train]
model = "./model"
steps = 2
batch_size = 2
learning_rate = 1e-4
options = { save-steps = 1 }
[eval]
count = 4
runners = ["majority"]
"""


def program(name: str) -> Path:
    return Path(sys.executable).with_name(name)


@pytest.mark.slow
def test_real_loop_killed_in_training_goes_on_and_loses_no_question(tmp_path):
    subprocess.run([program("qa-trainer"), "init-tiny", "--out", tmp_path / "model"], check=True, capture_output=True)
    (tmp_path / "loop.toml").write_text(CONFIG)
    out = tmp_path / "out"
    command = [program("qa-loop"), "run", tmp_path / "loop.toml", "--out", out]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    while not list((out / "round_01/train/checkpoints").glob("*")):
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    assert "round_01-questions done before" in " ".join(second.stderr.split())
    asked = pl.read_parquet(out / "round_01/questions/questions.parquet")["question_id"].to_list()
    trained = pl.read_parquet(out / "round_01/train/predictions.parquet").sort("step")["question_id"].to_list()
    assert sorted(trained) == sorted(asked)
    assert len(asked) == 4  # templates fill up what an untaught model leaves open
    refused = pl.read_parquet(out / "round_01/asked_2_llm/rejects.parquet")["reason"].to_list()
    assert set(refused) == {"bad_reply"}
    assert set(read_scores(out)) == {("eval", 0), ("majority", 0), ("eval", 1)}
    page = (out / "report.html").read_text()
    assert "object_" in page
    assert f"bad_reply {len(refused)}" in page
