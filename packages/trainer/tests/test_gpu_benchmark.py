"""The script that measures on a GPU runs to its end with tiny models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "trainer_gpu.py"


@pytest.mark.slow
@pytest.mark.skipif(not SCRIPT.is_file(), reason="needs the workspace's benchmarks")
def test_it_measures_both_models_on_the_cpu(tmp_path):
    words = [sys.executable, SCRIPT, tmp_path / "work", "--smoke", "--out", tmp_path / "figures.json"]
    ended = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["dual_encoder"]["parameters"]["geometry"] > 0
    for part in ("base", "dual_encoder"):
        assert found[part]["tokens_per_second"] > 0
        assert 0 < found[part]["recorder_share"] < 0.1
