"""Where a run stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from qa_loop.config import LoopConfig
from qa_loop.digests import damage
from qa_loop.errors import QALoopError
from qa_loop.manifest import load_manifest, load_resolved
from qa_loop.process import folder_is_locked
from qa_loop.stage import Stage, removed
from qa_loop.stages import plan
from qa_loop.stopping import ended

Standing = Literal["done", "rows missing", "damaged", "running", "interrupted", "failed", "waiting"]


@dataclass(frozen=True)
class StageStatus:
    """One stage of the plan, and how far it is."""

    name: str
    state: Standing
    rows: int | None
    table: str
    seconds: float | None
    cpu_s: float | None
    peak_mb: float | None
    log: str


@dataclass(frozen=True)
class RunStatus:
    """A run's stages, and what to do next.

    Attributes
    ----------
    name : str
    stages : list of StageStatus
    next : str
    damage : list of str
        Files that are missing or differ from what their stage wrote, where that was looked for.
    pruned : list of str
        Stages whose weights were removed, as [run] keep says.
    """

    name: str
    stages: list[StageStatus]
    next: str
    damage: list[str] = field(default_factory=list)
    pruned: list[str] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Every stage of the plan is done."""
        return all(stage.state in ("done", "rows missing") for stage in self.stages)

    def as_dict(self) -> dict[str, Any]:
        """Give the status as plain values."""
        return {**asdict(self), "done": self.done}


def resolved_config(folder: Path) -> LoopConfig:
    """Read the configuration of a run that was started.

    Raises
    ------
    QALoopError
        The folder holds no run, or its configuration is of another version of the loop.
    """
    value = load_resolved(folder)
    try:
        return LoopConfig.model_validate(value)
    except ValueError as error:
        raise QALoopError(f"{folder}: its configuration does not fit this version of qa-loop: {error}") from error


def run_status(folder: Path, *, check: bool = False) -> RunStatus:
    """Compare the plan of a run with its manifest.

    Parameters
    ----------
    folder : Path
    check : bool
        Compare every file with what its stage wrote, too; reads all of them.

    Raises
    ------
    QALoopError
        The folder holds no run.
    """
    folder = Path(folder)
    config = resolved_config(folder)
    records = load_manifest(folder).stages
    at_work = folder_is_locked(folder)
    damaged = {r.name: damage(folder, r) for r in records.values() if r.state == "done"} if check else {}

    def standing(stage: Stage) -> Standing:
        record = records.get(stage.name)
        if record is None or (record.state == "done" and not stage.complete(folder)):
            return "waiting"
        if record.state == "running":
            return "running" if at_work else "interrupted"
        if record.state == "failed":
            return "failed"
        if damaged.get(stage.name):
            return "damaged"
        return "rows missing" if record.lost else "done"

    stages: list[StageStatus] = []
    over = ended(config, folder)
    planned = plan(config, rounds=over.round if over else None)
    for stage in planned:
        record = records.get(stage.name)
        rows, *used = (record.rows, record.seconds, record.cpu_s, record.peak_mb) if record else (None,) * 4
        stages.append(StageStatus(stage.name, standing(stage), rows, stage.table, *used, log=stage.log))
    found = [text for texts in damaged.values() for text in texts]
    pruned = [stage.name for stage in planned if removed(folder / stage.out)]
    return RunStatus(config.run.name, stages, _next(folder, stages, at_work=at_work), found, pruned)


def _next(folder: Path, stages: list[StageStatus], *, at_work: bool) -> str:
    if at_work:
        return "a loop is at work here; wait for it"
    failed = [stage for stage in stages if stage.state == "failed"]
    if failed:
        return f"read {folder / failed[0].log}, then start the same command again with --out {folder}"
    if any(stage.state == "damaged" for stage in stages):
        return "restore the damaged files, or remove the stage's folder and start the same command again"
    states = {stage.state for stage in stages}
    if states <= {"done", "rows missing"}:
        repaired = "; when the cause of the missing rows is repaired, start the same command with --redo-lost"
        return f"qa-loop report {folder}{repaired if 'rows missing' in states else ''}"
    return f"start the same command again with --out {folder}; finished stages are kept"
