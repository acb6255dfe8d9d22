"""Look at the machine before a run: what is there, what is missing, what to do first."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qa_loop import facts
from qa_loop.errors import QALoopError
from qa_loop.process import find_program

PROGRAMS = ("qa-engine", "qa-trainer", "qa-confidence", "qa-eval")
DATA_VARIABLE = "SPATIAL_QA_DATA"
MIN_MEMORY_GB = 4.0
"""The demo's largest stage holds under 2 GB; the rest is for the system."""
MIN_DISK_GB = 2.0
"""The demo writes under 0.5 GB."""
MIN_PYTHON, NEXT_PYTHON = (3, 11), (3, 13)


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes
    ----------
    state : str
        `fail` stops a run, `note` limits it.
    fix : str
        What to do; empty where nothing is to be done.
    """

    name: str
    state: Literal["ok", "note", "fail"]
    found: str
    fix: str = ""


def examine(folder: Path) -> list[Check]:
    """Run every check; `folder` is where a run would be written."""
    checks: list[Callable[[], Check]] = [_python, _packages, _programs, _cores, _memory, _gpu, _data]
    return [*(check() for check in checks), _disk(folder)]


def first_fix(checks: list[Check]) -> str:
    """Say what to do first; notes do not stop a run.

    Examples
    --------
    >>> first_fix([Check("gpu", "note", "none", "use the tiny model"), Check("disk", "fail", "0 GB", "free 2 GB")])
    'free 2 GB'
    """
    fixes = [check.fix for check in checks if check.state == "fail"]
    return fixes[0] if fixes else "nothing to fix; try: qa-loop demo"


def _python() -> Check:
    found = facts.versions()["python"]
    if MIN_PYTHON <= sys.version_info[:2] < NEXT_PYTHON:
        return Check("python", "ok", found)
    return Check("python", "fail", found, "use Python 3.11 or 3.12: uv python install 3.11")


def _packages() -> Check:
    found = facts.versions()
    missing = [name for name in facts.PACKAGES if name not in found]
    text = ", ".join(f"{name} {version}" for name, version in found.items() if name != "python")
    if missing:
        return Check("packages", "fail", text, f"install {', '.join(missing)}: uv sync")
    return Check("packages", "ok", text)


def _programs() -> Check:
    missing: list[str] = []
    for name in PROGRAMS:
        try:
            find_program(name)
        except QALoopError:
            missing.append(name)
    if missing:
        return Check("commands", "fail", f"{', '.join(missing)} not found", "uv sync, or set QA_LOOP_BIN")
    return Check("commands", "ok", ", ".join(PROGRAMS))


def _cores() -> Check:
    return Check("cores", "ok", str(facts.cores()))


def _memory() -> Check:
    found = facts.memory_gb()
    if found < MIN_MEMORY_GB:
        return Check("memory", "fail", f"{found:g} GB", f"use a machine with {MIN_MEMORY_GB:g} GB or more")
    return Check("memory", "ok", f"{found:g} GB")


def _gpu() -> Check:
    found = facts.gpus()
    if found:
        return Check("gpu", "ok", "; ".join(found))
    return Check("gpu", "note", "none visible", "stay with the tiny model here (qa-loop demo); larger ones need a GPU")


def _data() -> Check:
    value = os.environ.get(DATA_VARIABLE)
    if not value:
        fix = f"to use real scans: export {DATA_VARIABLE}=/path/to/data"
        return Check(DATA_VARIABLE, "note", "not set (the demo does not need it)", fix)
    if not Path(value).is_dir():
        return Check(DATA_VARIABLE, "fail", f"{value} is not a folder", f"correct or unset {DATA_VARIABLE}")
    return Check(DATA_VARIABLE, "ok", value)


def _disk(folder: Path) -> Check:
    there = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    found = f"{free:.1f} GB free at {there}"
    if free < MIN_DISK_GB:
        return Check("disk", "fail", found, f"free {MIN_DISK_GB:g} GB at {there}, or choose another --out")
    return Check("disk", "ok", found)
