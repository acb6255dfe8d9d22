"""Scores of a run with their intervals, as the evaluator's summaries state them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qa_loop.errors import QALoopError
from qa_loop.manifest import load_manifest
from qa_loop.stage import Stage
from qa_loop.stages import plan
from qa_loop.status import resolved_config
from qa_loop.stopping import ended

OVERALL = "overall"
RUNNER_KINDS = ("eval", "blind", "majority", "oracle")


@dataclass(frozen=True)
class Score:
    """A mean score and its 95% interval, all from 0 to 1.

    Attributes
    ----------
    n : int
        Scored questions.
    low, high : float or None
        None where too few scenes hold the questions.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    def above(self, other: Score | None) -> bool:
        """Tell whether this interval lies above the other without touching it.

        Examples
        --------
        >>> Score(0.8, 0.7, 0.9, 100).above(Score(0.5, 0.4, 0.6, 100)), Score(0.8, None, None, 4).above(None)
        (True, False)
        """
        return other is not None and self.low is not None and other.high is not None and self.low > other.high


Scores = dict[str, Score]
"""Question type, or `overall`, to its score."""


@dataclass(frozen=True)
class Row:
    """One question type of the comparison; None where something was not run."""

    name: str
    model: Score | None
    first: Score | None
    blind: Score | None
    majority: Score | None

    @property
    def is_overall(self) -> bool:
        """The row is the mean over tasks."""
        return self.name == OVERALL

    @property
    def clear(self) -> bool:
        """The model lies above blind and above majority, with intervals that do not touch."""
        return self.model is not None and self.model.above(self.blind) and self.model.above(self.majority)


@dataclass(frozen=True)
class Comparison:
    """The model after its last round beside what it is measured against.

    Attributes
    ----------
    last_round, blind_round : int
        Rounds of the model's scores and of the blind ones; the blind model is the trained one once it was run.
    """

    last_round: int
    blind_round: int
    in_sample: bool
    rows: list[Row]

    @property
    def clear(self) -> list[str]:
        """Question types that are clearly above blind and majority."""
        return [row.name for row in self.rows if row.clear and not row.is_overall]

    def as_dict(self) -> dict[str, Any]:
        """Give the comparison as plain values."""
        return {**asdict(self), "clear": self.clear}


def finished(folder: Path) -> list[Stage]:
    """List the finished stages of a run, in order."""
    records = load_manifest(folder).stages
    config = resolved_config(folder)
    over = ended(config, folder)
    stages = plan(config, rounds=over.round if over else None)
    return [s for s in stages if s.name in records and records[s.name].state == "done" and s.complete(folder)]


def read_scores(folder: Path) -> dict[tuple[str, int], Scores]:
    """Read the summary of every finished evaluation, by kind and round.

    The kind is `eval`, `blind`, ... for the main evaluation, and with a name for others: `eval:guard`.
    """
    found: dict[tuple[str, int], Scores] = {}
    for stage in finished(folder):
        if stage.kind.partition(":")[0] in RUNNER_KINDS and stage.round is not None:
            found[stage.kind, stage.round] = _summary(Path(folder) / stage.out / "summary.json")
    return found


def comparison(folder: Path) -> Comparison:
    """Compare the latest model of a run with round 0, blind and majority, per question type.

    Raises
    ------
    QALoopError
        Nothing has been evaluated yet.
    """
    scores = read_scores(folder)
    rounds = {kind: [number for k, number in scores if k == kind] for kind in RUNNER_KINDS}
    if not rounds["eval"]:
        raise QALoopError(f"{folder}: no evaluation is finished yet; see 'qa-loop status {folder}'.")
    last, blind = max(rounds["eval"]), max(rounds["blind"], default=0)
    columns = [scores.get(key, {}) for key in (("eval", last), ("eval", 0), ("blind", blind), ("majority", 0))]
    names = [*sorted({name for column in columns for name in column} - {OVERALL}), OVERALL]
    rows = [Row(name, *(column.get(name) for column in columns)) for name in names]
    return Comparison(last, blind, resolved_config(folder).main_eval.in_sample, rows)


def format_comparison(table: Comparison) -> str:
    """Write the comparison as text, in percent.

    Examples
    --------
    >>> score = Score(0.5, 0.4, 0.6, 80)
    >>> text = format_comparison(Comparison(3, 3, False, [Row("size", score, None, None, None)]))
    >>> text.splitlines()[1]
    'size               80  50.0 [ 40.0,  60.0]                    -                    -                    -'
    """
    width = max(16, *(len(row.name) for row in table.rows))
    heads = (f"round {table.last_round}", "round 0", f"blind, round {table.blind_round}", "majority")
    lines = [f"{'question type':<{width}} {'n':>4}" + "".join(f" {head:>20}" for head in heads)]
    for row in table.rows:
        cells = "".join(f" {_cell(score):>20}" for score in (row.model, row.first, row.blind, row.majority))
        n = row.model.n if row.model else 0
        lines.append(f"{row.name:<{width}} {n:>4}{cells}{'  *' if row.clear else ''}")
    lines.append("Scores in percent with 95% intervals (bootstrap over scenes).")
    lines.append("* above blind and above majority, and the intervals do not touch.")
    if table.in_sample:
        lines.append("IN-SAMPLE, PLUMBING ONLY: the questions are about scenes that the model is trained on.")
    return "\n".join(lines)


def _cell(score: Score | None) -> str:
    if score is None:
        return "-"
    if score.low is None or score.high is None:
        return f"{100 * score.mean:5.1f} [no interval]"
    return f"{100 * score.mean:5.1f} [{100 * score.low:5.1f}, {100 * score.high:5.1f}]"


def _summary(path: Path) -> Scores:
    """Read an evaluator's summary.json."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        types = {name: Score(c["mean"], c["ci_low"], c["ci_high"], c["n"]) for name, c in value["types"].items()}
        whole = value[OVERALL]
        if whole["mean"] is not None:
            types[OVERALL] = Score(whole["mean"], whole["ci_low"], whole["ci_high"], value["n_scored"])
        return types
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise QALoopError(f"{path}: not a summary of qa-eval ({type(error).__name__}: {error}).") from error
