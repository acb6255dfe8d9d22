"""Compare the calibration methods on scored answers of a model, every answer predicted by maps of other scenes.

    uv run python benchmarks/confidence_calibrators.py CONFIDENCE --out benchmarks/results/confidence_calibrators.json

CONFIDENCE is the output of `qa-confidence label PREDICTIONS --scores SCORES`. The scenes are divided into five parts;
each part's confidences are mapped by calibrators fitted on the other four (and, with --rows, on so many of their rows,
whole scenes). The figures are over all answers, with intervals by scene; differences to the default method are paired.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from qa_confidence import CALIBRATORS, fit_calibrator
from qa_confidence.arrays import check_rows
from qa_confidence.calibrating import column_labels, group_names, scored_pairs
from qa_confidence.calibrators import DEFAULT
from qa_confidence.metrics import METRICS
from qa_confidence.metrics.bootstrap import ClusterBootstrap, Evaluator
from qa_contract.tableio import read_table
from qa_contract.tables import CONFIDENCE

PARTS = 5
SHOWN = ("ece", "debiased_ece", "smooth_ece", "brier", "cross_entropy", "auroc")
PAIRED = ("cross_entropy", "brier", "ece")


def cross_fitted(
    pairs: pl.DataFrame, *, method: str, grouping: str, rows: int | None, seed: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], int]:
    """Map every row by a calibrator fitted on other scenes; give the result and the mean number of rows per fit."""
    value, score = pairs["value"].to_numpy(), pairs["score"].to_numpy()
    scene, group = column_labels(pairs["scene_name"]), group_names(pairs, grouping, None)
    order = np.random.default_rng(seed).permutation(len(scene.names))
    part = (order % PARTS)[scene.code]
    result, used = np.empty(len(pairs)), []
    for held in range(PARTS):
        fit, test = np.flatnonzero(part != held), np.flatnonzero(part == held)
        if rows is not None:  # whole scenes in a fixed random order, until there are enough rows
            by_scene = fit[np.argsort(order[scene.code[fit]], kind="stable")]
            last = scene.code[by_scene[min(rows, len(by_scene)) - 1]]
            fit = by_scene[: int(np.flatnonzero(scene.code[by_scene] == last)[-1]) + 1]
        levels = [None if group is None else tuple(level.take(chosen) for level in group) for chosen in (fit, test)]
        calibrator = fit_calibrator(
            value[fit], score[fit], method=method, group=levels[0], cluster=scene.take(fit), seed=seed
        )
        result[test] = calibrator.predict(value[test], group=levels[1])
        used.append(len(fit))
    return result, round(float(np.mean(used)))


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("confidence", type=Path, help="Table 'confidence' with scores.")
    parser.add_argument("--rows", type=int, nargs="*", default=[300, 1000], help="Smaller fits to try as well.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file to write, too.")
    options = parser.parse_args()
    pairs = scored_pairs(read_table(options.confidence, "confidence", CONFIDENCE), column="raw_confidence")
    score = pairs["score"].to_numpy()
    boot = ClusterBootstrap(column_labels(pairs["scene_name"]), n=len(pairs), seed=options.seed)
    constant = check_rows(np.full(len(pairs), score.mean()), score)
    table = []
    for rows in (None, *options.rows):
        for grouping in ("none", "question_type"):
            mapped, used = {}, 0
            for method in CALIBRATORS:
                value, used = cross_fitted(pairs, method=method, grouping=grouping, rows=rows, seed=options.seed)
                mapped[method] = Evaluator(check_rows(value, score), boot)
            for method, evaluator in mapped.items():
                entry: dict[str, Any] = {"method": method, "group": grouping, "rows_per_fit": used}
                entry |= {name: asdict(evaluator.estimate(METRICS[name])) for name in SHOWN}
                entry["less_default"] = {}
                for name in PAIRED:
                    difference = evaluator.resampled(METRICS[name]) - mapped[DEFAULT].resampled(METRICS[name])
                    low, high = np.quantile(difference, [0.025, 0.975])
                    value = evaluator.value(METRICS[name]) - mapped[DEFAULT].value(METRICS[name])
                    entry["less_default"][name] = {"value": value, "low": float(low), "high": float(high)}
                table.append(entry)
                sys.stderr.write(line(entry) + "\n")
    result = {
        "answers": len(pairs),
        "scenes": boot.n_found,
        "default": DEFAULT,
        "constant": {name: METRICS[name].of(constant) for name in SHOWN},
        "methods": table,
        "question_types": question_types(pairs, seed=options.seed),
    }
    text = json.dumps(result, indent=1).replace("NaN", "null") + "\n"
    sys.stdout.write(text)
    if options.out:
        options.out.write_text(text)


def question_types(pairs: pl.DataFrame, *, seed: int) -> list[dict[str, object]]:
    """Measure every question type before and after calibration by the default method, fitted per question type."""
    after, _ = cross_fitted(pairs, method=DEFAULT, grouping="question_type", rows=None, seed=seed)
    before, score = pairs["value"].to_numpy(), pairs["score"].to_numpy()
    types, scene = column_labels(pairs["question_type"]), column_labels(pairs["scene_name"])
    result = []
    for i, name in enumerate(types.names):
        here = np.flatnonzero(types.code == i)
        boot = ClusterBootstrap(scene.take(here), n=len(here), seed=seed)
        row = {"question_type": name, "n": len(here), "mean_score": float(score[here].mean())}
        for when, value in (("before", before), ("after", after)):
            evaluator = Evaluator(check_rows(value[here], score[here]), boot)
            row[when] = {metric: asdict(evaluator.estimate(METRICS[metric])) for metric in ("ece", "auroc")}
        result.append(row)
    return result


def line(entry: dict[str, Any]) -> str:
    """Write one row of the table, for the eye."""
    cells = []
    for name in ("ece", "smooth_ece", "cross_entropy", "auroc"):
        e = entry[name]
        cells.append(f"{name} {e['value']:.4f} [{e['low']:.4f}, {e['high']:.4f}]")
    return f"{entry['method']:12} {entry['group']:14} {entry['rows_per_fit']:6} " + "  ".join(cells)


if __name__ == "__main__":
    main()
