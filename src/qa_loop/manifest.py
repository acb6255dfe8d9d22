"""What has been done in a run's folder: one record per stage, written before and after each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from qa_contract.files import write_json

from qa_loop.errors import QALoopError

MANIFEST = "manifest.json"
CONFIG = "config.resolved.json"

State = Literal["running", "done", "failed"]


@dataclass
class Record:
    """One stage as it was last run.

    Attributes
    ----------
    out : str
        Where it writes, relative to the run's folder.
    argv, command : list of str
        The part of the command line that decides the output, and all of it.
    state : str
        `running` stays in the file when the loop is killed: the stage is then run again.
    exit_code : int or None
        0 done; 1 done, but rows are missing.
    lost : bool
        Rows are missing that should be there.
    rows : int or None
        Rows of the stage's table.
    attempts : int
        Times that the stage was started.
    digest : str or None
        Of the list of its files' digests, see `qa_loop.digests`.
    content : str or None
        The same without the files that hold times: equal where the stage wrote the same.
    before : str or None
        `content` of the stage when those that read it ran; they are kept if it is the same again.
    sources : str or None
        State of the files outside the run that a stage with missing rows read, see `digests.sources_digest`.
    flops : float or None
        Floating-point operations of a stage that runs a model, estimated from its rows.
    cpu_s, peak_mb : float or None
        CPU seconds of all its processes, and the most memory that they held at one time, MB (1e6 bytes).
    """

    name: str
    out: str
    argv: list[str]
    command: list[str]
    state: State
    start: str
    end: str | None = None
    seconds: float | None = None
    exit_code: int | None = None
    lost: bool = False
    rows: int | None = None
    attempts: int = 1
    digest: str | None = None
    content: str | None = None
    before: str | None = None
    sources: str | None = None
    cpu_s: float | None = None
    peak_mb: float | None = None
    flops: float | None = None

    @property
    def rows_per_s(self) -> float | None:
        """Rows of the table per second of the last start; None where there is nothing to divide."""
        return self.rows / self.seconds if self.rows is not None and self.seconds else None


@dataclass
class Manifest:
    """The file `manifest.json` of a run."""

    versions: dict[str, str] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, Record] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the manifest; the file appears whole or not at all."""
        value = {"versions": self.versions, "host": self.host, "stages": [asdict(r) for r in self.stages.values()]}
        write_json(folder / MANIFEST, value)

    def drop(self, names: Iterable[str]) -> None:
        """Forget stages, so that they are done again from an empty folder."""
        for name in names:
            self.stages.pop(name, None)

    @property
    def lossy(self) -> list[str]:
        """Stages that ended with rows missing."""
        return [record.name for record in self.stages.values() if record.lost]


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run.

    Raises
    ------
    QALoopError
        The folder holds no run, or the file is not a manifest.
    """
    path = Path(folder) / MANIFEST
    value = _read(path)
    try:
        stages = {item["name"]: Record(**item) for item in value["stages"]}
        return Manifest(versions=value["versions"], host=value["host"], stages=stages)
    except (KeyError, TypeError) as error:
        raise QALoopError(f"{path}: not a manifest of qa-loop ({error}).") from error


def load_resolved(folder: Path) -> dict[str, Any]:
    """Read the configuration that the run was started with."""
    return _read(Path(folder) / CONFIG)


def now() -> str:
    """Give the time of day in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise QALoopError(f"{path.parent}: no run of qa-loop is here ({path.name} is missing).") from None
    except (OSError, ValueError) as error:
        raise QALoopError(f"{path}: cannot be read ({error}).") from error
    if not isinstance(value, dict):
        raise QALoopError(f"{path}: not a file of qa-loop.")
    return value
