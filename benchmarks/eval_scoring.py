"""Time of scoring stored predictions: the command line, and the same rows by a plain loop over the official rules.

    pip install --no-deps --target DIR lmms-eval==0.7.3
    uv run python benchmarks/eval_scoring.py --packages DIR --out benchmarks/results/eval_scoring.json

The loop reads each row with VSI-Bench's own rules, one row after another, as its evaluation does: first token, float,
ten thresholds from `numpy.linspace`, means per type. Both sides get the same lists and must give the same numbers.
Times are processor seconds of this one process, so that other work on the machine does not count; the wall times of the
command line are given, too. With --packages, the functions of lmms-eval (VSI-Bench's own, but for reading numbers) are
executed in the same loop.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from eval_public_scorers import NA_KEY, public_functions
from qa_eval.benchmarks import find_benchmark
from qa_eval.benchmarks.vsi_bench import CHOICE_TYPES, DIRECTION_TYPES
from qa_eval.metrics.aggregate import aggregate
from qa_eval.parsers import find_parser
from qa_eval.scoring.answers import Answers
from qa_eval.scoring.score import score_answers

TYPE_COUNTS = {
    **{"object_size_estimation": 953, "object_abs_distance": 834, "object_rel_distance": 710},
    **{"obj_appearance_order": 618, "object_counting": 565, "object_rel_direction_medium": 378},
    **{"object_rel_direction_hard": 373, "room_size_estimation": 288, "object_rel_direction_easy": 217},
    "route_planning": 194,
}
"""Rows of each type in VSI-Bench."""

Scores = tuple[list[float], float]
"""Score of every row, and the overall score."""

FULL_BENCHMARK = sum(TYPE_COUNTS.values())
ODD = ("(D)", "the answer is A", "about 4", "190cm", "twelve", "")
"""One answer in ten is one that the rules cannot read."""


def main() -> None:
    """Measure, and write the times with the machine they were measured on."""
    options = argparse.ArgumentParser(description="Time of scoring stored predictions.")
    options.add_argument("--rows", type=int, default=500_000)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--packages", type=Path, help="folder in which lmms-eval is installed")
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    result: dict[str, Any] = {"command_line": command_line(sample(FULL_BENCHMARK, chosen.seed), chosen.repeats)}
    for name, distinct in (("short answers", False), ("all answers different", True)):
        result[name] = against_loop(sample(chosen.rows, chosen.seed, distinct=distinct))
        sys.stderr.write(f"{name}: {json.dumps(result[name])}\n")
    if chosen.packages:
        answers = sample(chosen.rows, chosen.seed)
        found = against_loop(answers, "lmms-eval", lambda rows: lmms_loop(rows, chosen.packages))
        result["lmms-eval's functions"] = found
        sys.stderr.write(f"lmms-eval's functions: {json.dumps(found)}\n")
    result["machine"] = {
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def sample(n: int, seed: int, *, distinct: bool = False) -> Answers:
    """Draw rows of all question types; `distinct` makes every completion a text of its own."""
    rng = np.random.default_rng(seed)
    names = np.array(list(TYPE_COUNTS), dtype=object)
    shares = np.array(list(TYPE_COUNTS.values())) / FULL_BENCHMARK
    types = names[rng.choice(len(names), n, p=shares)].tolist()
    letters = np.array(list("ABCD"), dtype=object)[rng.integers(0, 4, n)].tolist()
    numbers = [f"{value:.1f}" for value in rng.uniform(0.4, 12.6, n).tolist()]
    truth: list[str | None] = [
        letter if t in CHOICE_TYPES else number for t, letter, number in zip(types, letters, numbers, strict=True)
    ]
    guesses = rng.uniform(0.4, 12.6, n).tolist()
    options = np.array(("A", "B.", "C. sofa", "d"), dtype=object)[rng.integers(0, 4, n)].tolist()
    given: list[str | None] = [
        option if t in CHOICE_TYPES else f"{guess:.1f}"
        for t, option, guess in zip(types, options, guesses, strict=True)
    ]
    for i in np.flatnonzero(rng.random(n) < 0.1).tolist():
        given[i] = ODD[i % len(ODD)]
    if distinct:
        given = [f"{text} {guess!r}" for text, guess in zip(given, guesses, strict=True)]
    return Answers(list(range(n)), types, truth, given)


def against_loop(
    answers: Answers, parser_name: str = "official", loop_over: Callable[[Answers], Scores] | None = None
) -> dict[str, Any]:
    """Score the rows both ways in this process, and check that the results are the same."""
    benchmark, parser = find_benchmark("vsi-bench"), find_parser(parser_name)
    started = time.process_time()
    scored = score_answers(answers, benchmark, parser)
    overall = aggregate(scored.score, scored.question_type, benchmark.tasks).overall
    middle = time.process_time()
    scores, expected = (loop_over or plain_loop)(answers)
    ended = time.process_time()
    if not np.array_equal(scored.score, scores) or overall is None or abs(overall - expected) > 1e-12:
        raise SystemExit("the two ways give different scores")
    ours, loop = middle - started, ended - middle
    return {
        "rows": answers.frame.height,
        "seconds": round(ours, 3),
        "loop_seconds": round(loop, 3),
        "times_faster": round(loop / ours, 1),
    }


def lmms_loop(answers: Answers, packages: Path) -> Scores:
    """Score row by row with the functions of lmms-eval."""
    public = public_functions(packages / "lmms_eval/tasks/vsibench/utils.py")
    public["pd"] = pd
    documents = []
    for kind, truth, text in answers.frame.select("question_type", "ground_truth", "prediction").iter_rows():
        document = {"question_type": kind, "ground_truth": truth}
        public["vsibench_process_results"](document, [text])
        documents.append(document)
    overall = float(public["_compute_all_subscores"](documents)["overall"])
    return [document.get("accuracy", document.get(NA_KEY)) for document in documents], overall


def plain_loop(answers: Answers) -> Scores:
    """Score row by row."""
    scores: list[float] = []
    by_type: dict[str, list[float]] = {}
    for kind, truth, text in answers.frame.select("question_type", "ground_truth", "prediction").iter_rows():
        token = (text or "").split(" ")[0].rstrip(".").strip()
        if kind in CHOICE_TYPES:
            score = 1.0 if token.lower() == (truth or "").lower() else 0.0
        else:
            score = relative_accuracy(token, float(truth or "nan"))
        scores.append(score)
        by_type.setdefault(kind, []).append(score)
    means = {kind: float(np.mean(values)) for kind, values in by_type.items()}
    direction = sum(means.pop(kind) for kind in DIRECTION_TYPES) / 3
    return scores, (sum(means.values()) + direction) / (len(means) + 1)


def relative_accuracy(token: str, truth: float) -> float:
    """Share of the ten thresholds that a number passes."""
    try:
        value = float(token)
    except ValueError:
        return 0.0
    thresholds = np.linspace(0.5, 0.95, int((0.95 - 0.5) / 0.05 + 2))
    return float((abs(value - truth) / truth <= 1 - thresholds).mean())


def command_line(answers: Answers, repeats: int) -> dict[str, Any]:
    """Time `qa-eval score FILE --out FILE --json` on one core, start-up included."""
    rows = answers.frame.select("id", "question_type", "ground_truth", "prediction").to_dicts()
    program = shutil.which("qa-eval") or str(Path(sys.executable).with_name("qa-eval"))
    wall, cpu = [], []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "predictions.jsonl"
        source.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        core = ["taskset", "-c", "0"] if shutil.which("taskset") else []
        command = [*core, program, "score", str(source), "--out", f"{folder}/scores.jsonl", "--force", "--json"]
        for _ in range(repeats):
            before, started = os.times(), time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            wall.append(time.perf_counter() - started)
            after = os.times()
            cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
    sys.stderr.write(f"command line: wall {min(wall):.2f} s, processor {min(cpu):.2f} s\n")
    return {
        "rows": len(rows),
        "wall_seconds": [round(value, 3) for value in wall],
        "processor_seconds": [round(value, 3) for value in cpu],
    }


if __name__ == "__main__":
    main()
