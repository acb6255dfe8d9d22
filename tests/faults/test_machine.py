"""The machine gives no more: disk, file size, open files, memory; a second process; a clock that goes back."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from disturb import ASK, ROOMS, at_most, digests, run, start
from qa_engine.cli import app
from typer.testing import CliRunner

from qa_loop import manifest
from qa_loop.config import load_config
from qa_loop.errors import StageError
from qa_loop.run import run_loop

STARVED = {
    "file size": (at_most(resource.RLIMIT_FSIZE, 4096), "larger than files may be here"),
    "open files": (at_most(resource.RLIMIT_NOFILE, 7), "too many open files"),
}


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk of so many bytes."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no tmpfs may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("kind", STARVED)
def test_a_command_that_is_starved_says_of_what_and_leaves_nothing(undisturbed, tmp_path, kind):
    limit, said = STARVED[kind]
    words = ("generate", undisturbed / "store", "--out", tmp_path / "questions", *ASK)
    code, err = run(*words, limit=limit)
    assert code in (1, 2), err
    assert said in err.lower()
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_memory_that_is_short_is_said_and_the_next_start_is_whole(undisturbed, tmp_path, monkeypatch):
    words = ["generate", str(undisturbed / "store"), "--out", str(tmp_path / "questions"), *map(str, ASK)]

    def full(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("qa_engine.generation.worker.Worker.write", full)
        result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "The memory is full" in result.stderr
    assert not list(tmp_path.iterdir())
    assert CliRunner().invoke(app, words).exit_code == 0
    assert digests(tmp_path / "questions") == digests(undisturbed / "questions")


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(tmp_path, undisturbed):
    with small_disk(tmp_path / "disk", "200k") as disk:
        words = (*ROOMS, "--out", disk / "store")
        code, err = run(*words)
        assert code == 2, err
        assert any(
            text in err for text in ("No space left on device", "no space left on the disk", "Is the disk full?")
        )
        assert "Traceback" not in err
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        assert run(*words)[0] == 0
        for table in ("scenes", "objects", "frames", "rejects"):
            name = f"store/{table}.parquet"
            assert (disk / name).read_bytes() == (undisturbed / name).read_bytes()


@pytest.mark.parametrize("size", ["16k", "96k"])
def test_a_loop_on_a_full_disk_ends_without_a_traceback_and_goes_on(fakes, finished_run, tmp_path, size):
    with small_disk(tmp_path / "disk", size) as disk:
        first = fakes.run("run", fakes.config, "--out", disk / "run")
        assert first.returncode in (1, 2), first.stderr
        assert "error:" in first.stderr
        assert "fault of the program" not in first.stderr, first.stderr
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        again = fakes.run("run", fakes.config, "--out", disk / "run")
        assert again.returncode == 0, again.stderr
        for trace in finished_run.rglob("trace.txt"):
            assert (disk / "run" / trace.relative_to(finished_run)).read_text() == trace.read_text()


def test_a_read_only_disk_is_named(fakes, finished_run, tmp_path, undisturbed):
    with small_disk(tmp_path / "disk", "50m") as disk:
        (disk / "run").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        result = fakes.run("run", fakes.config, "--out", disk / "run")
        assert result.returncode == 2
        assert str(disk / "run") in result.stderr
        assert "Traceback" not in result.stderr
        code, err = run("generate", undisturbed / "store", "--out", disk / "questions", *ASK)
        assert code == 2
        assert f"{disk / 'questions'}: " in err
        assert "Traceback" not in err


def test_two_ingests_of_one_store_do_not_mix(tmp_path, undisturbed):
    words = (*ROOMS, "--out", tmp_path / "store")
    both = [start(*words) for _ in range(2)]
    said: dict[int, str] = {}

    def listen(k: int) -> None:
        said[k] = both[k].communicate(timeout=300)[1]

    threads = [threading.Thread(target=listen, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 2], [0, 0]), said
    assert not any("Traceback" in text for text in said.values()), said
    if codes == [0, 2]:
        assert any("another ingest writes" in text or "is not empty" in text for text in said.values()), said
    for table in ("scenes", "objects", "frames", "rejects"):
        name = f"{table}.parquet"
        assert (tmp_path / "store" / name).read_bytes() == (undisturbed / "store" / name).read_bytes()


def test_a_clock_that_goes_back_changes_nothing(fakes, finished_run, monkeypatch):
    out = fakes.folder / "out"
    fakes.fault("round_01_train", "exit 3")
    with pytest.raises(StageError):
        run_loop(load_config(fakes.config), out)
    for path in out.rglob("*"):  # written tomorrow, as the clock says now
        os.utime(path, (time.time() + 86400,) * 2)
    monkeypatch.setattr("qa_loop.run.now", lambda: "1999-12-31T23:59:59+00:00")
    run_loop(load_config(fakes.config), out)
    assert manifest.load_manifest(out).stages["round_02-blind"].end == "1999-12-31T23:59:59+00:00"
    for trace in finished_run.rglob("trace.txt"):
        assert (out / trace.relative_to(finished_run)).read_text() == trace.read_text()
