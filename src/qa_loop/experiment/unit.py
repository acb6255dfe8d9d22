"""A unit of an experiment: a folder that a few steps fill, with what it was made from and the digests of its files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from qa_contract.files import write_json
from qa_contract.identity import config_hash

from qa_loop.errors import QALoopError

DONE = "unit.json"
"""File of a finished unit."""

STEPS = "steps.json"
"""File of an unfinished one: which steps are done."""

TIMED = ("manifest.json", "metrics.parquet", "run.json")
"""Files that hold times, so that they differ from run to run; they have no digests."""


@dataclass(frozen=True)
class Step:
    """One thing to do; paths are relative to the experiment's folder, where it is done.

    Attributes
    ----------
    name : str
    out : str
        Folder or file that belongs to this step alone.
    argv : tuple of str
        Command; empty where `make` does it.
    make : callable, optional
        A function of the experiment's folder.
    about : mapping
        For `make`: everything that decides what comes out.
    files : tuple of str
        What must be there in the end.
    resumes : bool
        The command goes on with its own half-finished folder.
    """

    name: str
    out: str
    argv: tuple[str, ...] = ()
    make: Callable[[Path], None] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    resumes: bool = False

    @property
    def identity(self) -> str:
        """Hash of what decides the output."""
        return config_hash({"argv": list(self.argv), "about": dict(self.about)})

    def complete(self, root: Path) -> bool:
        """Tell whether its output is there."""
        return (root / self.out).exists() and all((root / name).exists() for name in self.files)


@dataclass(frozen=True)
class Unit:
    """Steps whose outputs are one folder.

    Attributes
    ----------
    name : str
        Its folder, relative to the experiment's.
    steps : tuple of Step
    needs : tuple of str
        Names of units that it reads.
    drops : tuple of str
        Outputs that are removed when all is done, since nothing reads them later.
    key : mapping
        For a unit of an arm: arm, schedule, budget, seed, waste, noise.
    rounds : int
        Parts that an arm is trained in.
    """

    name: str
    steps: tuple[Step, ...]
    needs: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    key: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 0


@dataclass(frozen=True)
class Plan:
    """All units, each after those that it needs."""

    units: tuple[Unit, ...]

    def identity(self, unit: Unit) -> str:
        """Hash of what decides the unit's files, those of the units that it needs included."""
        return self._identities[unit.name]

    @cached_property
    def _identities(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for unit in self.units:
            own = {"steps": [step.identity for step in unit.steps], "needs": [found[name] for name in unit.needs]}
            found[unit.name] = config_hash(own)
        return found


def finished(root: Path, unit: Unit) -> dict[str, Any] | None:
    """Read what a finished unit says of itself; None where it is not finished.

    Raises
    ------
    QALoopError
        Its file is damaged.
    """
    path = root / unit.name / DONE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise QALoopError(f"{path}: cannot be read ({error}). Remove {path.parent}; the unit is done again.") from None


def close_unit(root: Path, unit: Unit, identity: str, steps: Sequence[Mapping[str, Any]]) -> None:
    """Remove what nothing reads any more, and write the digests of the rest."""
    folder = root / unit.name
    for name in unit.drops:
        remove(root / name)
    digests = {str(path.relative_to(folder)): digest for path, digest in _digests(folder).items()}
    about = {"identity": identity, "key": dict(unit.key), "steps": list(steps), "files": digests}
    write_json(folder / DONE, about)
    (folder / STEPS).unlink(missing_ok=True)


def damage(root: Path, unit: Unit, told: Mapping[str, Any]) -> list[str]:
    """Say which files of a finished unit are missing or differ from what it wrote."""
    folder = root / unit.name
    found = {str(path.relative_to(folder)): digest for path, digest in _digests(folder).items()}
    return [
        f"{folder / name} {'differs from what the unit wrote' if name in found else 'is missing'}"
        for name, digest in told["files"].items()
        if found.get(name) != digest
    ]


def _digests(folder: Path) -> dict[Path, str]:
    """Hash the files of a unit."""
    left_out = (DONE, STEPS, *TIMED)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in left_out]
    files = [path for path in files if not path.name.startswith(".")]
    found = {}
    for path in files:
        with path.open("rb") as file:
            found[path] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
