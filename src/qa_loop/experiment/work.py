"""Do what the plan says, several units at a time; what is finished stays, what was begun goes on."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qa_contract.cli import Progress
from qa_contract.cli.progress import clock
from qa_contract.errors import UserError
from qa_contract.files import write_json

from qa_loop.errors import QALoopError
from qa_loop.experiment.unit import STEPS, Plan, Step, Unit, close_unit, damage, finished, remove
from qa_loop.offers import with_folder
from qa_loop.process import Limits, run_command
from qa_loop.progress import last_lines

LOG_LINES = 8
SHOWN_DAMAGE = 5


class _Stopped(Exception):
    """The experiment was asked to end while a unit was at work."""


class UnitError(QALoopError):
    """A step of a unit ended without its output."""


@dataclass
class Outcome:
    """How an experiment went.

    Attributes
    ----------
    done, before : int
        Units finished by this start, and by earlier ones.
    failed : dict of str to str
        Unit to what went wrong.
    skipped : list of str
        Units that read a failed one.
    """

    done: int = 0
    before: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def check_units(root: Path, plan: Plan, *, force: bool) -> set[str]:
    """Find the finished units, compare their files with their digests, and refuse those of other rules.

    Parameters
    ----------
    root : Path
    plan : Plan
    force : bool
        Remove units of other rules; they are done again.

    Returns
    -------
    set of str
        Names of the finished units.

    Raises
    ------
    QALoopError
        A unit was made by other rules, or its files are damaged.
    """
    done, other, damaged = set(), [], []
    for unit in plan.units:
        told = finished(root, unit)
        if told is None:
            continue
        if told["identity"] != plan.identity(unit):
            other.append(unit.name)
        elif found := damage(root, unit, told):
            damaged += found
        else:
            done.add(unit.name)
    if damaged:
        more = f"\n  and {len(damaged) - SHOWN_DAMAGE} more" if len(damaged) > SHOWN_DAMAGE else ""
        raise QALoopError(
            "Files of finished units are not as they were written:\n  "
            + "\n  ".join(damaged[:SHOWN_DAMAGE])
            + f"{more}\nRestore them from a copy, or remove the unit's folder: it is done again."
        )
    if other and not force:
        raise QALoopError(
            f"{root}: {len(other)} units were made by other rules, {other[0]} among them. Go on with the old file, "
            "choose another --out, or pass --force to do them again."
        )
    for name in other:
        remove(root / name)
    return done


def run_units(root: Path, plan: Plan, done: set[str], *, workers: int, limits: Limits, lock: int) -> Outcome:
    """Run every unit that is not done.

    Parameters
    ----------
    root : Path
    plan : Plan
    done : set of str
        Names of finished units; grows.
    workers : int
        Units at a time.
    limits : Limits
        Of every command.
    lock : int
        Descriptor of the folder's lock.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C or SIGTERM; running commands have been ended.
    """
    outcome = Outcome(before=len(done))
    waiting = [unit for unit in plan.units if unit.name not in done]
    stop, progress = threading.Event(), Progress("units")
    running: dict[concurrent.futures.Future[float], Unit] = {}
    state: dict[str, str] = {}

    def note() -> None:
        progress("experiment", len(done), len(plan.units), ", ".join(state.values()))

    with concurrent.futures.ThreadPoolExecutor(workers) as pool, _terminates():
        try:
            while waiting or running:
                lost = {*outcome.failed, *outcome.skipped}
                for unit in [unit for unit in waiting if lost.intersection(unit.needs)]:
                    waiting.remove(unit)
                    outcome.skipped.append(unit.name)
                    lost.add(unit.name)
                ready = [unit for unit in waiting if done.issuperset(unit.needs)]
                for unit in ready[: workers - len(running)]:
                    waiting.remove(unit)
                    work = _Work(root, unit, plan.identity(unit), limits, lock, stop, state)
                    running[pool.submit(work.run)] = unit
                ended, _ = concurrent.futures.wait(running, timeout=1.0, return_when="FIRST_COMPLETED")
                for future in ended:
                    unit = running.pop(future)
                    state.pop(unit.name, None)
                    _take(unit, future, done, outcome, progress.say)
                note()
        except BaseException:
            stop.set()
            raise
        finally:
            progress.close()
    return outcome


def _take(
    unit: Unit,
    future: concurrent.futures.Future[float],
    done: set[str],
    outcome: Outcome,
    say: Callable[[str], None],
) -> None:
    """Take over how a unit ended."""
    try:
        seconds = future.result()
    except UnitError as error:
        outcome.failed[unit.name] = str(error)
        say(f"{unit.name}  failed: {error}")
        return
    done.add(unit.name)
    outcome.done += 1
    say(f"{unit.name}  {clock(seconds)}")


@dataclass
class _Work:
    """One unit at work, in a thread; the commands are processes."""

    root: Path
    unit: Unit
    identity: str
    limits: Limits
    lock: int
    stop: threading.Event
    state: dict[str, str]

    def run(self) -> float:
        """Do the steps that are not done; give the seconds that all steps took."""
        folder = self.root / self.unit.name
        told = self._begun(folder)
        for step in self.unit.steps:
            known = told.get(step.name)
            if known is not None and known["identity"] == step.identity and step.complete(self.root):
                continue
            if known is not None or not step.resumes:
                remove(self.root / step.out)
            self.state[self.unit.name] = f"{self.unit.name} {step.name}"
            began = time.monotonic()
            code = self._do(step)
            told[step.name] = {"identity": step.identity, "seconds": round(time.monotonic() - began, 3), "code": code}
            write_json(folder / STEPS, {"unit": self.identity, "steps": told})
        steps = [{"name": step.name, "command": list(step.argv), **told[step.name]} for step in self.unit.steps]
        close_unit(self.root, self.unit, self.identity, steps)
        return sum(step["seconds"] for step in steps)

    def _begun(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Read what an earlier start did of this unit; begin anew where it was made of something else."""
        try:
            told = json.loads((folder / STEPS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            told = {}
        if told.get("unit") == self.identity:
            return told["steps"]
        remove(folder)
        folder.mkdir(parents=True)
        write_json(folder / STEPS, {"unit": self.identity, "steps": {}})
        return {}

    def _do(self, step: Step) -> int:
        if self.stop.is_set():
            raise _Stopped
        (self.root / step.out).parent.mkdir(parents=True, exist_ok=True)
        if step.make is not None:
            try:
                step.make(self.root)
            except UserError as error:
                raise UnitError(f"{step.name}: {error}") from error
            return 0
        log = self.root / "logs" / f"{self.unit.name.replace('/', '.')}.log"
        ended = run_command(
            with_folder(step.argv), cwd=self.root, log=log, lock=self.lock, tick=self._tick, limits=self.limits
        )
        if ended.limit or ended.code not in (0, 1) or not step.complete(self.root):
            how = ended.limit or f"ended with {ended.code}"
            tail = "\n".join(f"  | {line}" for line in last_lines(log, LOG_LINES))
            raise UnitError(f"{step.name} {how}; {log} ends with:\n{tail}\nCommand: {' '.join(step.argv)}")
        return ended.code

    def _tick(self) -> None:
        if self.stop.is_set():
            raise _Stopped


def rules_of(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Give a configuration without the keys that change nothing but the speed."""
    fast = ("workers", "heartbeat", "stage_timeout")
    run = {key: value for key, value in resolved["run"].items() if key not in fast}
    return {**resolved, "run": run}


def environment(threads: int) -> None:
    """Give every process that is started so many threads."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ[name] = str(threads)


class _terminates:
    """Turn SIGTERM into the exception of Ctrl-C, so that running commands are ended first."""

    def __enter__(self) -> None:
        def stop(signum: int, frame: object) -> None:
            raise KeyboardInterrupt

        self.before = signal.signal(signal.SIGTERM, stop)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self.before)
