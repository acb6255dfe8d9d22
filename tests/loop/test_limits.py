"""A stage that hangs is ended; one that works or speaks is not."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qa_loop import process
from qa_loop.cli import app
from qa_loop.manifest import load_manifest
from qa_loop.process import Limits, run_command

WORKS = "import time; end = time.monotonic() + 1.2\nwhile time.monotonic() < end: pass"
SPEAKS = "import time\nfor _ in range(12): print('.', flush=True); time.sleep(0.1)"
SLEEPS = "import time; time.sleep(60)"
CHILD_SLEEPS = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPS!r}])"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run Python code as a stage's command."""
    monkeypatch.setenv("QA_LOOP_BIN", str(Path(sys.executable).parent))
    monkeypatch.setattr(process, "LOOK_S", 0.05)

    def run(code: str, **limits: float):
        command = [Path(sys.executable).name, "-c", code]
        with (tmp_path / "lock").open("w") as lock:
            return run_command(
                command,
                cwd=tmp_path,
                log=tmp_path / "log",
                lock=lock.fileno(),
                tick=lambda: None,
                limits=Limits(**limits),
                poll_s=0.02,
            )

    return run


@pytest.mark.parametrize("code", [WORKS, SPEAKS])
def test_a_command_that_works_or_speaks_is_left_alone(run, code):
    ended = run(code, silent_s=0.6)
    assert (ended.code, ended.limit) == (0, "")


@pytest.mark.parametrize("code", [SLEEPS, CHILD_SLEEPS])
def test_a_command_without_a_sign_of_life_is_ended(run, code):
    began = time.monotonic()
    ended = run(code, silent_s=0.6)
    assert "0.6 s without a sign of life" in ended.limit
    assert ended.code < 0
    assert time.monotonic() - began < 50


def test_a_command_that_works_for_ever_meets_the_whole_limit(run):
    ended = run("while True: print('.', flush=True)", whole_s=0.5)
    assert "after 0.5 s, as [run] stage_timeout says" in ended.limit


def test_what_a_command_used_is_counted_with_its_children(run):
    spend = "import time\nx = bytearray(60_000_000)\nend = time.process_time() + 0.4\n"
    spend += "while time.process_time() < end: pass"
    ended = run(f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {spend!r}]).returncode)")
    assert ended.code == 0
    assert ended.cpu_s >= 0.4
    assert ended.peak_mb is None or ended.peak_mb > 60


def test_a_hung_stage_ends_the_run_and_the_next_start_goes_on(fakes):
    out = fakes.folder / "out"
    fakes.change("rounds = 2", "rounds = 2\nheartbeat = 0.7")
    fakes.fault("store", "hang")
    first = CliRunner().invoke(app, ["run", str(fakes.config), "--out", str(out)])
    assert first.exit_code == 1
    assert "Stage ingest was ended after 0.7 s without a sign of life" in first.stderr
    assert "Finished stages are kept" in first.stderr
    assert not (fakes.faults / "survived").exists()
    fakes.change("heartbeat = 0.7", "stage_timeout = 50")
    assert CliRunner().invoke(app, ["run", str(fakes.config), "--out", str(out)]).exit_code == 0
    record = load_manifest(out).stages["ingest"]
    assert (record.state, record.attempts) == ("done", 2)


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", '"soon"'])
@pytest.mark.parametrize("key", ["heartbeat", "stage_timeout"])
def test_a_limit_that_is_none_is_refused(fakes, key, value):
    fakes.change("rounds = 2", f"rounds = 2\n{key} = {value}")
    result = CliRunner().invoke(app, ["run", str(fakes.config), "--out", str(fakes.folder / "out")])
    assert result.exit_code == 2
    assert f"run.{key}" in result.stderr
