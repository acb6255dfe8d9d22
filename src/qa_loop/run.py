"""Do what the plan says: skip what is done, run the rest, remember everything."""

from __future__ import annotations

import contextlib
import functools
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from qa_contract.errors import ExitCode
from qa_contract.files import atomic_path, write_json
from qa_contract.identity import refuse_other_identity

from qa_loop import facts
from qa_loop.config import LoopConfig
from qa_loop.costs import Costs, estimated
from qa_loop.digests import DIGESTS, damage, record_digests, sources_digest
from qa_loop.errors import QALoopError, StageError
from qa_loop.guarding import check_guard, guard_questions
from qa_loop.keeping import prune, reads_weights
from qa_loop.manifest import CONFIG, MANIFEST, Manifest, Record, load_manifest, load_resolved, now
from qa_loop.mixtures import mixtures
from qa_loop.offers import check_scenes, choices_alone, engine_datasets, model_folder, with_folder
from qa_loop.options import check_options
from qa_loop.pools import check_panel_beforehand, shortage
from qa_loop.process import Ended as Exit
from qa_loop.process import Limits, find_program, lock_folder, run_command
from qa_loop.progress import RunProgress, last_lines
from qa_loop.sections import LETTERS
from qa_loop.serving import Serving, served_words
from qa_loop.stage import SERVER, STORE, Stage, dependents, removed
from qa_loop.stages import plan
from qa_loop.stopping import Ended, ended, has_flops_budget

SPEED_KEYS = (("generate", "workers"), ("run", "heartbeat"), ("run", "stage_timeout"), ("run", "keep"))
"""Keys that may change between starts: they do not change what is written."""
COUNTED = ("train", "reinforce", "eval", "blind", "panel-pass", "panel-blind", "clean-pass", "clean-blind")
"""Kinds of stages whose floating-point operations are estimated."""
HALF_WRITTEN = ".*.partial"
"""What a killed loop leaves of a file that it was about to replace."""
LOG_LINES = 15
SHOWN_DAMAGE = 5


class Stopped(KeyboardInterrupt):
    """The loop was asked to end by SIGTERM."""

    exit_code = ExitCode.TERMINATED


class Preempted(KeyboardInterrupt):
    """The loop was asked by SIGUSR1 to make room and to be started again."""

    exit_code = ExitCode.AGAIN


