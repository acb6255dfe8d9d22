"""The same results in the same order, wherever the work is done and whatever happens to the workers."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import wait
from pathlib import Path

import pytest
from qa_engine.errors import QAEngineError
from qa_engine.executor import HERE, LocalExecutor, make_executor
from qa_engine.executor.local import LOST


class Squares:
    """A worker; it is made once per process, and leaves a note of that."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        if folder is not None:
            (folder / f"made-{os.getpid()}").touch()

    def square(self, x: int) -> int:
        return x * x

    def slow(self, x: int) -> int:
        if x == 0:
            time.sleep(0.3)
        return x * x

    def refuse(self, x: int) -> int:
        if x == 3:
            raise QAEngineError("three is refused")
        return x

    def die_elsewhere(self, x: int) -> int:
        if self.folder is not None and x % 5 == 2 and not (self.folder / f"made-{os.getpid()}.first").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return x * x


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_order_and_workers_are_made_once(tmp_path, workers):
    with LocalExecutor(workers).crew(Squares, tmp_path) as crew:
        assert list(crew.map("slow", range(20))) == [x * x for x in range(20)]
        beside = [crew.submit("square", x) for x in range(5)]
        assert list(crew.map("square", iter([]))) == []
        assert list(crew.map("square", iter(range(7)))) == [x * x for x in range(7)]
        assert [future.result() for future in beside] == [0, 1, 4, 9, 16]
        assert list(crew.map("slow", range(40), run=4)) == [x * x for x in range(40)]
    assert len(list(tmp_path.iterdir())) <= workers


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_work_is_the_error_of_the_command(workers):
    with LocalExecutor(workers).crew(Squares) as crew, pytest.raises(QAEngineError, match="three is refused"):
        list(crew.map("refuse", range(10)))


def test_items_are_taken_as_they_are_needed():
    taken = []
    with HERE.crew(Squares) as crew:
        results = crew.map("square", (taken.append(x) or x for x in range(1000)))
        next(results)
        assert len(taken) < 5


@pytest.mark.parametrize("workers", [2, 3])
def test_a_worker_that_is_killed_costs_no_result(tmp_path, workers):
    said = []
    (tmp_path / f"made-{os.getpid()}.first").touch()  # this process is not the one that dies
    with LocalExecutor(workers, said.append).crew(Squares, tmp_path) as crew:
        beside = []
        results = []
        for x, result in zip(range(400), crew.map("die_elsewhere", range(400), run=workers), strict=True):
            results.append(result)
            if x % 50 == 0:
                time.sleep(0.2)  # until the others are there
                beside.append(crew.submit("die_elsewhere", x + 2))
        wait(beside)
        assert results == [x * x for x in range(400)]
        assert [future.result() for future in beside] == [(x + 2) ** 2 for x in range(0, 400, 50)]
    assert said == [LOST]


def no_thread(*_):
    raise RuntimeError("can't start new thread")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("where", ["start", "add_call_item_to_queue"])
def test_a_pool_without_memory_for_its_threads_is_not_waited_for(monkeypatch, where):
    monkeypatch.setattr("qa_engine.executor.local.LOOK_S", 0.05)
    monkeypatch.setattr(f"concurrent.futures.process._ExecutorManagerThread.{where}", no_thread)
    said = []
    with LocalExecutor(2, said.append).crew(Squares) as crew:
        beside = crew.submit("square", 12)
        assert list(crew.map("square", range(10))) == [x * x for x in range(10)]
        assert beside.result() == 144
    assert said == [LOST]


def test_workers_do_not_outlive_a_first_process_that_is_killed(tmp_path):
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_executor import Squares
from qa_engine.executor import LocalExecutor
if __name__ == "__main__":
    with LocalExecutor(2).crew(Squares, Path({str(tmp_path)!r})) as crew:
        crew.submit("square", 1).result()
        Path({str(tmp_path)!r}, "ready").touch()
        time.sleep(60)
"""
    script = tmp_path / "first.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 60
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    others = [int(path.name.removeprefix("made-")) for path in tmp_path.glob("made-*")]
    assert others
    while any(_alive(pid) for pid in others if pid != process.pid):
        assert time.monotonic() < deadline, "a worker is left"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, FileNotFoundError):
        return False


def test_ray_that_is_missing_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(QAEngineError, match=r"pip install qa-engine\[ray\]"), make_executor(2, "local").crew(Squares):
        pass


@pytest.mark.slow
def test_ray_gives_the_same_bytes(call, write_vsi, vsi_entry, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="qa-engine[ray] is not installed")
    monkeypatch.setattr("qa_engine.generation.run.SCENES_PER_BATCH", 2)
    source = write_vsi({f"scene {k}": vsi_entry for k in range(7)})
    for name, where in {"here": (), "ray": ("--workers", 2, "--ray-address", "local")}.items():
        store, asked = tmp_path / f"store_{name}", tmp_path / f"questions_{name}"
        assert call("ingest", "vsi-bench", source, "--out", store, *where) == 0
        assert call("generate", tmp_path / "store_here", "--out", asked, "--count", 15, *where) == 0
        assert call("verify", store, asked, *where) == 0
        assert call("answer", store, asked, "--out", tmp_path / f"{name}.parquet", *where) == 0
        train = tmp_path / f"train_{name}"
        assert (
            call("export", asked, "--store", store, "--format", "trl", "--trace", "text", "--out", train, *where) == 0
        )
    train = [(tmp_path / f"train_{name}" / "train.jsonl").read_bytes() for name in ("here", "ray")]
    assert train[0] == train[1]
    for left, right in (("store_here", "store_ray"), ("questions_here", "questions_ray")):
        for path in (tmp_path / left).glob("*.parquet"):
            assert path.read_bytes() == (tmp_path / right / path.name).read_bytes(), path.name
    assert (tmp_path / "here.parquet").read_bytes() == (tmp_path / "ray.parquet").read_bytes()
