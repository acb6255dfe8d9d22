"""What a configuration is going to do, before it does it: stages, questions on offer against asked, cost."""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qa_loop.costs import Costs, estimated
from qa_loop.errors import QALoopError
from qa_loop.offers import check_scenes, engine_datasets
from qa_loop.options import check_options
from qa_loop.process import find_program
from qa_loop.sections import LoopConfig
from qa_loop.stage import STORE, Stage, flags
from qa_loop.stages import plan

GENERATED = "rooms"
SAMPLE_SCENES = 24
"""Generated scenes that are made to estimate what all of them hold."""


@dataclass(frozen=True)
class Supply:
    """A question type and cell: what the training scenes hold, and what all rounds ask of it if asked evenly.

    Attributes
    ----------
    available : int
        Questions; an estimate where only some scenes were looked at.
    asked : int
        By panel and rounds together.
    lasts : int
        Rounds that it lasts, asked evenly.
    """

    question_type: str
    cell: str
    available: int
    asked: int
    lasts: int


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
        An option, a data set or a key is wrong.
    """
    check_scenes(config.scenes, engine_datasets())
    stages = plan(config)
    check_options(stages)
    gates = config.gating
    per_round = config.questions_per_round
    offered = math.ceil(per_round * gates.offer) if gates else per_round
    counted, seen_of = _counted(config, stages, store)
    panel = config.confidence.n_panel if config.confidence.calibrated else 0
    supply = _supply(counted, seen_of, panel=panel, offered=offered, rounds=config.run.rounds)
    notes = [*config.cautions]
    notes += _notes(supply, panel=panel, asked=panel + offered * config.run.rounds)
    if not supply:
        notes.append("The scenes are not there yet, so nothing is said of what they hold: pass --store, or a run.")
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
        config.run.name, dict(kinds), config.run.rounds, per_round, offered, supply, seen_of, costs, notes, steps
    )


def _counted(
    config: LoopConfig, stages: list[Stage], store: Path | None
) -> tuple[dict[tuple[str, str], int], tuple[int, int]]:
    """Count the candidates of the training scenes by type and cell, on a store or on a few generated scenes."""
    wanted = config.generate
    if not wanted.by_template:
        return {}, (0, 0)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        total = None
        if store is None:
            if config.scenes.dataset != GENERATED:
                return {}, (0, 0)
            total = config.scenes.scenes
            _make(config, stages, here)
        source = (store or here / STORE).resolve()
        options = {"tasks": ",".join(wanted.tasks) or None, "seed": config.run.seed, "workers": wanted.workers}
        options |= {"split": wanted.split if store is not None else None, **wanted.evaluation_options}
        _run(["qa-engine", "generate", str(source), "--out", "all", *flags(options)], here)
        import polars as pl
        from qa_contract.tableio import read_table
        from qa_contract.tables import SCENES

        questions = pl.scan_parquet(str(here / "all" / "questions*.parquet"))
        rows = questions.group_by("question_type", "cell").len().collect()
        scenes = read_table(source, "scenes", SCENES, columns=["scene_name", "split"])
    counted = {(kind, cell or "-"): n for kind, cell, n in rows.sort("question_type", "cell").iter_rows()}
    if store is not None:
        n = scenes.filter(pl.col("split") == wanted.split).height
        return counted, (n, n)
    return counted, (len(scenes), round((total or len(scenes)) * _share(config)))


def _make(config: LoopConfig, stages: list[Stage], folder: Path) -> None:
    """Make a few of the generated scenes."""
    n = min(SAMPLE_SCENES, config.scenes.scenes or SAMPLE_SCENES)
    for stage in stages:
        if stage.kind not in ("ingest", "observe", "sample-frames"):
            continue
        words = list(stage.command)
        if "--scenes" in words:
            words[words.index("--scenes") + 1] = str(n)
        _run(words, folder)


def _run(words: list[str], folder: Path) -> None:
    done = subprocess.run(
        [str(find_program(words[0])), *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode not in (0, 1):
        raise QALoopError(f"'{' '.join(words)}' failed: {done.stderr.strip().splitlines()[-1:] or done.returncode}")


def _share(config: LoopConfig) -> float:
    """Share of the scenes that is trained on."""
    if config.scenes.split is None:
        return 0.8
    parts = dict(part.split("=") for part in config.scenes.split.replace(" ", "").split(","))
    return float(parts.get(config.generate.split, 0))


def _supply(
    counted: dict[tuple[str, str], int], seen_of: tuple[int, int], *, panel: int, offered: int, rounds: int
) -> list[Supply]:
    """Set what there is against an even share of panel and rounds."""
    seen, total = seen_of
    types = Counter(kind for kind, _ in counted)
    found = []
    for (kind, cell), n in counted.items():
        available = round(n * total / seen) if seen else 0
        share = 1 / (len(types) * types[kind])
        lasts = max(0, math.floor((available - panel * share) / (offered * share) + 1e-9))
        asked = round(share * (panel + rounds * offered))
        found.append(Supply(kind, cell, available, asked, min(lasts, rounds)))
    return found


def _notes(supply: list[Supply], *, panel: int, asked: int) -> list[str]:
    """Say what runs out."""
    notes, held = [], sum(item.available for item in supply)
    if supply and panel > held:
        notes.append(f"The panel wants {panel:,} questions, and the scenes hold {held:,}: take a smaller panel.")
    elif supply and asked > held:
        notes.append(f"Panel and rounds ask {asked:,} questions, and the scenes hold {held:,}: rows will be missing.")
    for item in supply:
        if item.asked > item.available:
            notes.append(
                f"{item.question_type} {item.cell}: {item.available:,} questions, {item.asked:,} if asked evenly; "
                f"it lasts {item.lasts} rounds, then other cells take its share."
            )
    return notes
