"""Run many programs in locked worker processes; a program that takes its worker down costs only itself."""

from __future__ import annotations

import json
import os
import pickle
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from qa_engine.errors import QAEngineError
from qa_engine.programs.language import DEFAULT_BUDGET, ProgramCode
from qa_engine.scenes.scene import Scene

if TYPE_CHECKING:
    from qa_engine.views.evidence import Evidence
    from qa_engine.views.recording import Recording
    from qa_engine.views.sightings import Sightings

BATCH = 64
"""Programs sent at once."""

GRACE_S = 3.0
"""Seconds beyond a program's own budget after which its worker is stopped."""

START_S = 120.0
"""Seconds that a worker may take to load."""

LONGEST_ANSWER = 8 * 2**20
"""Bytes of an answer; a worker that says more is stopped."""


@dataclass(frozen=True)
class Outcome:
    """What became of one program.

    Attributes
    ----------
    status : str
        `ok`, or a `ProgramCode`.
    value : float, int, str, bool, list or None
    type, unit : str or None
    steps : int or None
    detail : str
        Why there is no value, in words that help to repair the program.
    seconds : float
        Wall time.
    bounds : (low, high) or None
        Of a number, where the scene may be off.
    """

    status: str
    value: Any = None
    type: str | None = None
    unit: str | None = None
    steps: int | None = None
    detail: str = ""
    seconds: float = 0.0
    bounds: tuple[float, float] | None = None


class WorkerLostError(Exception):
    """A worker ended, said nothing in time, or said nonsense."""

    def __init__(self, code: ProgramCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class ProgramPool:
    """Worker processes for programs; use as a context.

    Parameters
    ----------
    workers : int
    profile : str
        What distances mean.
    sightings : callable, optional
        From the name of a scene to what its frames show, or None.
    evidence : callable, optional
        From a scene to what each of its frame sets shows.
    recording : callable, optional
        From a scene to its frames with their cameras and views, or None.

    Attributes
    ----------
    layers : list of str
        Layers of isolation that the workers have beside the interpreter; see `isolate`.

    Examples
    --------
    >>> import numpy as np
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair"]), size=np.ones((1, 3)),
    ...               center=np.zeros((1, 3)), rotation=np.eye(3)[None])
    >>> with ProgramPool() as pool:
    ...     [outcome.status for outcome in pool.run([(scene, ["count('chair')", "().__class__"])])[0]]
    ['ok', 'not_in_language']
    """

    def __init__(
        self,
        workers: int = 1,
        *,
        profile: str = "exact",
        sightings: Callable[[str], Sightings | None] = lambda name: None,
        evidence: Callable[[Scene], dict[str, Evidence]] = lambda scene: {},
        recording: Callable[[Scene], Recording | None] = lambda scene: None,
    ) -> None:
        self.profile = profile
        self._evidence = evidence
        self._recording = recording
        self._sightings = sightings
        self.layers: list[str] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._threads = ThreadPoolExecutor(workers)
        self._workers = [_Worker() for _ in range(workers)]

    def __enter__(self) -> ProgramPool:
        try:
            for worker in self._workers:
                self.layers = worker.wait_until_ready()
                self._idle.put(worker)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.stop()

    def run(
        self, work: Sequence[tuple[Scene, Sequence[str]]], *, progress: Callable[[int], None] = lambda n: None
    ) -> list[list[Outcome]]:
        """Run programs, grouped by scene; one scene is worked on in order, so results do not depend on the workers."""

        def one(scene: Scene, programs: Sequence[str]) -> list[Outcome]:
            worker = self._idle.get()
            try:
                told = scene, self.profile, self._columns(scene), self._evidence(scene), self._recording(scene)
                outcomes = list(worker.run(told, programs))
            finally:
                self._idle.put(worker)
            progress(len(outcomes))
            return outcomes

        return list(self._threads.map(lambda part: one(*part), work))

    def _columns(self, scene: Scene) -> tuple[Any, ...] | None:
        seen = self._sightings(scene.scene_name)
        if seen is None:
            return None
        return seen.time_s, seen.instance_id, seen.visible_px, seen.frame_time_s, seen.frame


class _Worker:
    """One process, started again when it is lost."""

    def __init__(self) -> None:
        self.process = self._start()
        self.waiting = b""
        self.ready = False

    def _start(self) -> subprocess.Popen[bytes]:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
        return subprocess.Popen(
            [sys.executable, "-P", "-B", "-m", "qa_engine.programs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | threads,
        )

    def stop(self) -> None:
        """End the process, at once."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue

    def wait_until_ready(self) -> list[str]:
        """Wait for the worker to load; returns its layers of isolation."""
        try:
            layers = self._read(START_S)["layers"]
        except (WorkerLostError, KeyError) as error:
            raise QAEngineError(f"A worker for programs does not start ({error}).") from error
        self.ready = True
        return layers

    def run(self, scene: object, programs: Sequence[str]) -> Iterator[Outcome]:
        """Run programs on one scene, told as the worker takes it."""
        todo, told, singly = list(programs), False, 0
        while todo:
            batch = todo[: 1 if singly else BATCH]
            done = 0
            try:
                if not told:
                    self._tell("scene", scene)
                    told = True
                self._tell("programs", batch)
                for _ in batch:
                    outcome = _outcome(self._read(DEFAULT_BUDGET.seconds + GRACE_S))
                    done += 1
                    yield outcome
            except WorkerLostError as error:
                told = False
                self._restart()
                if len(batch) == 1:
                    done = 1
                    yield Outcome(str(error.code), detail=str(error))
                else:  # one of these; ask for each by itself
                    singly = len(batch) - done + 1
            singly = max(0, singly - 1)
            todo = todo[done:]

    def _restart(self) -> None:
        self.stop()
        self.process, self.waiting = self._start(), b""
        self.wait_until_ready()

    def _tell(self, kind: str, content: object) -> None:
        message = pickle.dumps((kind, content), protocol=pickle.HIGHEST_PROTOCOL)
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(struct.pack("<I", len(message)) + message)
            self.process.stdin.flush()
        except OSError as error:
            raise WorkerLostError(ProgramCode.WORKER_LOST, f"the worker is gone ({error}).") from error

    def _read(self, seconds: float) -> dict[str, Any]:
        """Read one line of JSON."""
        assert self.process.stdout is not None
        handle, deadline = self.process.stdout.fileno(), time.monotonic() + seconds
        while b"\n" not in self.waiting:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                raise WorkerLostError(ProgramCode.TIMEOUT, f"no answer within {seconds:g} s.")
            part = os.read(handle, 1 << 16)
            if not part or len(self.waiting) > LONGEST_ANSWER:
                raise WorkerLostError(ProgramCode.WORKER_LOST, "the worker ended.")
            self.waiting += part
        line, _, self.waiting = self.waiting.partition(b"\n")
        try:
            return dict(json.loads(line))
        except (ValueError, TypeError) as error:
            raise WorkerLostError(ProgramCode.WORKER_LOST, f"the worker said nonsense ({error}).") from error


def _outcome(answer: dict[str, Any]) -> Outcome:
    return Outcome(
        status=str(answer.get("status")),
        value=answer.get("value"),
        type=answer.get("type"),
        unit=answer.get("unit"),
        steps=answer.get("steps"),
        detail=str(answer.get("detail", "")),
        seconds=float(answer.get("seconds", 0.0)),
    )