_ASKED: dict[signal.Signals, type[KeyboardInterrupt]] = {signal.SIGTERM: Stopped, signal.SIGUSR1: Preempted}


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    lossy : list of str
        Stages that said that rows are missing.
    ended : Ended or None
        Where the run stopped before its last round.
    """

    lossy: list[str]
    ended: Ended | None = None


def run_loop(config: LoopConfig, out: Path, *, force: bool = False, redo_lost: bool = False) -> Outcome:
    """Run every stage that is not done yet.

    Parameters
    ----------
    config : LoopConfig
        What to run.
    out : Path
        The run's folder; one that was begun with the same configuration is continued.
    force : bool
        Accept a changed configuration: stages from the first changed one on are done again.
    redo_lost : bool
        Do the stages again whose rows are missing. One that reads scans is done again by itself when these changed.

    Raises
    ------
    QALoopError
        The folder holds something else, the configuration changed, or a stage command is not installed.
    StageError
        A stage ended without its output.
    KeyboardInterrupt
        Ctrl-C, SIGTERM or SIGUSR1; the running stage has been ended.
    """
    out = Path(out)
    over = ended(config, out)
    stages = plan(config, rounds=over.round if over else None)
    for program in dict.fromkeys(stage.argv[0] for stage in stages):
        find_program(program)
    if config.serve is not None:
        served_words(config.serve)
    _check_folder(out)
    if not (out / STORE).exists():
        for scenes in config.scenes:
            check_scenes(scenes, engine_datasets())
    if not (out / MANIFEST).exists() or force:
        check_options(stages)
        check_guard(config)
    if not (out / STORE).exists():
        check_panel_beforehand(config, stages)
    if has_flops_budget(config) and estimated(config) is None:
        raise QALoopError(
            f"stop.flops needs an estimate, and 'qa-trainer plan --model {config.train.model}' gives none: the model "
            "is not here. Get it first, or use samples or hours."
        )
    (out / "logs").mkdir(parents=True, exist_ok=True)
    with lock_folder(out) as lock, _signals_raise():
        for leftover in [*out.glob(HALF_WRITTEN), *(out / DIGESTS).glob(HALF_WRITTEN)]:
            _remove(leftover)
        manifest = _open_manifest(config, out, stages, force=force)
        for path, text in {**mixtures(config), **guard_questions(config)}.items():
            (out / path).parent.mkdir(exist_ok=True)
            with atomic_path(out / path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        progress = RunProgress(config.run.name, stages, folder=out)
        letters = bool(config.generate.tasks) and choices_alone(config.generate.tasks)
        for caution in [*config.cautions, *([LETTERS.format("every round")] if letters else [])]:
            progress.bars.say(f"warning: {caution}")
        _take_up_lost(manifest, out, stages, every=redo_lost)
        limits = Limits(config.run.stage_timeout, config.run.heartbeat)
        work = _Work(stages, manifest, out, lock, limits, progress, config)
        with contextlib.ExitStack() as server:
            if config.serve is not None:
                work.serving = server.enter_context(Serving(config.serve, out, lock))
            over = _run_stages(config, work)
        if over is not None:
            progress.bars.say(f"stopped after round {over.round}: {over.reason}")
        progress.complete()
    return Outcome(lossy=manifest.lossy, ended=over)


def _run_stages(config: LoopConfig, work: _Work) -> Ended | None:
    """Run stage after stage; after each it is known anew which there are, for a run may stop early."""
    passed: set[str] = set()
    while True:
        over = ended(config, work.out, manifest=work.manifest)
        last = over.round if over else config.run.rounds
        work.stages = plan(config, rounds=last)
        work.progress.plan(work.stages)
        prune(config, work.out, work.stages, work.manifest.stages, last=last)
        stage = next((stage for stage in work.stages if stage.name not in passed), None)
        if stage is None:
            return over
        if lacking := _lacking(stage, work):
            _restore(lacking, work)
            passed.discard(lacking.name)
            continue
        _run_stage(stage, work)
        passed.add(stage.name)


def _lacking(stage: Stage, work: _Work) -> Stage | None:
    """Find a training whose weights a stage that is to be run needs, and which were removed."""
    record = work.manifest.stages.get(stage.name)
    if record is not None and record.state == "done" and stage.complete(work.out):
        return None
    trainings = [other for other in work.stages if other.out in stage.inputs and removed(work.out / other.out)]
    return next((other for other in trainings if reads_weights(stage, other)), None)


def _restore(training: Stage, work: _Work) -> None:
    """Have a training done again; those that read it are kept, for it writes the same."""
    record = work.manifest.stages.get(training.name)
    if record is not None and record.state == "done":
        record.state, record.before = "failed", record.content
        work.manifest.save(work.out)
    work.progress.bars.say(f"{training.name}: its weights were removed and are needed again")


@dataclass
class _Work:
    """What the stages of one start have in common; `trusted` names those whose files are as they wrote them."""

    stages: Sequence[Stage]
    manifest: Manifest
    out: Path
    lock: int
    limits: Limits
    progress: RunProgress
    config: LoopConfig
    trusted: set[str] = field(default_factory=set)
    serving: Serving | None = None

    @functools.cached_property
    def costs(self) -> Costs | None:
        """What the trainer says that a question costs; asked once, when the first model has run."""
        return estimated(self.config)

    def flops(self, stage: Stage, rows: int | None) -> float | None:
        """Estimate the operations of a stage; only where there are passes or a budget whose cost has to be known."""
        wanted = self.config.confidence.calibrated or has_flops_budget(self.config)
        if not wanted or stage.kind.partition(":")[0] not in COUNTED:
            return None
        return self.costs.flops(stage, rows) if self.costs else None


def count_rows(out: Path, stage: Stage) -> int | None:
    """Count the rows of the stage's table; None when it is not there."""
    # A start that finds everything done, or is stopped at once, needs no table library.
    import polars as pl
    from qa_contract.tableio import table_files

    source = out / stage.out
    if not source.exists():
        return None
    return pl.scan_parquet(table_files(source, stage.table)).select(pl.len()).collect().item()


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise QALoopError(f"{out}: is {'a file' if out.is_file() else 'no folder'}; --out needs a folder.")
    if out.is_dir() and not (out / MANIFEST).exists():
        ours = {".lock", "logs", CONFIG, *(path.name for path in out.glob(HALF_WRITTEN))}
        strange = sorted(path.name for path in out.iterdir() if path.name not in ours)
        if strange:
            raise QALoopError(f"{out}: the folder holds {', '.join(strange[:5])} and no run. Choose another --out.")


