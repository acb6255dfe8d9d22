"""Progress of a run on stderr: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from qa_loop.stages import Stage

HEARTBEAT_S = 60.0
"""Where stderr is not a terminal, a long stage is mentioned this often."""
LIVE_S = 0.5


class Progress:
    """Says which stage runs, how far the run is, and how long it may take.

    Parameters
    ----------
    stages : sequence of Stage
        The whole plan.
    stream : file, optional
        Default: stderr.
    """

    def __init__(self, stages: Sequence[Stage], *, folder: Path, stream: TextIO | None = None):
        self.stages = list(stages)
        self.folder = folder
        self.stream = sys.stderr if stream is None else stream
        self.live = self.stream.isatty()
        self.seconds: dict[str, list[float]] = {}
        self.started = time.monotonic()
        self.stage_started = self.started
        self.last_sign = self.started
        self.width = max(len(stage.name) for stage in self.stages)

    def known(self, stage: Stage, seconds: float) -> None:
        """Take the time of a stage that is already done."""
        self.seconds.setdefault(stage.kind, []).append(seconds)

    def start(self, stage: Stage) -> None:
        """Say that a stage begins."""
        self.stage_started = self.last_sign = time.monotonic()
        if self.live:
            self._draw(stage)

    def tick(self, stage: Stage) -> None:
        """Refresh the live line, or give a sign of life."""
        now = time.monotonic()
        if now - self.last_sign < (LIVE_S if self.live else HEARTBEAT_S):
            return
        self.last_sign = now
        if self.live:
            self._draw(stage)
        else:
            self._line(f"{self._head(stage)}  {clock(now - self.stage_started)}  {last_line(self.folder / stage.log)}")

    def finish(self, stage: Stage, *, seconds: float, rows: int | None, lost: bool) -> None:
        """Say that a stage is done."""
        self.known(stage, seconds)
        count = "" if rows is None else f"{rows:>8,} rows of {stage.table}"
        note = "  ROWS ARE MISSING, see " + stage.log if lost else ""
        self._line(f"{self._head(stage)}  {seconds:6.1f} s  {count}{self._left(stage)}{note}")

    def skip(self, stage: Stage) -> None:
        """Say that a stage was finished earlier."""
        self._line(f"{self._head(stage)}  done before")

    def left_s(self, stage: Stage) -> float | None:
        """Estimate the seconds after `stage`, from the stages of the same kinds; None until each kind was seen."""
        rest = self.stages[self.stages.index(stage) + 1 :]
        if not rest or any(later.kind not in self.seconds for later in rest):
            return None
        return sum(sum(self.seconds[later.kind]) / len(self.seconds[later.kind]) for later in rest)

    def _head(self, stage: Stage) -> str:
        number = self.stages.index(stage) + 1
        return f"[{number:>{len(str(len(self.stages)))}}/{len(self.stages)}] {stage.name:<{self.width}}"

    def _left(self, stage: Stage) -> str:
        left = self.left_s(stage)
        elapsed = f"  elapsed {clock(time.monotonic() - self.started)}"
        return elapsed if left is None else f"{elapsed}  left about {clock(left)}"

    def _draw(self, stage: Stage) -> None:
        text = f"{self._head(stage)}  {clock(time.monotonic() - self.stage_started)}{self._left(stage)}"
        tail = last_line(self.folder / stage.log)
        self.stream.write(f"\r\x1b[K{text}  {tail}"[:160])
        self.stream.flush()

    def _line(self, text: str) -> None:
        self.stream.write(("\r\x1b[K" if self.live else "") + text.rstrip() + "\n")
        self.stream.flush()


def clock(seconds: float) -> str:
    """Write a duration as `m:ss`, or `h:mm:ss` from an hour on.

    Examples
    --------
    >>> clock(75), clock(3725)
    ('1:15', '1:02:05')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def last_lines(log: Path, n: int, *, limit: int = 4096) -> list[str]:
    """Give the last `n` lines of a log that are not empty; of a line drawn over and over, the last state."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - limit))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
    return [line for line in lines if line][-n:]


def last_line(log: Path) -> str:
    """Give the last line of a log, printable and short."""
    lines = last_lines(log, 1)
    return "".join(c for c in lines[0].strip() if c.isprintable())[:80] if lines else ""
