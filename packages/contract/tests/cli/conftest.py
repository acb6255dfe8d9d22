"""The made-up program, called in this process or as a process of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

collect_ignore = ["program"]  # pytest would import its modules a second time, under other names
PROGRAM = Path(__file__).parent / "program"


@pytest.fixture
def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "FORCE_COLOR")}
    return kept | {"PYTHONPATH": str(PROGRAM), "COLUMNS": "80", "TERM": "xterm-256color"}


@pytest.fixture
def toy(environment) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the program on words, as a process; `space` limits its addresses, bytes."""

    def start(
        *words: object, cwd: Path | None = None, space: int = resource.RLIM_INFINITY
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(PROGRAM / "toy.py"), *map(str, words)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment,
            cwd=cwd,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (space, resource.RLIM_INFINITY)),
        )

    return start


@pytest.fixture
def toy_module(monkeypatch):
    """Give the program's module."""
    monkeypatch.syspath_prepend(str(PROGRAM))
    monkeypatch.setenv("COLUMNS", "80")
    import toy

    return toy
