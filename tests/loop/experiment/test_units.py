"""Units at work: order, stops, damage, other rules."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from qa_contract.errors import UserError

from qa_loop.errors import QALoopError
from qa_loop.experiment.unit import Plan, Step, Unit, finished
from qa_loop.experiment.work import check_units, run_units
from qa_loop.process import Limits, lock_folder


def unit(name: str, *needs: str, text: str = "made", fault: type[Exception] | None = None, drops: tuple = ()) -> Unit:
    """Two steps that write a file each; the second may fail."""

    def make(root: Path, part: str) -> None:
        if part == "b" and fault is not None:
            raise fault("it broke")
        inputs = "".join((root / need / "b").read_text() for need in needs)
        (root / name / part).write_text(f"{inputs}{text} {name} {part}\n")
        with (root / "calls").open("a") as calls:
            calls.write(f"{name}/{part}\n")

    steps = tuple(
        Step(part, f"{name}/{part}", make=lambda root, part=part: make(root, part), about={"text": text})
        for part in "ab"
    )
    return Unit(name, steps, needs, tuple(f"{name}/{part}" for part in drops))


def work(root: Path, *units: Unit, workers: int = 2, force: bool = False):
    plan = Plan(units)
    root.mkdir(exist_ok=True)
    (root / "logs").mkdir(exist_ok=True)
    with lock_folder(root) as lock:
        done = check_units(root, plan, force=force)
        return run_units(root, plan, done, workers=workers, limits=Limits(), lock=lock)


def calls(root: Path) -> list[str]:
    path = root / "calls"
    found = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def test_units_run_after_what_they_need_and_once(tmp_path):
    units = [unit("a"), unit("b", "a"), unit("c", "a"), unit("d", "b", "c", drops=("a",))]
    outcome = work(tmp_path, *units)
    assert (outcome.done, outcome.before, outcome.failed) == (4, 0, {})
    assert len(calls(tmp_path)) == 8
    assert not (tmp_path / "d/a").exists()  # nothing reads it later
    outcome = work(tmp_path, *units)
    assert (outcome.done, outcome.before) == (0, 4)
    assert calls(tmp_path) == []
    alone = tmp_path / "alone"
    work(alone, *units, workers=1)
    assert [(alone / u.name / "b").read_bytes() for u in units] == [
        (tmp_path / u.name / "b").read_bytes() for u in units
    ]


def test_a_failed_unit_stops_only_what_reads_it_and_goes_on_where_it_was(tmp_path):
    outcome = work(tmp_path, unit("a"), unit("b", "a", fault=UserError), unit("c", "b"), unit("d", "a"))
    assert (outcome.done, list(outcome.failed), outcome.skipped) == (2, ["b"], ["c"])
    assert "it broke" in outcome.failed["b"]
    calls(tmp_path)
    assert work(tmp_path, unit("a"), unit("b", "a"), unit("c", "b"), unit("d", "a")).done == 2
    assert calls(tmp_path) == ["b/b", "c/a", "c/b"]


def test_a_fault_of_the_program_is_not_hidden(tmp_path):
    with pytest.raises(ZeroDivisionError):
        work(tmp_path, unit("a", fault=ZeroDivisionError))


def test_damaged_files_are_named_and_nothing_is_read(tmp_path):
    work(tmp_path, unit("a"), unit("b", "a"))
    (tmp_path / "a/b").write_text("other")
    with pytest.raises(QALoopError, match=r"a/b differs from what the unit wrote"):
        work(tmp_path, unit("a"), unit("b", "a"))


def test_units_of_other_rules_are_refused_and_force_does_them_again_with_what_reads_them(tmp_path):
    work(tmp_path, unit("a"), unit("b", "a"), unit("c"))
    calls(tmp_path)
    other = (unit("a", text="changed"), unit("b", "a"), unit("c"))
    with pytest.raises(QALoopError, match="2 units were made by other rules, a among them"):
        work(tmp_path, *other)
    assert work(tmp_path, *other, force=True).done == 2
    assert calls(tmp_path) == ["a/a", "a/b", "b/a", "b/b"]
    assert "changed" in (tmp_path / "b/b").read_text()


def test_a_command_that_fails_tells_the_end_of_its_log(tmp_path, monkeypatch):
    program = tmp_path / "qa-fake"
    program.write_text(f"#!{sys.executable}\nprint('no such thing')\nraise SystemExit(2)\n")
    program.chmod(0o755)
    monkeypatch.setenv("QA_LOOP_BIN", str(tmp_path))
    step = Step("fake", "x/out", ("qa-fake", "do"))
    outcome = work(tmp_path / "root", Unit("x", (step,)), unit("a"))
    assert "ended with 2" in outcome.failed["x"]
    assert "| no such thing" in outcome.failed["x"]
    assert finished(tmp_path / "root", replace(unit("a"))) is not None
