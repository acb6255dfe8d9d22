"""Kills at random moments: the run that is started again ends as the undisturbed one, byte for byte."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from disturb import ASK, ROOMS, digests, run, start

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TIMED = ("manifest.json", ".lock", "report.html", "digests", "logs")


def tables_and_traces(out: Path) -> dict[str, str]:
    return {
        name: digest
        for name, digest in digests(out).items()
        if not set(Path(name).parts) & set(TIMED) and "pages" not in Path(name).parts
    }


def kill_the_loop(fakes, finished_run, *, kills: int, seed: int) -> None:
    rng, out = random.Random(seed), fakes.folder / "out"
    for _ in range(kills):
        process = fakes.start("run", fakes.config, "--out", out)
        time.sleep(rng.uniform(0.2, 1.6))
        process.send_signal(rng.choice(SIGNALS))
        _, err = process.communicate(timeout=120)
        # Before its handlers are there, a signal ends Python as it ends any program.
        assert process.returncode in (0, 1, 130, 143, *(-number for number in SIGNALS)), err
        assert "fault of the program" not in err
    last = fakes.run("run", fakes.config, "--out", out)
    assert last.returncode == 0, last.stderr
    assert tables_and_traces(out) == tables_and_traces(finished_run)


def test_seven_kills_of_a_loop(fakes, finished_run):
    kill_the_loop(fakes, finished_run, kills=7, seed=1)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(7))
def test_ten_kills_of_a_loop(fakes, finished_run, seed):
    kill_the_loop(fakes, finished_run, kills=10, seed=seed)


def kill_a_command(words, *, kills: int, rng: random.Random, longest_s: float) -> None:
    """Kill a command of the engine at random moments, all its processes or the first alone, then let it end."""
    for _ in range(kills):
        process = start(*words)
        time.sleep(rng.uniform(0.3, longest_s))
        if rng.random() < 0.5:
            os.killpg(process.pid, rng.choice(SIGNALS))
        else:
            process.send_signal(rng.choice(SIGNALS))
        _, err = process.communicate(timeout=120)
        if process.returncode == 0:
            return  # it was faster
        assert "fault of the program" not in err, err
    code, err = run(*words)
    assert code == 0 or "is not empty" in err or "exists" in err, err


def kill_the_engine(undisturbed, tmp_path, *, kills: int, seed: int) -> None:
    rng, store, asked = random.Random(seed), tmp_path / "store", tmp_path / "questions"
    many = ("--workers", 2)
    kill_a_command((*ROOMS, "--out", store, *many), kills=kills, rng=rng, longest_s=3)
    kill_a_command(("observe", store, *many), kills=kills, rng=rng, longest_s=2)
    shutil.copy(undisturbed / "store/frame_sets.parquet", store)
    assert digests(store) == digests(undisturbed / "store")
    kill_a_command(("generate", store, "--out", asked, *ASK, *many), kills=kills, rng=rng, longest_s=2)
    assert digests(asked) == digests(undisturbed / "questions")
    left = {path.name for path in tmp_path.iterdir()} - {"store", "questions"}
    assert all(name.startswith((".store.", ".questions.")) for name in left), "what a kill leaves goes with a later run"


def test_a_kill_of_each_command_of_the_engine(undisturbed, tmp_path):
    kill_the_engine(undisturbed, tmp_path, kills=1, seed=2)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(3))
def test_ten_kills_of_each_command_of_the_engine(undisturbed, tmp_path, seed):
    kill_the_engine(undisturbed, tmp_path, kills=10, seed=seed)


def test_a_worker_that_is_lost_costs_nothing(undisturbed, tmp_path):
    process = start(*ROOMS, "--out", tmp_path / "store", "--workers", 2)
    killed, deadline = 0, time.monotonic() + 60
    while process.poll() is None and not killed and time.monotonic() < deadline:
        for pid in children(process.pid):
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
                killed += 1
        time.sleep(0.02)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    for name in ("scenes", "objects", "frames", "rejects"):
        path = f"store/{name}.parquet"
        assert (tmp_path / path).read_bytes() == (undisturbed / path).read_bytes()


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
