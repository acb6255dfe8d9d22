"""A log's own scores beside ours: per row, and as the totals that its tool wrote next to it."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from qa_eval.scoring.answers import Scored

SAME = 1e-9
SHOWN = 5
"""Differing rows that are listed."""
TOTALS = ("overall", "Overall", "average", "Average", "Total")


@dataclass(frozen=True)
class Agreement:
    """How a log's scores stand to ours, on the rows that both score.

    Attributes
    ----------
    rows : int
    theirs, ours : float
        Means, from 0 to 1.
    different : DataFrame
        Rows whose scores differ: id, question_type, prediction, ground_truth, parsed, log_score, score.
    """

    rows: int
    theirs: float
    ours: float
    different: pl.DataFrame


def agreement(scored: Scored, log_score: Mapping[str, float]) -> Agreement | None:
    """Compare scores with those that a log gave the rows, by id; None where the log scored no row.

    Parameters
    ----------
    scored : Scored
    log_score : mapping of id, as text, to score
    """
    own = pl.DataFrame(
        {"key": list(log_score), "log_score": list(log_score.values())},
        schema={"key": pl.String, "log_score": pl.Float64},
    )
    both = scored.frame.with_columns(key=pl.col("id").cast(pl.String)).join(own, on="key", maintain_order="left")
    both = both.drop_nulls(["score", "log_score"]).filter(pl.col("log_score").is_not_nan())
    if both.is_empty():
        return None
    different = both.filter((pl.col("score") - pl.col("log_score")).abs() > SAME)
    columns = ("id", "question_type", "prediction", "ground_truth", "parsed", "log_score", "score")
    means = both.select(pl.col("log_score").mean(), pl.col("score").mean()).row(0)
    return Agreement(both.height, float(means[0]), float(means[1]), different.select(columns))


def agreement_lines(found: Agreement, parser: str, totals: Mapping[str, float], overall: float | None) -> list[str]:
    """Write an agreement as text lines, in percent: totals, means, and the rows that differ."""
    lines = [f"the log's own total, {name}: {value:.2f}" for name, value in totals.items()]
    if totals and overall is not None:
        lines.append(f"read again by {parser}: {overall:.2f}")
    lines.append(
        f"mean of {found.rows:,} rows that the log scored: {100 * found.theirs:.2f}; read again by {parser}: "
        f"{100 * found.ours:.2f}; {found.different.height:,} rows differ"
    )
    for row in found.different.head(SHOWN).to_dicts():
        read = "nothing" if row["parsed"] is None else repr(row["parsed"])
        lines.append(
            f"  id {row['id']}, {row['question_type']}: log {row['log_score']:g}, here {row['score']:g}; read {read} "
            f"of {_short(row['prediction'])}, truth {row['ground_truth']!r}"
        )
    if found.different.height > SHOWN:
        lines.append(f"  and {found.different.height - SHOWN:,} more; column log_score of the file has them all")
    return lines


def _short(text: str, limit: int = 60) -> str:
    return repr(text if len(text) <= limit else f"{text[: limit // 2]} ... {text[-limit // 2 :]}")


def log_totals(path: Path) -> dict[str, float]:
    """Read the totals that a tool wrote next to its log, in percent.

    lmms-eval: ``<date>_results.json`` or ``results.json``; VLMEvalKit: a table whose name goes on with ``_acc`` or
    ``_score``. Fractions of 1 become percent.
    """
    path = Path(path)
    date = path.stem.partition("_samples_")[0]
    for name in (f"{date}_results.json", "results.json"):
        if path.with_name(name).is_file() and name != path.name:
            return dict(_of_results(path.with_name(name), path.stem))
    found: dict[str, float] = {}
    for beside in sorted(path.parent.glob(f"{_escaped(path.stem)}*_acc.*")):
        if beside.suffix in (".csv", ".tsv"):
            found |= dict(_of_table(beside))
    return found


def _escaped(stem: str) -> str:
    return "".join(f"[{c}]" if c in "[]*?" else c for c in stem)


def _of_results(path: Path, task: str) -> Iterator[tuple[str, float]]:
    try:
        results = json.loads(path.read_text(encoding="utf-8")).get("results", {})
    except (OSError, ValueError, AttributeError):
        return
    for name, metrics in results.items() if isinstance(results, dict) else ():
        if not isinstance(metrics, dict) or not task.endswith(name):
            continue
        for metric, value in metrics.items():
            bare = metric.partition(",")[0]
            inner = value.get("overall") if isinstance(value, dict) else value
            is_total = isinstance(value, dict) or "overall" in bare or bare in TOTALS or _count(metrics) == 1
            if isinstance(inner, int | float) and not bare.endswith("_stderr") and is_total:
                yield f"{name} {bare}", _percent(inner)


def _count(metrics: Mapping[str, Any]) -> int:
    return sum(isinstance(v, int | float) and not k.partition(",")[0].endswith("_stderr") for k, v in metrics.items())


def _of_table(path: Path) -> Iterator[tuple[str, float]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        text = stream.read()
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    rows: Sequence[dict[str, str]] = list(csv.DictReader(text.splitlines(), delimiter=delimiter))
    for name in TOTALS:
        for row in rows[:1]:
            try:
                value = float(row[name])
            except (KeyError, TypeError, ValueError):
                continue
            if math.isfinite(value):
                yield f"{path.name} {name}", _percent(value)


def _percent(value: float) -> float:
    return 100 * value if 0 <= value <= 1 else float(value)
