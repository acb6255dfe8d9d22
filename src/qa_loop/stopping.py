"""When a run ends before its last round, which round is the best, and what the guard says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa_loop.manifest import MANIFEST, Manifest, load_manifest
from qa_loop.sections import LoopConfig
from qa_loop.stage import Stage, round_folder
from qa_loop.stages import plan

OVERALL = "overall"


@dataclass(frozen=True)
class Ended:
    """A run that stopped early: after which round, and why."""

    round: int
    reason: str


@dataclass(frozen=True)
class Drop:
    """A round whose general ability lies below the untrained model's, with intervals that do not touch."""

    round: int
    score: float
    first: float


def ended(config: LoopConfig, folder: Path, *, manifest: Manifest | None = None) -> Ended | None:
    """Tell after which round the run stops, from what its finished rounds scored; None where it goes on.

    Parameters
    ----------
    config : LoopConfig
    folder : Path
        Of the run; it may not be there yet.
    manifest : Manifest, optional
        Default: the one in the folder.
    """
    if config.stop is None and not (config.guard and config.guard.stop):
        return None
    folder = Path(folder)
    if manifest is None:
        if not (folder / MANIFEST).exists():
            return None
        manifest = load_manifest(folder)
    done = {name for name, record in manifest.stages.items() if record.state == "done"}
    stages = plan(config)
    for number in range(1, config.run.rounds):
        here = [stage for stage in stages if stage.round == number]
        if not all(stage.name in done for stage in here):
            return None
        reason = _reason(config, folder, manifest, stages, number)
        if reason:
            return Ended(number, reason)
    return None


def has_flops_budget(config: LoopConfig) -> bool:
    """Tell whether the run stops by floating-point operations, so that every stage that runs a model is counted."""
    return config.stop is not None and config.stop.flops is not None


def best_round(config: LoopConfig, folder: Path) -> tuple[int, float] | None:
    """Give the round with the highest score on the evaluation that `stop.on` names, and that score."""
    found = _scores(config, Path(folder), config.run.rounds)
    return max(found.items(), key=lambda item: (item[1], -item[0])) if found else None


def guard_drops(config: LoopConfig, folder: Path) -> list[Drop]:
    """List the rounds that lost general ability by the guard's questions."""
    first = _summary(Path(folder) / round_folder(0) / "eval_guard") if config.guard else None
    if first is None or first["ci_low"] is None:
        return []
    drops = []
    for number in range(1, config.run.rounds + 1):
        now = _summary(Path(folder) / round_folder(number) / "eval_guard")
        if now is not None and now["ci_high"] is not None and now["ci_high"] < first["ci_low"]:
            drops.append(Drop(number, now["mean"], first["mean"]))
    return drops


def _reason(config: LoopConfig, folder: Path, manifest: Manifest, stages: list[Stage], number: int) -> str:
    """Say why the run stops after a round; empty where it goes on."""
    if config.guard and config.guard.stop:
        for drop in guard_drops(config, folder):
            if drop.round == number:
                return f"the guard fell from {100 * drop.first:.1f} to {100 * drop.score:.1f}"
    stop = config.stop
    if stop is None:
        return ""
    trained = number * sum((stage.steps or 0) * (stage.batch_size or 0) for stage in config.train.stages)
    if stop.samples is not None and trained >= stop.samples:
        return f"{trained:,} of {stop.samples:,} samples are trained on"
    begun = [stage.name for stage in stages if stage.round is None or stage.round <= number]
    spent = sum(manifest.stages[name].seconds or 0 for name in begun if name in manifest.stages)
    if stop.hours is not None and spent >= 3600 * stop.hours:
        return f"{spent / 3600:.2f} of {stop.hours:g} hours are spent"
    operations = sum(manifest.stages[name].flops or 0 for name in begun if name in manifest.stages)
    if stop.flops is not None and operations >= stop.flops:
        return f"{operations:.3g} of {stop.flops:.3g} FLOPs are spent"
    scores = _scores(config, folder, number)
    if len(scores) < number + 1:
        return ""
    best, since = scores[0], 0
    for t in range(1, number + 1):
        best, since = (scores[t], 0) if scores[t] >= best + stop.min_gain else (best, since + 1)
    if since < stop.patience:
        return ""
    rounds = f"{since} round{'s' if since > 1 else ''}"
    return f"{rounds} without a gain of {100 * stop.min_gain:g} points on '{stop.on}' over {100 * best:.1f}"


def _scores(config: LoopConfig, folder: Path, last: int) -> dict[int, float]:
    """Read the overall score of every round on the evaluation that decides."""
    if config.stop is None or config.stop.on is None:
        return {}
    name = "eval" if config.stop.on == config.main_eval.name else f"eval_{config.stop.on}"
    found = {t: _summary(folder / round_folder(t) / name) for t in range(last + 1)}
    return {t: cell["mean"] for t, cell in found.items() if cell is not None and cell["mean"] is not None}


def _summary(folder: Path) -> dict[str, Any] | None:
    """Read the overall score of an evaluation with its interval; None where it is not there."""
    try:
        return json.loads((folder / "summary.json").read_text(encoding="utf-8"))[OVERALL]
    except (OSError, ValueError, KeyError):
        return None
