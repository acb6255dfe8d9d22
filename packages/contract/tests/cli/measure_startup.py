"""Seconds from start to end of the made-up program; run it as a script on an idle machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = Path(__file__).parent / "program"
RUNS = 20


def seconds(*words: str) -> list[float]:
    """Time runs of Python on `words`."""
    environment = os.environ | {"PYTHONPATH": str(PROGRAM), "COLUMNS": "80"}
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], env=environment, capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return times


if __name__ == "__main__":
    toy = str(PROGRAM / "toy.py")
    for title, *words in (
        ("python", "-c", "pass"),
        ("import typer", "-c", "import typer"),
        ("help of the program", toy, "--help"),
        ("help of a command", toy, "label", "--help"),
        ("help of a command with settings", toy, "sft", "--help"),
        ("a command with settings", toy, "sft", "--model", "m", "--out", "o"),
    ):
        found = seconds(*words)
        sys.stdout.write(f"{title:33} median {statistics.median(found):.3f} s, lowest {min(found):.3f} s\n")
