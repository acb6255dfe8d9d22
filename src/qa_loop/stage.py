"""One command of a plan: what it reads and writes, and how it is called."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from qa_loop.sections import Options

TRAINER_MODULE = "qa_trainer"
"""What a launcher starts as a module."""

STORE = "store"
"""Where a run keeps its scenes."""

LOCAL_RUNNERS = ("transformers", "blind")
"""Runners of `qa-eval run` that load a model."""

PRUNED = "pruned.json"
"""File beside what a stage of training wrote that names the folders that were removed."""

SERVER = "{server}"
"""Stands in a command for the address of the server of the run, up to /v1."""


@dataclass(frozen=True)
class Stage:
    """One command of the plan. Paths are relative to the run's folder, where the command is started.

    Attributes
    ----------
    name : str
        Name in the manifest, in `status`, and of the log file.
    kind : str
        What the stage does; stages of one kind take about the same time in every round.
    round : int or None
        None before round 0.
    argv : tuple of str
        The command; a finished stage whose command differs from the plan's is done again.
    out : str
        Folder or file that belongs to this stage alone.
    inputs : tuple of str
        `out` of the stages that this one reads.
    files : tuple of str
        What must be there when the stage is complete.
    table : str
        Table in `out` whose rows are counted; empty where there is none.
    section : str
        Where the configuration has the further options of the command.
    speed_argv : tuple of str
        Options that change how fast the command is and not what it writes.
    resumes : bool
        The command continues its own half-finished folder; the other commands write all or nothing.
    sources : tuple of str
        Files and folders outside the run that it reads, absolute.
    gaps : bool
        Rows may be missing without anything being lost: an empty answer has no confidence, and is scored all the same.
    adds_to : str
        Folder of another stage that it puts files into, beside `out`.
    serves : str
        Model that has to be on the server of the run while the command runs; empty where it asks none.
    """

    name: str
    kind: str
    round: int | None
    argv: tuple[str, ...]
    out: str
    inputs: tuple[str, ...]
    files: tuple[str, ...]
    table: str
    speed_argv: tuple[str, ...] = ()
    resumes: bool = False
    gaps: bool = False
    sources: tuple[str, ...] = ()
    section: str = ""
    serves: str = ""
    adds_to: str = ""

    @property
    def command(self) -> tuple[str, ...]:
        """The whole command line."""
        return self.argv + self.speed_argv

    @property
    def called(self) -> tuple[str, str, tuple[str, ...]]:
        """The program, its command and the words after it, without a launcher before them."""
        words = self.command
        if TRAINER_MODULE in words:
            at = words.index(TRAINER_MODULE)
            return "qa-trainer", words[at + 1], words[at + 2 :]
        return words[0], words[1], words[2:]

    @property
    def runs_model(self) -> bool:
        """Tell whether the command loads a model itself, and wants the device for it."""
        program, command, words = self.called
        if program == "qa-trainer" or "--local-model" in words:
            return True
        runner = words[words.index("--runner") + 1] if "--runner" in words else ""
        return (program, command) == ("qa-eval", "run") and runner in LOCAL_RUNNERS

    @property
    def log(self) -> str:
        """Where the stage's output goes, relative to the run's folder."""
        return f"logs/{self.name}.log"

    def complete(self, folder: Path) -> bool:
        """Tell whether every file of the output is there, or was removed on purpose."""
        gone = {f"{self.out}/{name}" for name in removed(folder / self.out)}
        return all(name in gone or (folder / name).exists() for name in self.files)


def removed(folder: Path) -> tuple[str, ...]:
    """Name the folders of an output that were removed on purpose, see `qa_loop.keeping`."""
    try:
        return tuple(json.loads((folder / PRUNED).read_text(encoding="utf-8"))["removed"])
    except (FileNotFoundError, NotADirectoryError):
        return ()


def dependents(stages: Iterable[Stage], changed: Stage) -> set[str]:
    """Name the stages that read, directly or not, what `changed` writes."""
    outs, names = {changed.out}, set()
    for stage in stages:
        if outs.intersection(stage.inputs):
            outs.add(stage.out)
            names.add(stage.name)
    return names


def flags(values: Mapping[str, object] | Options) -> list[str]:
    """Turn options into arguments; None and empty lists are left out, a list repeats its flag.

    Examples
    --------
    >>> flags({"steps": 4, "state_from": None, "exclude": ["a", "b"], "lora": True, "shuffle": False})
    ['--steps', '4', '--exclude', 'a', '--exclude', 'b', '--lora', '--no-shuffle']
    """
    found: list[str] = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            found.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, list):
            found += [part for item in value for part in (f"--{flag}", str(item))]
        elif value is not None:
            found += [f"--{flag}", str(value)]
    return found


def round_folder(number: int) -> str:
    """Folder of a round."""
    return f"round_{number:02d}"
