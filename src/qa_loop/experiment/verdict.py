"""What an experiment says, in one sentence made from its numbers."""

from __future__ import annotations

from typing import Any

import polars as pl
from qa_contract.pages.text import percent

from qa_loop.experiment.run import Results


def verdict(results: Results) -> str:
    """Say what gates, mix and feedback save on the pool with the most waste, and then the most wrong boxes.

    A gain counts only if its interval excludes 1.
    """
    table, rules = results.savings.filter(axis="samples"), results.config.rules
    if table.is_empty():
        return "Too few units are finished to compare arms: every arm needs every budget with the same seed."
    here = table.filter(waste=table["waste"].max())
    here = here.filter(noise=here["noise"].max())
    first = here.row(0, named=True)
    pool = f"{percent(first['waste'])} waste and {percent(first['noise'])} wrong boxes"
    goal = f"the score of {rules.budgets[-1]:,} samples of arm '{rules.target}' (S* = {percent(first['goal'])})"
    said = [
        _part(here, "gates", rules.gates, rules.target),
        *(_part(here, f"arm '{name}'", name, rules.target) for name in ("mix",) if name in results.config.arms),
        _part(here, "the best arm", rules.best, rules.target),
        _part(here, "feedback (the best arm against its shuffled control)", rules.best, rules.shuffled),
    ]
    seeds = f"{first['seeds']} {'tuning ' if results.seeds == 'tuning' else ''}seed{'s' if first['seeds'] != 1 else ''}"
    return f"On a pool of {pool}, measured by {goal}, {seeds}: {'; '.join(part for part in said if part)}."


def _part(here: pl.DataFrame, what: str, arm: str | None, reference: str | None) -> str:
    if arm is None or reference is None:
        return ""
    found = here.filter(arm=arm, reference=reference).rows(named=True)
    return f"{what}: {ratio_text(found[0])}, {judged(found[0])}" if found else ""


def ratio_text(row: dict[str, Any]) -> str:
    """Write a ratio with its interval; where the arm does not get there, say so.

    Examples
    --------
    >>> ratio_text({"ratio": 3.21, "low": 2.0, "high": 4.5, "at_least": False})
    '3.2x fewer samples (2.0 to 4.5)'
    >>> ratio_text({"ratio": 0.0, "low": 0.0, "high": 0.9, "at_least": False})
    'does not reach it (0.0 to 0.9)'
    """
    interval = f"({row['low']:.1f} to {row['high']:.1f})"
    if not row["ratio"]:
        return f"does not reach it {interval}"
    return f"{'at least ' if row['at_least'] else ''}{row['ratio']:.1f}x fewer samples {interval}"


def judged(row: dict[str, Any]) -> str:
    """Say whether an interval excludes 1.

    Examples
    --------
    >>> judged({"low": 1.2, "high": 3.0}), judged({"low": 0.0, "high": 0.8}), judged({"low": 0.8, "high": 3.0})
    ('a gain', 'a loss', 'no clear difference')
    """
    return "a gain" if row["low"] > 1 else "a loss" if row["high"] < 1 else "no clear difference"
