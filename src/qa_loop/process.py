"""Start stage commands, one at a time, and never leave one behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qa_contract.errors import FileError

from qa_loop import child
from qa_loop.errors import QALoopError
from qa_loop.usage import ended_children_s, session_usage

GRACE_S = 5.0
"""Time that a stopped stage has between SIGTERM and SIGKILL, and that a killed loop's stage has to be gone."""
LOOK_S = 0.5
"""Seconds between two looks at what a command uses."""
BUSY = 0.002
"""Share of one core from which on a command counts as alive."""


def find_program(name: str) -> Path:
    """Find a stage command beside the running Python, or in the folder named by `QA_LOOP_BIN`.

    Raises
    ------
    QALoopError
        The command is not installed there.
    """
    folder = Path(os.environ.get("QA_LOOP_BIN") or Path(sys.executable).parent)
    program = folder / name
    if not program.is_file() and not name.startswith("qa-") and (elsewhere := shutil.which(name)):
        return Path(elsewhere)  # a launcher
    if not program.is_file():
        raise QALoopError(
            f"'{name}' is not in {folder}. Install the package that brings it (uv sync), "
            "or set QA_LOOP_BIN to the folder that holds the four commands."
        )
    return program


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[int]:
    """Hold the folder for this loop; gives the lock's file descriptor, which running stages share.

    Raises
    ------
    QALoopError
        Another loop, or a stage that it started, is still at work in the folder.
    """
    path = folder / ".lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        # The stage of a loop that was killed a moment ago may need this time to be gone.
        deadline = time.monotonic() + GRACE_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    owner = os.pread(handle, 64, 0).decode(errors="replace").strip() or "unknown"
                    raise QALoopError(
                        f"{folder}: another qa-loop works here (process {owner}). Wait for it, or stop it first."
                    ) from None
                time.sleep(0.1)
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise FileError(f"{path}: cannot be written ({error.strerror}).") from error
        yield handle
    finally:
        os.close(handle)


def folder_is_locked(folder: Path) -> bool:
    """Tell whether a loop is at work in the folder."""
    try:
        handle = os.open(folder / ".lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@dataclass(frozen=True)
class Limits:
    """When a command is ended.

    Attributes
    ----------
    whole_s : float or None
        Seconds that it may take at all.
    silent_s : float or None
        Seconds without a sign of life: it uses no CPU (below `BUSY`) and its log does not grow.
    """

    whole_s: float | None = None
    silent_s: float | None = None


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it used.

    Attributes
    ----------
    code : int
        Exit code, negative for a signal.
    cpu_s : float
        CPU seconds of all its processes.
    peak_mb : float or None
        Most memory that its processes held at one time, MB (1e6 bytes), looked at every `LOOK_S`; None without /proc.
    limit : str
        The limit that ended it, as a half sentence; empty where none did.
    """

    code: int
    cpu_s: float = 0.0
    peak_mb: float | None = None
    limit: str = ""


class _Watch:
    """Looks at a running command now and then: is it alive, how much memory does it hold."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, limits: Limits) -> None:
        self.process, self.log, self.limits = process, log, limits
        self.began = self.looked = self.alive = time.monotonic()
        self.cpu_s, self.size, self.peak = 0.0, self._size(), None

    def look(self) -> str:
        """Say which limit is reached, if any."""
        now = time.monotonic()
        if self.limits.whole_s is not None and now - self.began > self.limits.whole_s:
            return f"was ended after {self.limits.whole_s:g} s, as [run] stage_timeout says"
        if now - self.looked < LOOK_S:
            return ""
        self.looked, size = now, self._size()
        usage = session_usage(self.process.pid)
        if usage is not None:
            self.peak = max(self.peak or 0, usage.rss)
        # Idle threads of a runtime use a little; the sum falls when a process ends. Without /proc the log alone tells.
        used = 0.0 if usage is None else usage.cpu_s - self.cpu_s
        if used > BUSY * (now - self.alive) or used < 0 or size != self.size:
            self.alive, self.size = now, size
            self.cpu_s = 0.0 if usage is None else usage.cpu_s
        if self.limits.silent_s is not None and now - self.alive > self.limits.silent_s:
            return (
                f"was ended after {self.limits.silent_s:g} s without a sign of life (no CPU time, no new line in its "
                "log), as [run] heartbeat says"
            )
        return ""

    def _size(self) -> int:
        try:
            return self.log.stat().st_size
        except OSError:
            return 0


def run_command(
    command: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    lock: int,
    tick: Callable[[], None],
    limits: Limits = Limits(),
    poll_s: float = 0.1,
) -> Ended:
    """Run a command with its output in `log`.

    Parameters
    ----------
    command : sequence of str
        The first word is looked up by `find_program`.
    cwd, log : Path
        Working folder; the log gets appended to.
    lock : int
        Descriptor of the folder's lock, shared with the command's supervisor.
    tick : callable
        Called about every `poll_s` seconds.
    limits : Limits
        A command that reaches one is ended with everything it started.
    """
    program, arguments = find_program(command[0]), command[1:]
    before = ended_children_s()
    reading, writing = os.pipe()
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", child.__file__, str(reading), str(program), *arguments],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                pass_fds=(reading, lock),
                start_new_session=True,
            )
        watch, limit = _Watch(process, log, limits), ""
        try:
            while process.poll() is None and not limit:
                tick()
                limit = watch.look()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(poll_s)
        finally:
            end_group(process)
        peak_mb = None if watch.peak is None else round(watch.peak / 1e6, 1)
        return Ended(process.returncode, round(ended_children_s() - before, 3), peak_mb, limit)
    finally:
        os.close(reading)
        os.close(writing)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the command's process group: SIGTERM first, SIGKILL after a while."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
