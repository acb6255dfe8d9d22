"""Paired comparison of two runs, round by round, by the evaluator's own `compare`."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qa_loop.errors import QALoopError
from qa_loop.process import find_program
from qa_loop.results import OVERALL, finished


@dataclass(frozen=True)
class Pair:
    """One question type, or `overall`, of two runs after one round; scores from 0 to 1.

    Attributes
    ----------
    low, high : float or None
        95% interval of the difference; None where too few scenes hold the questions.
    """

    name: str
    round: int
    n: int
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None

    @property
    def clear(self) -> bool:
        """The interval excludes 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def as_dict(self) -> dict[str, Any]:
        """Give the pair as plain values."""
        return {**asdict(self), "clear": self.clear}


def compared(a: Path, b: Path) -> list[Pair]:
    """Compare the main evaluation of two runs after every round that both have.

    Raises
    ------
    QALoopError
        A folder holds no run, no round is evaluated in both, or the questions differ.
    """
    evaluated = [
        {stage.round: run / stage.out for stage in finished(run) if stage.kind == "eval" and stage.round is not None}
        for run in (Path(a), Path(b))
    ]
    both = sorted(evaluated[0].keys() & evaluated[1].keys())
    if not both:
        raise QALoopError(f"{a} and {b}: no round is evaluated in both.")
    return [pair for number in both for pair in _of_round(evaluated[0][number], evaluated[1][number], number)]


def _of_round(a: Path, b: Path, number: int) -> list[Pair]:
    done = subprocess.run(
        [str(find_program("qa-eval")), "compare", str(a), str(b), "--json"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise QALoopError(f"round {number}: {done.stderr.strip().removeprefix('error: ')}")
    value = json.loads(done.stdout)
    found = {**value["types"], OVERALL: value[OVERALL]}
    return [_pair(name, number, cell) for name, cell in found.items() if cell.get("difference") is not None]


def _pair(name: str, number: int, cell: dict[str, Any]) -> Pair:
    interval = cell.get("interval") or {}
    return Pair(
        *(name, number, cell.get("n", 0), cell["a"], cell["b"], cell["difference"]),
        *(interval.get("low"), interval.get("high")),
    )
