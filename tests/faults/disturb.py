"""Commands as processes that can be disturbed, and comparison by bytes."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ENGINE = "from qa_engine.cli import main; main()"
ROOMS = ("ingest", "rooms", "--scenes", 40, "--frames-per-scene", 2, "--size", 32, "--seed", 3)
ASK = ("--count", 120, "--seed", 1)

Limit = Callable[[], None]
"""Runs in a process that is about to start."""


def start(*words: object, limit: Limit | None = None) -> subprocess.Popen[str]:
    """Start a command of the engine in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", ENGINE, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
        start_new_session=True,
    )


def run(*words: object, limit: Limit | None = None) -> tuple[int, str]:
    """Run a command of the engine; give exit code and stderr."""
    process = start(*words, limit=limit)
    _, err = process.communicate(timeout=300)
    return process.returncode, err


def at_most(kind: int, value: int) -> Limit:
    """Limit what a process may use, as of `resource`."""
    return lambda: resource.setrlimit(kind, (value, value))


def digests(folder: Path, *, but: tuple[str, ...] = ("manifest.json",)) -> dict[str, str]:
    """Hash all files of a folder, but those with times; hidden ones too, for nothing may be left behind."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in but
    }
