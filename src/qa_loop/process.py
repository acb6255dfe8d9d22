"""Start stage commands, one at a time, and never leave one behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from qa_contract.errors import FileError

from qa_loop import child
from qa_loop.errors import QALoopError

GRACE_S = 5.0
"""Time that a stopped stage has between SIGTERM and SIGKILL, and that a killed loop's stage has to be gone."""


def find_program(name: str) -> Path:
    """Find a stage command beside the running Python, or in the folder named by `QA_LOOP_BIN`.

    Raises
    ------
    QALoopError
        The command is not installed there.
    """
    folder = Path(os.environ.get("QA_LOOP_BIN") or Path(sys.executable).parent)
    program = folder / name
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


def run_command(
    command: Sequence[str], *, cwd: Path, log: Path, lock: int, tick: Callable[[], None], poll_s: float = 0.1
) -> int:
    """Run a command with its output in `log`; gives the exit code, negative for a signal.

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
    """
    program, arguments = find_program(command[0]), command[1:]
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
        try:
            while process.poll() is None:
                tick()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(poll_s)
        finally:
            _end_group(process)
        return process.returncode
    finally:
        os.close(reading)
        os.close(writing)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the command's process group: SIGTERM first, SIGKILL after a while."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