def _open_manifest(config: LoopConfig, out: Path, stages: Sequence[Stage], *, force: bool) -> Manifest:
    """Read the manifest of an earlier start, or begin one; refuse a changed configuration."""
    manifest, resolved = Manifest(), config.model_dump(mode="json")
    if (out / MANIFEST).exists():
        if not force:
            refuse_other_identity(out, _decisive(_stored(out)), _decisive(resolved), error=QALoopError)
        manifest = load_manifest(out)
        _drop_changed(manifest, out, stages)
    manifest.versions, manifest.host = facts.versions(), facts.host()
    # The configuration goes first: killed between the two, the next start finds the changed stages by their commands.
    write_json(out / CONFIG, resolved)
    manifest.save(out)
    return manifest


def _stored(out: Path) -> dict[str, Any]:
    """Read the configuration of an earlier start, with the defaults of keys that its version did not know."""
    stored = load_resolved(out)
    try:
        return LoopConfig.model_validate(stored).model_dump(mode="json")
    except ValueError:
        return stored


def _decisive(resolved: dict[str, Any]) -> dict[str, Any]:
    """Give a configuration without the keys that change nothing but the speed."""
    kept: dict[str, Any] = {}
    for section, values in resolved.items():
        if isinstance(values, dict):
            values = {key: value for key, value in values.items() if (section, key) not in SPEED_KEYS}
        kept[section] = {str(i): value for i, value in enumerate(values)} if isinstance(values, list) else values
    return kept


def _drop_changed(manifest: Manifest, out: Path, stages: Sequence[Stage]) -> None:
    """Forget the stages whose command changed, and all that read what they wrote; remove those no longer planned."""
    planned = {stage.name for stage in stages}
    for record in [record for record in manifest.stages.values() if record.name not in planned]:
        if out.resolve() in (out / record.out).resolve().parents:
            _remove(out / record.out)
        manifest.drop([record.name])
        for whole in (stage for stage in stages if Path(stage.out) in Path(record.out).parents):
            manifest.drop(dependents(stages, whole))  # what it held is a part of what they have read
    for stage in stages:
        record = manifest.stages.get(stage.name)
        if record is not None and record.argv != list(stage.argv):
            manifest.drop({stage.name} | dependents(stages, stage))


def _take_up_lost(manifest: Manifest, out: Path, stages: Sequence[Stage], *, every: bool) -> None:
    """Mark stages whose rows are missing to be done again: where their sources changed, or all.

    Stages whose output lies in that of a marked one go with it. Those that read them are kept until it is known whether
    something else came out: a repaired scan costs what it changes, a touched file costs no training.
    """
    again: list[Stage] = []
    for stage in stages:
        record = manifest.stages.get(stage.name)
        if record is None or record.state != "done" or not record.lost:
            continue
        if every or (stage.sources and sources_digest(stage.sources) != record.sources):
            again += [other for other in stages if Path(stage.out) in (Path(other.out), *Path(other.out).parents)]
    for stage in again:
        record = manifest.stages.get(stage.name)
        if record is not None and record.state == "done":
            record.state, record.before = "failed", record.content
    manifest.save(out)
    for stage in again:
        _remove(out / stage.out)


