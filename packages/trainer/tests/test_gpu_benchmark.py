"""The script that measures on a GPU runs to its end with tiny models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "trainer_gpu.py"


MISSING = ("polars", "duckdb", "trl", "datasets", "pydantic", "typer", "accelerate", "peft", "pyarrow")
BARE = f"""
import runpy, sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in {MISSING} else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.skipif(not SCRIPT.is_file(), reason="needs the workspace's benchmarks")
def test_it_measures_both_models_where_there_is_torch_and_transformers_alone(tmp_path):
    words = [sys.executable, "-c", BARE, SCRIPT, tmp_path / "work", "--smoke", "--out", tmp_path / "figures.json"]
    ended = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["dual_encoder"]["parameters"]["geometry"] > 0
    for part in ("base", "dual_encoder"):
        assert found[part]["tokens_per_second"] > 0
        assert found[part]["model_flops_per_step"] > 0
        assert all(seconds > 0 for seconds in found[part]["seconds_by_part"].values())
