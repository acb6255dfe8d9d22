"""Summaries as JSON objects and as tables of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from qa_eval.benchmarks.base import Benchmark
from qa_eval.metrics.bootstrap import Interval
from qa_eval.metrics.compare import Comparison, Difference
from qa_eval.scoring.answers import Scored
from qa_eval.scoring.summary import RESAMPLES, Summary, clusters, diagnostics, intervals, summarise
from qa_eval.scoring.tags import Tags, tag_means


def percent_summary(scored: Scored, benchmark: Benchmark, tags: Tags | None = None) -> dict[str, Any]:
    """Build the aggregate object of `score --json`: percent per task and type, overall, micro, counts.

    The tasks and `overall` stand at the top level under their own names, as in VSI-Bench's output.
    """
    found = summarise(scored, benchmark)
    means = found.means
    summary: dict[str, Any] = {task: mean * 100 for task, mean in means.tasks.items()}
    summary["overall"] = None if means.overall is None else means.overall * 100
    summary["micro"] = None if means.micro is None else means.micro * 100
    summary |= {name: getattr(found, name) for name in ("n", "n_scored", "parse_failures", "unscored")}
    summary["types"] = {
        name: {"score": mean * 100, "n": means.counts[name], "parse_failures": found.failures.get(name, 0)}
        for name, mean in means.types.items()
    }
    if found.frame_budgets:
        summary["frame_budgets"] = {
            name: {"overall": cell["overall"] * 100, "micro": cell["micro"] * 100, "n": cell["n"]}
            for name, cell in found.frame_budgets.items()
        }
    if found.text_metrics:
        summary["text_metrics"] = found.text_metrics
    if found.beside:
        summary["read_by"] = {name: value * 100 for name, value in found.beside.items()}
    if found.figures:
        summary["figures"] = {name: value * 100 for name, value in found.figures.items()}
    if by_tag := tag_means(_means(found), tags or {}):
        summary["tags"] = {name: cell | {"mean": 100 * cell["mean"]} for name, cell in by_tag.items()}
    summary["absent_tasks"] = [task for task in benchmark.tasks if task not in means.tasks]
    return summary


def run_summary(scored: Scored, benchmark: Benchmark, *, seed: int, tags: Tags | None = None) -> dict[str, Any]:
    """Build `summary.json`: means from 0 to 1 with 95% intervals by a bootstrap over scenes."""
    found, limits = summarise(scored, benchmark), intervals(scored, benchmark, seed=seed)
    means = found.means
    missing = {"n_unscored": found.n - found.n_scored} if found.n > found.n_scored else {}
    return {
        "benchmark": benchmark.name,
        "n": found.n,
        "n_scored": found.n_scored,
        "n_scenes": len(set(clusters(scored))),
        "unscored": found.unscored,
        "parse_failures": found.parse_failures,
        "types": {
            name: {"n": means.counts[name]} | _cell(mean, limits.types[name]) | _failures(found, name)
            for name, mean in means.types.items()
        },
        "tasks": {task: _cell(mean, limits.tasks[task]) for task, mean in means.tasks.items()},
        "overall": _cell(means.overall, limits.overall) | missing,
        "micro": _cell(means.micro, limits.micro) | missing,
        "overall_of": benchmark.overall,
        "frame_budgets": found.frame_budgets,
        "diagnostics": diagnostics(scored),
        **({"text_metrics": found.text_metrics} if found.text_metrics else {}),
        **({"read_by": found.beside} if found.beside else {}),
        **({"figures": found.figures} if found.figures else {}),
        **({"tags": by_tag} if (by_tag := tag_means(_means(found), tags or {})) else {}),
        "interval": f"95%, bootstrap over scenes, {RESAMPLES} resamples, seed {seed}",
    }


def _means(found: Summary) -> dict[str, dict[str, float | int]]:
    """Mean and rows of each question type."""
    return {name: {"mean": mean, "n": found.means.counts[name]} for name, mean in found.means.types.items()}


def _cell(mean: float | None, limits: Interval) -> dict[str, float | None]:
    return {"mean": mean, "ci_low": limits.low, "ci_high": limits.high}


def _failures(found: Summary, name: str) -> dict[str, int]:
    return {"parse_failures": found.failures.get(name, 0)}


def summary_table(summary: dict[str, Any]) -> str:
    """Write a run's summary as text lines, in percent.

    Examples
    --------
    >>> cell = {"mean": 0.5, "ci_low": 0.25, "ci_high": None}
    >>> print(summary_table({"types": {"size": {**cell, "n": 2}}, "tasks": {"size": cell}, "overall": cell,
    ...                      "micro": cell, "n": 2, "n_scored": 2, "parse_failures": 0, "unscored": {}}))
    question type                    n    score   95% interval
    size                             2    50.00   25.00 - ...
    overall (mean of 1 task)         2    50.00   25.00 - ...
    micro                            2    50.00   25.00 - ...
    parse failures: 0 of 2
    """

    def limits(cell: dict[str, Any]) -> str:
        low, high = ("..." if cell[k] is None else f"{100 * cell[k]:.2f}" for k in ("ci_low", "ci_high"))
        return f"{low} - {high}"

    def line(name: str, n: int, cell: dict[str, Any]) -> str:
        mean = "    ..." if cell["mean"] is None else f"{100 * cell['mean']:7.2f}"
        missing = f"   WITHOUT {cell['n_unscored']} UNSCORED ROWS" if cell.get("n_unscored") else ""
        return f"{name:<28} {n:>5}  {mean}   {limits(cell)}{missing}"

    n, count = summary["n_scored"], len(summary["tasks"])
    mean_of = f"{count} task{'s' if count != 1 else ''}" if summary.get("overall_of") != "rows" else "all rows"
    lines = [f"{'question type':<28} {'n':>5}    score   95% interval"]
    lines += [line(name, cell["n"], cell) for name, cell in summary["types"].items()]
    lines.append(line(f"overall (mean of {mean_of})", n, summary["overall"]))
    lines.append(line("micro", n, summary["micro"]))
    for name, value in summary.get("text_metrics", {}).items():
        lines.append(f"{'  ' + name:<28} {n:>5}  {value:7.2f}")
    for name, value in summary.get("figures", {}).items():
        lines.append(f"{'  ' + name:<28} {'':>5}  {100 * value:7.2f}")
    for name, value in summary.get("read_by", {}).items():
        lines.append(f"{'  read by ' + name:<28} {n:>5}  {100 * value:7.2f}")
    for name, cell in summary.get("tags", {}).items():
        lines.append(f"{'  ' + name:<28} {cell['n']:>5}  {100 * cell['mean']:7.2f}   question types: {cell['types']}")
    for name, cell in summary.get("frame_budgets", {}).items():
        lines.append(f"{'  frames ' + name:<28} {cell['n']:>5}  {100 * cell['overall']:7.2f}")
    lines.append(f"parse failures: {summary['parse_failures']} of {n}")
    if n < summary["n"]:
        why = ", ".join(f"{reason} {count}" for reason, count in summary["unscored"].items())
        lines.append(f"UNSCORED: {summary['n'] - n} of {summary['n']} rows ({why}); the scores leave them out")
    return "\n".join(lines)


def comparison_json(result: Comparison, facts: dict[str, Any]) -> dict[str, Any]:
    """Turn a comparison into a JSON object; fractions of 1."""
    return facts | asdict(result)


def comparison_table(result: Comparison) -> str:
    """Write a comparison as text lines, in percent; a star marks an interval that excludes 0."""

    def line(name: str, row: Difference) -> str:
        low, high = row.interval.low, row.interval.high
        limits = "..." if low is None or high is None else f"{100 * low:+.2f} to {100 * high:+.2f}"
        star = " *" if row.is_clear else ""
        return (
            f"{name:<28} {row.n:>5} {100 * row.a:7.2f} {100 * row.b:7.2f} {100 * row.difference:+8.2f}   {limits}{star}"
        )

    rows = {**result.types, "overall": result.overall, "micro": result.micro}
    head = f"{'question type':<28} {'n':>5} {'A':>7} {'B':>7} {'B - A':>8}   95% interval of B - A"
    return "\n".join(
        [
            head,
            *(line(*item) for item in rows.items()),
            f"B better on {result.wins} questions, worse on {result.losses}",
        ]
    )


def changed_table(rows: Sequence[dict[str, Any]], limit: int) -> str:
    """Write the first changed questions as text lines: id, type, what each run said, truth, scores.

    Where both said the same, what was read from it stands in its place.

    Examples
    --------
    >>> row = {"question_id": "q1", "question_type": "size", "ground_truth": "4", "score_a": 1.0, "score_b": 0.4}
    >>> print(changed_table([row | {"completion_a": "4", "completion_b": "about  6"}], 5))
    changed question          question type             A -> B                            truth   score
    q1                        size                      4 -> about 6                      4       1.0 -> 0.4
    >>> said = {"completion_a": "so B", "completion_b": "so B", "parsed_a": "B", "parsed_b": None}
    >>> print(changed_table([row | said], 5).splitlines()[1])
    q1                        size                      B -> (unread)                     4       1.0 -> 0.4
    """
    lines = [f"{'changed question':<25} {'question type':<25} {'A -> B':<33} {'truth':<7} score"]
    for row in rows[:limit]:
        said = [" ".join((row[f"completion_{run}"] or "(empty)").split()) for run in ("a", "b")]
        if said[0] == said[1]:
            said = [row[f"parsed_{run}"] or "(unread)" for run in ("a", "b")]
        said = [text[:14] for text in said]
        cells = (row["question_id"][:25], row["question_type"][:25], " -> ".join(said), row["ground_truth"] or "")
        score = " -> ".join(f"{row[f'score_{run}']:.1f}" for run in ("a", "b"))
        lines.append(f"{cells[0]:<25} {cells[1]:<25} {cells[2]:<33} {cells[3][:7]:<7} {score}")
    if len(rows) > limit:
        lines.append(f"and {len(rows) - limit:,} more: --limit N lists them, --json and 'qa-eval view' all")
    return "\n".join(lines)


def consistency_table(found: dict[str, dict[str, Any]]) -> str:
    """Write the shares as text lines, in percent."""
    lines = [
        f"{'pairs':<10} {'n':>6} {'consistent':>11}   95% interval     both right  one right  consistent but wrong"
    ]
    for relation, cell in found.items():
        low, high = cell["interval"]["low"], cell["interval"]["high"]
        limits = "..." if low is None else f"{100 * low:.1f} - {100 * high:.1f}"
        lines.append(
            f"{relation:<10} {cell['n']:>6} {100 * cell['consistent']:>11.1f}   {limits:<15} "
            f"{100 * cell['both_right']:>11.1f} {100 * cell['one_right']:>10.1f} "
            f"{100 * cell['consistent_but_wrong']:>21.1f}"
        )
        if cell["unread"]:
            lines.append(f"{'':<10} {cell['unread']} further pairs have an answer that cannot be compared")
    return "\n".join(lines)
