"""Summaries of a scored run: what is printed, and `summary.json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qa_contract.options import option_letter, option_text

from qa_eval.benchmarks.base import Benchmark
from qa_eval.metrics.aggregate import Aggregate, aggregate
from qa_eval.metrics.bootstrap import Intervals, cluster_bootstrap
from qa_eval.metrics.captions import caption_scores
from qa_eval.metrics.codes import factorize
from qa_eval.metrics.diagnostics import chance_level, position_bias, yes_bias
from qa_eval.parsers.lenient import LENIENT
from qa_eval.scoring.score import Answers, Scored, score_answers


def percent_summary(answers: Answers, scored: Scored, benchmark: Benchmark) -> dict[str, Any]:
    """Build the aggregate object of `score --json`: percent per task and type, overall, micro, counts.

    The tasks and `overall` stand at the top level under their own names, as in VSI-Bench's output.
    """
    means = aggregate(scored.score, answers.question_type, benchmark.tasks, overall=benchmark.overall)
    failures = count_by_type(answers, scored.parse_failed)
    summary: dict[str, Any] = {task: mean * 100 for task, mean in means.tasks.items()}
    summary["overall"] = None if means.overall is None else means.overall * 100
    summary["micro"] = None if means.micro is None else means.micro * 100
    summary["n"] = len(answers.ids)
    summary["n_scored"] = int((~np.isnan(scored.score)).sum())
    summary["parse_failures"] = int(scored.parse_failed.sum())
    summary["unscored"] = reason_counts(scored)
    summary["types"] = {
        name: {"score": mean * 100, "n": means.counts[name], "parse_failures": failures.get(name, 0)}
        for name, mean in means.types.items()
    }
    if budgets := frame_budgets(answers, scored, benchmark):
        percent = {name: {k: v * 100 for k, v in cell.items() if k != "n"} for name, cell in budgets.items()}
        summary["frame_budgets"] = {name: percent[name] | {"n": cell["n"]} for name, cell in budgets.items()}
    if texts := text_metrics(answers, scored, benchmark):
        summary["text_metrics"] = texts
    summary["absent_tasks"] = [task for task in benchmark.tasks if task not in means.tasks]
    return summary


def run_summary(
    answers: Answers, scored: Scored, benchmark: Benchmark, *, seed: int, n_resamples: int = 2000
) -> dict[str, Any]:
    """Build `summary.json`: means from 0 to 1 with 95% intervals by a bootstrap over scenes.

    Rows without a scene name are clusters of their own.
    """
    means = aggregate(scored.score, answers.question_type, benchmark.tasks, overall=benchmark.overall)
    scenes = answers.scene_name or [str(i) for i in range(len(answers.ids))]
    intervals = cluster_bootstrap(
        scored.score,
        answers.question_type,
        scenes,
        benchmark.tasks,
        rng=np.random.default_rng(seed),
        overall=benchmark.overall,
        n_resamples=n_resamples,
    )
    missing = {"n_unscored": len(scored.reason)} if scored.reason else {}
    texts = text_metrics(answers, scored, benchmark)
    return {
        "benchmark": benchmark.name,
        "n": len(answers.ids),
        "n_scored": int((~np.isnan(scored.score)).sum()),
        "n_scenes": len(set(scenes)),
        "unscored": reason_counts(scored),
        "parse_failures": int(scored.parse_failed.sum()),
        "types": _with_intervals(means, intervals, count_by_type(answers, scored.parse_failed)),
        "tasks": {
            task: {"mean": mean, "ci_low": intervals.tasks[task].low, "ci_high": intervals.tasks[task].high}
            for task, mean in means.tasks.items()
        },
        "overall": {"mean": means.overall, "ci_low": intervals.overall.low, "ci_high": intervals.overall.high}
        | missing,
        "micro": {"mean": means.micro, "ci_low": intervals.micro.low, "ci_high": intervals.micro.high} | missing,
        "overall_of": benchmark.overall,
        "frame_budgets": frame_budgets(answers, scored, benchmark),
        "diagnostics": diagnostics(answers, scored),
        **({"text_metrics": texts} if texts else {}),
        "interval": f"95%, bootstrap over scenes, {n_resamples} resamples, seed {seed}",
    }


def diagnostics(answers: Answers, scored: Scored) -> dict[str, Any]:
    """Build the chance level per type, and the letter and yes biases of the scored choices; empty without options."""
    if answers.options is None:
        return {}
    rows = [i for i, options in enumerate(answers.options) if options and i not in scored.reason]
    texts = {i: {option_letter(option): option_text(option) for option in answers.options[i] or ()} for i in rows}
    truth = [answers.ground_truth[i] or "" for i in rows]
    given = [None if scored.parsed[i] is None else str(scored.parsed[i]).upper() for i in rows]
    bias = position_bias(truth, given)
    return {
        "chance": chance_level(answers.question_type, [len(options or ()) for options in answers.options]),
        "position_bias": None if bias is None else asdict(bias),
        "yes_bias": yes_bias(
            [texts[i].get(letter, letter) for i, letter in zip(rows, truth, strict=True)],
            [texts[i].get(letter or "", letter) for i, letter in zip(rows, given, strict=True)],
        ),
    }


def frame_budgets(answers: Answers, scored: Scored, benchmark: Benchmark) -> dict[str, dict[str, Any]]:
    """Score each frame budget on its own, fractions of 1; empty where the rows do not name several."""
    names, code = factorize(answers.frames or [])
    if len([name for name in names if name is not None]) < 2:
        return {}
    types = np.array(answers.question_type, dtype=object)
    found = {}
    for i, name in enumerate(names):
        if name is None:
            continue
        rows = code == i
        means = aggregate(scored.score[rows], types[rows].tolist(), benchmark.tasks, overall=benchmark.overall)
        if means.overall is not None:
            found[name] = {"overall": means.overall, "micro": means.micro, "n": int(rows.sum())}
    return found


def text_metrics(answers: Answers, scored: Scored, benchmark: Benchmark) -> dict[str, float]:
    """Score free-text answers by what the field reports beside the benchmark's own metric, in percent.

    ``EM`` is the benchmark's exact match and ``EM-R`` the refined one, whatever parser was chosen; the caption metrics
    read the completions as they are. Rows without a score are left out. Empty for other benchmarks.
    """
    if benchmark.every_type != "text":
        return {}
    rows = [i for i in range(len(answers.ids)) if i not in scored.reason]
    found = {}
    for name, parser in (("EM", benchmark.official), ("EM-R", LENIENT)):
        score = score_answers(answers, benchmark, parser).score[rows]
        found |= {name: 100 * float(score.mean())} if rows else {}
    if benchmark.captions:
        texts = [answers.prediction[i] or "" for i in rows]
        references = answers.references or [[truth or ""] for truth in answers.ground_truth]
        found |= caption_scores(texts, [references[i] or [""] for i in rows])
    return found


def _with_intervals(means: Aggregate, intervals: Intervals, failures: dict[str, int]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "n": means.counts[name],
            "mean": mean,
            "ci_low": intervals.types[name].low,
            "ci_high": intervals.types[name].high,
            "parse_failures": failures.get(name, 0),
        }
        for name, mean in means.types.items()
    }


def count_by_type(answers: Answers, flags: NDArray[np.bool_]) -> dict[str, int]:
    """Count flagged rows per question type, types without one left out."""
    names, code = factorize(answers.question_type)
    counts = np.bincount(code[flags], minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def reason_counts(scored: Scored) -> dict[str, int]:
    """Count the rows without a score by reason."""
    reasons = list(scored.reason.values())
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


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
    for name, cell in summary.get("frame_budgets", {}).items():
        lines.append(f"{'  frames ' + name:<28} {cell['n']:>5}  {100 * cell['overall']:7.2f}")
    lines.append(f"parse failures: {summary['parse_failures']} of {n}")
    if n < summary["n"]:
        why = ", ".join(f"{reason} {count}" for reason, count in summary["unscored"].items())
        lines.append(f"UNSCORED: {summary['n'] - n} of {summary['n']} rows ({why}); the scores leave them out")
    return "\n".join(lines)
