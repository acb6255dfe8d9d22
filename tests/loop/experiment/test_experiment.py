"""The command over the real engine and qa-confidence; what is trained and answered is made up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from qa_loop.experiment.run import read_experiment, write_results

HERE = Path(__file__).parent
CONFIG = """
[run]
name = "small"
workers = 2
[scenes]
dataset = "rooms"
scenes = 30
frames = 2
size = 32
split = "train=0.7,val=0.0,test=0.3"
[frames]
frames = 2
observe = false
[generate]
tasks = ["object_counting", "object_size_estimation", "object_abs_distance"]
[train]
model = "./model"
batch_size = 4
learning_rate = 1e-3
[warmup]
samples = 24
[pool]
useful = 32
waste = [0.5]
noise = [0.05]
panel = 24
[[test]]
per_scene = 4
[rules]
budgets = [16]
gates = "gates_headroom"
best = "gates_headroom"
rounds = 1
tuning = [1]
final = [2]
[arms]
static = {}
gates_headroom = { gates = ["duplicate"] }
"""


def command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-c", "from qa_loop.cli import main; main()", "experiment", *words]


@pytest.mark.slow
def test_an_experiment_killed_goes_on_and_its_rules_are_fixed(tmp_path):
    programs = tmp_path / "bin"
    (tmp_path / "model").mkdir()
    programs.mkdir()
    (tmp_path / "model/model.json").write_text("0")
    for name in ("qa-engine", "qa-confidence"):
        (programs / name).symlink_to(Path(sys.executable).with_name(name))
    for name in ("qa-trainer", "qa-eval"):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "learner.py"}" {name} "$@"\n')
        (programs / name).chmod(0o755)
    config, out = tmp_path / "e.toml", tmp_path / "out"
    config.write_text(CONFIG)
    environment = {**os.environ, "QA_LOOP_BIN": str(programs)}
    first = subprocess.Popen(command(tmp_path, str(config), "--out", str(out)), env=environment, stderr=subprocess.PIPE)
    while not (out / "store/unit.json").is_file():
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    made = (out / "store/unit.json").stat().st_mtime_ns

    def again(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command(tmp_path, *words), env=environment, capture_output=True, text=True)

    second = again(str(config), "--out", str(out), "--json")
    assert second.returncode == 0, second.stderr
    assert (out / "store/unit.json").stat().st_mtime_ns == made
    costs = pl.read_parquet(out / "results/unit_costs.parquet")
    assert len(costs) == 2
    told = costs.filter(arm="gates_headroom").row(0, named=True)
    assert (told["rows"], told["rounds"], told["n_useful"] + told["n_waste"] + told["n_wrong"]) == (16, 1, 16)
    assert told["flops_train"] == 3 * 16 * told["flops_passes"] / (24 * 1.5)
    savings = pl.read_parquet(out / "results/savings.parquet").filter(axis="samples")
    assert savings["ratio"].to_list() == pytest.approx([1.0])  # this learner does not care what it is trained on
    assert not list(out.glob("units/**/train"))
    assert json.loads(second.stdout)["verdict"].startswith("On a pool of 50.0% waste")
    before = {path.name: path.read_bytes() for path in (out / "results").iterdir()}
    write_results(read_experiment(out).config, out)  # as --report does
    assert {path.name: path.read_bytes() for path in (out / "results").iterdir()} == before
    config.write_text(CONFIG.replace("budgets = [16]", "budgets = [16, 24]"))
    changed = again(str(config), "--out", str(out))
    assert changed.returncode == 2
    assert "2 units of final seeds were run by other rules" in changed.stderr
    assert "rules.budgets: [16] -> [16, 24]" in changed.stderr
