"""The server of a run: started for a model, asked until it is healthy, watched, and ended with all that it started."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from qa_loop import child
from qa_loop.errors import QALoopError, StageError
from qa_loop.process import end_group, find_program
from qa_loop.progress import last_lines
from qa_loop.sections import ServeSection

HOST = "127.0.0.1"
HEALTH_TIMEOUT_S = 5.0
"""Seconds that one question after the server's health may take."""
LOOK_S = 0.2
LOG_LINES = 15


@dataclass
class Serving:
    """At most one server at a time, in the run's folder; use as a context, which ends it.

    However the loop ends, SIGKILL included, the server ends too: it runs below `qa_loop.child`, like a stage.

    Attributes
    ----------
    section : ServeSection
    folder : Path
        Of the run.
    lock : int
        Descriptor of the folder's lock, which the server's supervisor shares.
    """

    section: ServeSection
    folder: Path
    lock: int
    model: str = field(default="", init=False)
    url: str = field(default="", init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _lifeline: tuple[int, int] | None = field(default=None, init=False)

    def __enter__(self) -> Serving:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def ready(self, model: str, tick: Callable[[], None] = lambda: None) -> str:
        """Give the address, up to /v1, of a healthy server for a model; one for another model is ended first.

        Raises
        ------
        StageError
            It ended, or was not healthy in time; with the last lines of its log.
        QALoopError
            Its program is not installed, or the port is taken.
        """
        if self._process is not None and self.model == model:
            self.check()
            return self.url
        self.end()
        port = _free_port(self.section.port)
        self._start(model, port)
        deadline = time.monotonic() + self.section.timeout
        while not _is_healthy(port, self.section.health):
            tick()
            self.check()
            if time.monotonic() > deadline:
                raise self._failure(
                    f"did not answer {self.section.health} with 200 within {self.section.timeout:g} s, as [serve] "
                    "timeout says"
                )
            time.sleep(LOOK_S)
        self.check()  # something else may answer at the port
        return self.url

    def check(self) -> None:
        """Raise `StageError` where the server has ended."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise self._failure(f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}")

    def end(self) -> None:
        """End the server and everything that it started."""
        if self._process is not None:
            end_group(self._process)
            self._process = None
        if self._lifeline is not None:
            for handle in self._lifeline:
                os.close(handle)
            self._lifeline = None

    @property
    def log(self) -> Path:
        """Where the server's output goes, one file per model."""
        return self.folder / "logs" / f"serve-{re.sub(r'[^A-Za-z0-9._-]+', '-', self.model).strip('-')}.log"

    def _start(self, model: str, port: int) -> None:
        self.model, self.url = model, f"http://{HOST}:{port}/v1"
        words = [word.replace("{model}", model).replace("{port}", str(port)) for word in served_words(self.section)]
        program = find_program(words[0])
        self._lifeline = os.pipe()
        reading = self._lifeline[0]
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", child.__file__, str(reading), str(program), *words[1:]],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                pass_fds=(reading, self.lock),
                start_new_session=True,
            )

    def _failure(self, how: str) -> StageError:
        lines = last_lines(self.log, LOG_LINES)
        tail = "\n".join(f"  | {line}" for line in lines) or "  | (nothing)"
        return StageError(
            f"The server of {self.model} {how}. Its log, {self.log}, ends with:\n{tail}\n"
            f"Command: {self.section.command}\nCorrect it and start the same command again: nothing that was answered "
            "is asked again.",
            exit_code=1,
        )


def served_words(section: ServeSection) -> list[str]:
    """Split the command of a server; its program is looked for.

    Raises
    ------
    QALoopError
        It is not installed.
    """
    words = shlex.split(section.command)
    try:
        find_program(words[0])
    except QALoopError:
        raise QALoopError(
            f"serve.command: '{words[0]}' is not installed, neither beside {sys.executable} nor on the PATH."
        ) from None
    return words


def _free_port(wanted: int | None) -> int:
    """Find a port that nobody listens at: the one wanted, or any."""
    with socket.socket() as probe:
        # A port of a server that ended a moment ago counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted or 0))
        except OSError as error:
            raise QALoopError(
                f"serve.port: {wanted} cannot be used ({error.strerror}). Leave the key out to take any free port."
            ) from None
        return probe.getsockname()[1]


def _is_healthy(port: int, path: str) -> bool:
    """Ask once."""
    connection = http.client.HTTPConnection(HOST, port, timeout=HEALTH_TIMEOUT_S)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        return connection.getresponse().status == 200
    return False
