"""Progress on stderr: a bar on a terminal, at most one line a minute anywhere else.

Both show the same: what is done of how much, the rate, the time left. There is no thread: what is shown changes when
the work reports, so that worker processes can be forked at any time.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LINE_S = 60.0
"""Where stderr is not a terminal, a stage is mentioned this often."""
DRAW_S = 0.1
"""A terminal is drawn at most this often."""

_open: weakref.WeakSet[Progress] = weakref.WeakSet()


@dataclass
class Stage:
    """How far a stage is.

    Attributes
    ----------
    name, unit : str
        What is done, and what is counted.
    first : int
        Count at the first report: what an earlier run left done says nothing about the rate.
    began, shown : float
        Monotonic seconds.
    done : int
    of : int or None
        None where the total is not known.
    note : str
        A figure of the moment, such as the loss.
    bar : TaskID or None
        Its bar on a terminal.
    share, first_share : float or None
        Part of the work that is done, and that was at the first report, where what is counted differs in size.
    """

    name: str
    unit: str
    first: int
    began: float
    shown: float
    done: int
    of: int | None
    note: str = ""
    bar: TaskID | None = None
    share: float | None = None
    first_share: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether all is done."""
        return self.of is not None and self.done >= self.of

    def text(self, now: float) -> str:
        """Say how far the stage is, its rate, and the time left or taken."""
        seconds, new = now - self.began, self.done - self.first
        parts = [f"{self.done:,}{'' if self.of is None else f' of {self.of:,}'} {self.unit}"]
        if self.complete:
            return f"{parts[0]} in {clock(seconds)}"
        if new > 0 and seconds > 0:
            parts.append(rate(new / seconds))
            if self.of is not None:
                parts.append(f"{clock(seconds * self._left(self.of))} left")
        return ", ".join([*parts, *([self.note] if self.note else [])])

    def _left(self, of: int) -> float:
        """Tell what is left, as a multiple of what was done since the first report."""
        if self.share is None or self.share <= self.first_share:
            return (of - self.done) / (self.done - self.first)
        return (1 - self.share) / (self.share - self.first_share)


class Progress:
    """Progress of one command, over one or several stages.

    Call it with the name of a stage, what is done and of how much; a stage ends when all is done. It may be used as a
    context manager, which also ends stages that were not finished or whose total is unknown.

    Parameters
    ----------
    unit : str
        What is counted.
    stream : file, optional
        Default: stderr.

    Examples
    --------
    >>> import sys
    >>> with Progress("questions", stream=sys.stdout) as progress:
    ...     for done in range(3):
    ...         progress("verify", done, 2)
    verify: 2 of 2 questions in 0:00
    """

    def __init__(self, unit: str = "rows", *, stream: TextIO | None = None) -> None:
        self.unit = unit
        self.stream = sys.stderr if stream is None else stream
        self.live = self.stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
        self._stages: dict[str, Stage] = {}
        self._ended: set[str] = set()
        self._bars: Bars | None = None
        self._lock = threading.Lock()  # some work reports from several threads
        _open.add(self)

    def __enter__(self) -> Progress:
        """Show nothing yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the terminal clean."""
        self.close()

    def __call__(
        self, stage: str, done: int, of: int | None = None, note: str = "", *, share: float | None = None
    ) -> None:
        """Report how far a stage is.

        Parameters
        ----------
        stage : str
            What is done.
        done : int
            How much is done, what an earlier run did included.
        of : int, optional
            How much there is.
        note : str
            A figure of the moment.
        share : float, optional
            Part of all work that is done; decides the time left where what is counted differs in size.
        """
        with self._lock:
            now = time.monotonic()
            known = self._stages.get(stage)
            if known is None:
                if stage in self._ended and of is not None and done >= of:
                    return  # said before
                known = self._stages[stage] = Stage(
                    stage, self.unit, done, now, now, done, of, first_share=share or 0.0
                )
                if self.live:
                    self._draw(known, now)
            known.done, known.of, known.note, known.share = done, of, note, share
            if known.complete:
                self._finish(known, now)
            elif now - known.shown >= (DRAW_S if self.live else LINE_S):
                known.shown = now
                self._draw(known, now) if self.live else self._line(known, now)

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Give a callback `(done, of)` that reports to one stage."""
        return lambda done, of: self(name, done, of)

    def say(self, text: str) -> None:
        """Write a line above the bars."""
        if self._bars is None:
            print(text, file=self.stream, flush=True)
        else:
            self._bars.console.print(text, soft_wrap=True, markup=False, highlight=False)

    def close(self) -> None:
        """End what is open."""
        with self._lock:
            for stage in list(self._stages.values()):
                self._finish(stage, time.monotonic())
            _open.discard(self)

    def _finish(self, stage: Stage, now: float) -> None:
        self._draw(stage, now) if self.live else self._line(stage, now)
        del self._stages[stage.name]
        self._ended.add(stage.name)
        if self._bars is not None and not self._stages:
            self._bars.stop()  # shows the cursor again, even if nobody closes
            self._bars = None

    def _line(self, stage: Stage, now: float) -> None:
        print(f"{stage.name}: {stage.text(now)}", file=self.stream, flush=True)

    def _draw(self, stage: Stage, now: float) -> None:
        bars = self._bars
        if bars is None:
            bars = self._bars = _bars(self.stream)
            bars.start()
        if stage.bar is None:
            stage.bar = bars.add_task(stage.name, total=stage.of, told="")
        bars.update(stage.bar, completed=stage.done, total=stage.of, told=stage.text(now))
        bars.refresh()


def close_all() -> None:
    """End all progress that is shown; a program calls it before it says why it ends."""
    for progress in list(_open):
        progress.close()


def clock(seconds: float) -> str:
    """Write a duration as `m:ss`, or `h:mm:ss` from an hour on.

    Examples
    --------
    >>> clock(75), clock(3725)
    ('1:15', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def rate(per_second: float) -> str:
    """Write a rate so that the number is at least 1.

    Examples
    --------
    >>> rate(1234.5), rate(2.25), rate(0.05)
    ('1,234/s', '2.2/s', '20.0 s each')
    """
    if per_second < 1:
        return f"{1 / per_second:.1f} s each"
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def _bars(stream: TextIO) -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[told]}", markup=False),
        console=Console(file=stream),
        auto_refresh=False,
        redirect_stdout=False,  # data goes there
    )