def _run_stage(stage: Stage, work: _Work) -> None:
    """Run a stage unless it is done."""
    manifest, out, stages = work.manifest, work.out, work.stages
    old = manifest.stages.get(stage.name)
    if old is not None and old.state == "done" and stage.complete(out):
        work.progress.skip(stage)
        return
    _check_inputs(stage, work)
    if old is None or old.state == "done" or not stage.resumes or removed(out / stage.out):
        _remove(out / stage.out)
    _remove_leftovers(out / stage.out)
    record = Record(stage.name, stage.out, list(stage.argv), list(stage.command), "running", now())
    if old is not None:
        record.attempts = old.attempts + 1
        record.before = old.before if old.state != "done" else None
    if record.before is None:
        manifest.drop(dependents(stages, stage))
    manifest.drop([stage.name])
    manifest.stages[stage.name] = record
    manifest.save(out)
    (out / stage.out).parent.mkdir(parents=True, exist_ok=True)
    work.progress.start(stage)
    command = _served(stage, work)
    began, started = time.monotonic(), time.time()
    exit = run_command(
        command, cwd=out, log=out / stage.log, lock=work.lock, tick=lambda: _tick(stage, work), limits=work.limits
    )
    if stage.serves and work.serving is not None:
        work.serving.check()  # answers that a dead server did not give are asked for again, not lost
    record.seconds, record.end, record.exit_code = round(time.monotonic() - began, 3), now(), exit.code
    record.cpu_s, record.peak_mb = exit.cpu_s, exit.peak_mb
    good = not exit.limit and exit.code in (0, 1) and stage.complete(out)
    record.state = "done" if good else "failed"
    if good:
        record.lost = exit.code == 1 and not stage.gaps
        record.rows = count_rows(out, stage)
        if dry := shortage(work.config, stage, record.rows):
            record.state = "failed"
            manifest.save(out)
            raise StageError(dry, exit_code=2)
        record.flops = work.flops(stage, record.rows)
        record_digests(out, record, adds_to=stage.adds_to)
        if record.lost and stage.sources:
            record.sources = sources_digest(stage.sources, since_s=started)
        if record.before not in (None, record.content):
            manifest.drop(dependents(stages, stage))
        record.before = None
    manifest.save(out)
    if not good:
        raise _failure(stage, exit, out)
    work.trusted.add(stage.name)
    work.progress.finish(stage, seconds=record.seconds, rows=record.rows, lost=record.lost)


def _served(stage: Stage, work: _Work) -> list[str]:
    """Give the command to start, with its server at work; a stage that needs the device has it for itself."""
    command = with_folder(stage.command, served=bool(stage.serves))
    if work.serving is None:
        return command
    if not stage.serves:
        if stage.runs_model:
            work.serving.end()
        return command
    url = work.serving.ready(model_folder(stage.serves), functools.partial(work.progress.tick, stage))
    return [word.replace(SERVER, url) for word in command]


def _tick(stage: Stage, work: _Work) -> None:
    """Draw the progress, and see to it that no stage waits for a server that is gone."""
    work.progress.tick(stage)
    if stage.serves and work.serving is not None:
        work.serving.check()


def _check_inputs(stage: Stage, work: _Work) -> None:
    """Refuse to read what an earlier start wrote and something changed since."""
    out = work.out
    for earlier in work.stages:
        record = work.manifest.stages.get(earlier.name)
        if earlier.out not in stage.inputs or earlier.name in work.trusted or record is None:
            continue
        if found := damage(out, record):
            more = f"\n  and {len(found) - SHOWN_DAMAGE} more" if len(found) > SHOWN_DAMAGE else ""
            raise QALoopError(
                f"Stage {stage.name} would read damaged files of {earlier.name}:\n  "
                + "\n  ".join(found[:SHOWN_DAMAGE])
                + f"{more}\nRestore them from a copy, or remove {out / earlier.out} and start the same command again: "
                "the stage and all that reads it are done anew."
            )
        work.trusted.add(earlier.name)


def _failure(stage: Stage, ended: Exit, out: Path) -> StageError:
    code = ended.code
    if ended.limit:
        how = ended.limit
    elif code < 0:
        name = signal.Signals(-code).name
        how = f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    elif code == 0:
        missing = [name for name in stage.files if not (out / name).exists()]
        how = f"ended well but did not write {', '.join(missing)}"
    else:
        how = f"failed with exit code {code}"
    tail = "\n".join(f"  | {line}" for line in last_lines(out / stage.log, LOG_LINES))
    message = (
        f"Stage {stage.name} {how}. Its log, {out / stage.log}, ends with:\n{tail}\nCommand: {' '.join(stage.command)}"
    )
    return StageError(message, exit_code=2 if code == 2 and not ended.limit else 1)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed writer of `path` left beside it; the folder's lock says that none is at work."""
    for leftover in [*path.parent.glob(f".{path.name}.*.partial"), *path.parent.glob(f".{path.name}.*.old")]:
        _remove(leftover)


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Turn SIGTERM and SIGUSR1 into exceptions, so that the running stage is ended first."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise _ASKED[signal.Signals(signum)]

    before = {number: signal.signal(number, stop) for number in _ASKED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
