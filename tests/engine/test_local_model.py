"""The engine's proposer runs the weights that ship with the trainer: nonsense, counted, and the same from the cache."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

pytest.importorskip("transformers")

ENGINE = Path(sys.executable).parent / "qa-engine"


def run(*words):
    return subprocess.run([str(ENGINE), *map(str, words)], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_nonsense_of_a_real_model_is_counted(tmp_path):
    store, tiny = tmp_path / "store", Path(str(files("qa_trainer") / "tiny" / "bases" / "tiny"))
    assert run("ingest", "rooms", "--out", store, "--scenes", 1, "--frames-per-scene", 1, "--size", 64).returncode == 0
    assert run("sample-frames", store, "--frames", 1).returncode == 0
    words = ("propose", store, "--local-model", tiny, "--max-tokens", 4, "--workers", 1)
    found = run(*words, "--out", tmp_path / "q")
    assert found.returncode == 0, found.stderr
    assert "bad_reply 1" in found.stderr
    manifest = json.loads((tmp_path / "q" / "manifest.json").read_text())
    assert manifest["usage"]["requests"] == 2  # one repair
    assert manifest["usage"]["prompt_tokens"] > 2000
    again = run(*words, "--out", tmp_path / "again", "--cache", tmp_path / "q.cache")
    assert again.returncode == 0
    assert "0 sent" in again.stderr
    for name in ("questions.parquet", "rejects.parquet"):
        assert (tmp_path / "q" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
