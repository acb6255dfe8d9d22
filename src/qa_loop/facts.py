"""Versions and machine facts, read without importing the packages."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from typing import Any

PACKAGES = ("qa-loop", "qa-engine", "qa-trainer", "qa-confidence", "qa-eval")
LIBRARIES = ("torch", "transformers", "trl", "accelerate", "numpy", "polars", "duckdb", "open3d-cpu")


def versions() -> dict[str, str]:
    """Give the version of Python, of our packages and of the libraries that decide results, where installed."""
    found = {"python": platform.python_version()}
    for name in (*PACKAGES, *LIBRARIES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def host() -> dict[str, Any]:
    """Give system, cores, threads, memory in GB and GPU names; nothing that names the machine or its user.

    `threads` is OMP_NUM_THREADS where it is set: another number of threads changes the last digits of a model.
    """
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "memory_gb": memory_gb(),
        "gpus": gpus(),
    }


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gb() -> float:
    """Give the machine's memory in GB (1e9 bytes)."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)


def gpus() -> list[str]:
    """List the NVIDIA GPUs that the driver reports."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        result = subprocess.run(
            [program, "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in result.stdout.splitlines() if line.strip()]
