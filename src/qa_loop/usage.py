"""What the processes of a stage use: CPU time and memory, as the kernel counts them."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """CPU seconds and resident bytes of some processes at one moment."""

    cpu_s: float
    rss: int


def session_usage(leader: int) -> Usage | None:
    """Add up what the living processes of a session use; None where the system has no /proc.

    Parameters
    ----------
    leader : int
        Process that began the session.

    Notes
    -----
    Pages that processes share count in each of them, so `rss` is an upper bound.
    """
    if not (PROC / "self/stat").is_file():
        return None
    ticks, cpu, pages = os.sysconf("SC_CLK_TCK"), 0, 0
    for name in os.listdir(PROC):
        if name.isdigit():
            try:
                # The name in brackets may hold spaces; fields of proc(5) from the third on follow it.
                fields = (PROC / name / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue  # it has ended meanwhile
            if int(fields[3]) == leader:
                cpu += sum(map(int, fields[11:15]))
                pages += int(fields[21])
    return Usage(cpu / ticks, pages * os.sysconf("SC_PAGE_SIZE"))


def ended_children_s() -> float:
    """Give the CPU seconds of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
