"""Progress of a run on stderr: a line per stage that ended, and how far the run is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from qa_contract.cli import Progress
from qa_contract.cli.progress import clock

from qa_loop.stage import Stage


class RunProgress:
    """Says which stage runs, how far the run is, and how long it may take.

    Parameters
    ----------
    name : str
        Of the run.
    stages : sequence of Stage
        All of them, in order.
    folder : Path
        Of the run; the last line of the running stage's log is shown.
    stream : file, optional
        Default: stderr.
    """

    def __init__(self, name: str, stages: Sequence[Stage], *, folder: Path, stream: TextIO | None = None):
        self.name = name
        self.plan(stages)
        self.width = max(len(stage.name) for stage in stages)
        self.folder = folder
        self.bars = Progress("stages", stream=stream)
        self.stage_started = time.monotonic()

    def plan(self, stages: Sequence[Stage]) -> None:
        """Take over which stages there are."""
        self.number = {stage.name: i for i, stage in enumerate(stages, 1)}

    def start(self, stage: Stage) -> None:
        """Say that a stage begins."""
        self.stage_started = time.monotonic()
        self.tick(stage)

    def tick(self, stage: Stage) -> None:
        """Show how far the run is; called all the while a stage runs."""
        seconds = clock(time.monotonic() - self.stage_started)
        note = f"{stage.name} {seconds}  {last_line(self.folder / stage.log)}".rstrip()
        self.bars(self.name, self.number[stage.name] - 1, len(self.number), note)

    def finish(self, stage: Stage, *, seconds: float, rows: int | None, lost: bool) -> None:
        """Say that a stage is done."""
        counted = "" if rows is None else f"{rows:>9,} rows"
        self.bars.say(f"{self._head(stage)}  {clock(seconds):>7}  {counted}{'  rows are missing' if lost else ''}")

    def skip(self, stage: Stage) -> None:
        """Say that a stage was done by an earlier start."""
        self.bars.say(f"{self._head(stage)}  done before")

    def complete(self) -> None:
        """Say that every stage is done."""
        of = len(self.number)
        self.bars(self.name, of, of)

    def _head(self, stage: Stage) -> str:
        of = len(self.number)
        return f"[{self.number[stage.name]:>{len(str(of))}}/{of}] {stage.name:<{self.width}}"


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
