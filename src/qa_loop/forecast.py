"""What a configuration is going to do, before it does it: stages, questions on offer against asked, cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qa_loop.costs import Costs, estimated
from qa_loop.guarding import check_guard
from qa_loop.keeping import most_held
from qa_loop.offers import check_scenes, choices_alone, engine_datasets
from qa_loop.options import check_options
from qa_loop.pools import Pool, check_panel, pools
from qa_loop.sections import LETTERS, LoopConfig
from qa_loop.stages import plan


@dataclass(frozen=True)
class Supply:
    """A question type and cell: what the training scenes hold, and what all rounds ask of it if asked evenly.

    Attributes
    ----------
    data_set : str
        Empty for all of them, where scenes are asked alike or there is one.
    available : int
        Questions; an estimate where only some scenes were looked at.
    asked : int
        By panel and rounds together.
    lasts : int
        Rounds that it lasts, asked evenly.
    """

    data_set: str
    question_type: str
    cell: str
    available: int
    asked: int
    lasts: int


@dataclass(frozen=True)
class DataSetSupply:
    """A data set of several: its training scenes, what they hold, and what panel and rounds ask of it.

    Attributes
    ----------
    available : int
        Questions; an estimate where `seen` is less than `scenes`.
    asked : int or None
        None without shares: scenes are asked alike.
    """

    name: str
    scenes: int
    seen: int
    available: int
    asked: int | None


@dataclass(frozen=True)
class Forecast:
    """What a run is going to do.

    Attributes
    ----------
    name : str
    stages : dict of str to int
        Kind to number.
    rounds, per_round, offered : int
        Rounds, questions trained on and candidates offered in each.
    supply : list of Supply
        Empty where the scenes are not there.
    data_sets : list of DataSetSupply
        Empty where there is one.
    seen_of : (int, int)
        Scenes that were looked at, and training scenes in all.
    costs : Costs or None
    notes : list of str
        What to hear before starting.
    """

    name: str
    stages: dict[str, int]
    rounds: int
    per_round: int
    offered: int
    supply: list[Supply]
    data_sets: list[DataSetSupply]
    seen_of: tuple[int, int]
    costs: Costs | None
    notes: list[str]

    @property
    def hours(self) -> float | None:
        """Hours of training alone, by the trainer's estimate of a step."""
        return None if self.costs is None else self.costs.step_seconds * self.steps / 3600

    @property
    def steps(self) -> int:
        """Optimizer steps of all rounds."""
        return self.rounds * self._steps

    _steps: int = 0
    held: int = 1
    """Rounds whose weights are on disk at the same time, at most."""

    def as_dict(self) -> dict[str, Any]:
        """Give the forecast as plain values."""
        found = asdict(self)
        found.pop("_steps")
        return {**found, "steps": self.steps, "hours": self.hours}


def forecast(config: LoopConfig, *, store: Path | None = None) -> Forecast:
    """Plan a run without starting it.

    Parameters
    ----------
    config : LoopConfig
    store : Path, optional
        A store of the run's scenes, such as that of an earlier run. Default: of generated scenes a few are made.

    Raises
    ------
    QALoopError
        An option, a data set or a key is wrong, or the panel larger than what the training scenes hold.
    """
    for scenes in config.scenes:
        check_scenes(scenes, engine_datasets())
    stages = plan(config)
    check_options(stages)
    check_guard(config)
    gates = config.gating
    per_round = config.questions_per_round
    offered = math.ceil(per_round * gates.offer) if gates else per_round
    found = pools(config, stages, store=store)
    check_panel(config, found)
    panel, rounds = config.confidence.n_panel if config.confidence.calibrated else 0, config.run.rounds
    whole = len(found) == len(config.scenes)
    if config.shares is None:
        groups = [("", found, 1.0)] if whole else []
    else:
        groups = [(pool.name, [pool], pool.share or 0.0) for pool in found]
    supply: list[Supply] = []
    for name, held, share in groups:
        supply += _supply(name, held, panel=panel * share, offered=offered * share, rounds=rounds)
    asked = panel + offered * rounds
    data_sets = [
        DataSetSupply(pool.name, pool.scenes, pool.seen, pool.available, _asked_of(pool, asked)) for pool in found
    ]
    letters = bool(config.generate.tasks) and choices_alone(config.generate.tasks)
    cautions = [*config.cautions, *([LETTERS.format("every round")] if letters else [])]
    notes = [*cautions, *_notes(supply, data_sets, asked=asked)]
    if not whole:
        missing = {one.called for one in config.scenes} - {pool.name for pool in found}
        of = f" of {', '.join(sorted(missing))}" if len(config.scenes) > 1 else ""
        notes.append(f"The scenes{of} are not there yet, so nothing is said of what they hold: pass --store, or a run.")
    written = sum(one.share for one in config.generate.proposers if one.name == "llm")
    if written:
        rest = "templates fill up what they leave open" if config.generate.by_template else "nobody fills up"
        notes.append(f"Models are asked for {written:.0%} of the {offered:,} questions of a round; {rest}.")
    costs = estimated(config)
    if costs is not None and costs.memory_bytes > costs.available_bytes:
        notes.append(
            f"Training needs about {costs.memory_bytes / 1e9:.1f} GB, the device has {costs.available_bytes / 1e9:.1f}."
        )
    steps = sum(stage.steps or 0 for stage in config.train.stages)
    kinds = Counter(stage.kind for stage in stages)
    return Forecast(
        config.run.name,
        stages=dict(kinds),
        rounds=rounds,
        per_round=per_round,
        offered=offered,
        supply=supply,
        data_sets=data_sets if len(config.scenes) > 1 else [],
        seen_of=(sum(pool.seen for pool in found), sum(pool.scenes for pool in found)),
        costs=costs,
        notes=notes,
        _steps=steps,
        held=most_held(config),
    )


def _asked_of(pool: Pool, asked: int) -> int | None:
    return None if pool.share is None else round(pool.share * asked)


def _supply(name: str, held: Sequence[Pool], *, panel: float, offered: float, rounds: int) -> list[Supply]:
    """Set what there is against an even share of panel and rounds."""
    counts: Counter[tuple[str, str]] = Counter()
    for pool in held:
        counts.update(pool.counts)
    types = Counter(kind for kind, _ in counts)
    found = []
    for (kind, cell), available in sorted(counts.items()):
        share = 1 / (len(types) * types[kind])
        lasts = max(0, math.floor((available - panel * share) / (offered * share) + 1e-9))
        asked = round(share * (panel + rounds * offered))
        found.append(Supply(name, kind, cell, available, asked, min(lasts, rounds)))
    return found


def _notes(supply: list[Supply], data_sets: list[DataSetSupply], *, asked: int) -> list[str]:
    """Say what runs out."""
    notes, held = [], sum(item.available for item in supply)
    short = [one for one in data_sets if one.asked is not None and one.asked > one.available]
    for one in short:
        notes.append(
            f"Panel and rounds ask {one.asked:,} questions of {one.name}, and its scenes hold {one.available:,}: "
            "rounds will be smaller, and the run ends where nothing is left."
        )
    if supply and asked > held and not short:
        notes.append(f"Panel and rounds ask {asked:,} questions, and the scenes hold {held:,}: rounds will be smaller.")
    for item in supply:
        if item.asked > item.available:
            notes.append(
                f"{' '.join(filter(None, (item.data_set, item.question_type, item.cell)))}: {item.available:,} "
                f"questions, {item.asked:,} if asked evenly; it lasts {item.lasts} rounds, then other cells take its "
                "share."
            )
    return notes
