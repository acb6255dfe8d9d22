"""How many questions that `suspect` names have a wrong ground truth, where a known share was made wrong on purpose.

    uv run python benchmarks/confidence_suspects.py QUESTIONS EARLIER LATER --out FILE.json

EARLIER and LATER are outputs of `qa-eval run` on the same held-out questions by the models of two consecutive rounds.
Again and again, a share of the questions gets the ground truth of another question of its type whose text differs; all
answers are scored against the result, calibrators are fitted on those scores, and suspects are looked for.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from qa_confidence.calibrating import apply_table, fit_table
from qa_confidence.difficulty import SUSPECT_CONFIDENCE, WRONG_BELOW
from qa_confidence.labelling import READ, label_predictions
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import PREDICTIONS, QUESTIONS, SCORES

CONFIDENCES = (0.9, 0.8, 0.7)


def corrupted(questions: pl.DataFrame, *, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Replace the ground truth of a share of the questions; the column `wrong` says of which."""
    truth = questions["ground_truth"].to_numpy().astype(object)
    wrong = np.zeros(len(questions), dtype=bool)
    for rows in questions.with_row_index().group_by("question_type", maintain_order=True).agg("index")["index"]:
        here = rows.to_numpy()
        for i in rng.choice(here, size=round(share * len(here)), replace=False):
            others = questions["ground_truth"].gather(here).to_numpy()
            different = others[others != questions["ground_truth"][int(i)]]
            if len(different):
                truth[i], wrong[i] = rng.choice(different), True
    return questions.with_columns(ground_truth=pl.Series(truth.tolist(), dtype=pl.String), wrong=pl.Series(wrong))


def clean_pass(run: Path, questions: Path, number: int) -> pl.DataFrame:
    """Score a run against the questions and calibrate its confidence on these scores."""
    with tempfile.TemporaryDirectory() as folder:
        scores = Path(folder) / "scores.parquet"
        command = ["qa-eval", "score", str(run), "--questions", str(questions), "--benchmark", "questions"]
        subprocess.run([*command, "--out", str(scores), "--json"], check=True, capture_output=True)
        scored = read_table(scores, "scores", SCORES)
    predictions = read_table(run, "predictions", PREDICTIONS, columns=READ)
    table = label_predictions(predictions, scores=scored).confidence.with_columns(round=pl.lit(number, pl.Int32))
    return apply_table(table, [fit_table(table, shares=(1.0, 0.0, 0.0)).calibrator])


def found(passes: list[pl.DataFrame], confidence: float) -> set[str]:
    """Question ids that every pass answers wrongly at this calibrated confidence or above."""
    sure = (pl.col("confidence") >= confidence) & (pl.col("score") < WRONG_BELOW)
    return set.intersection(*(set(table.filter(sure)["question_id"]) for table in passes))


def measured(questions: pl.DataFrame, runs: list[Path], *, share: float, repeats: int) -> dict[str, Any]:
    """Count suspects and those made wrong over all repeats."""
    counts: dict[tuple[int, float], list[tuple[int, int]]] = {}
    type_of = dict(questions.select("question_id", "question_type").iter_rows())
    types: dict[str, dict[str, int]] = {}
    made_wrong = 0
    for repeat in range(repeats):
        table = corrupted(questions, share=share, rng=np.random.default_rng(repeat))
        wrong = set(table.filter("wrong")["question_id"])
        made_wrong += len(wrong)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "questions.parquet"
            write_table(table.drop("wrong"), path, QUESTIONS, table_metadata("questions", "benchmark", {}, repeat))
            passes = [clean_pass(run, path, i) for i, run in enumerate(runs)]
        for rounds in (1, 2):
            for confidence in CONFIDENCES:
                named = found(passes[-rounds:], confidence)
                counts.setdefault((rounds, confidence), []).append((len(named), len(named & wrong)))
        for name in found(passes, SUSPECT_CONFIDENCE):
            entry = types.setdefault(type_of[name], {"named": 0, "made_wrong": 0})
            entry["named"] += 1
            entry["made_wrong"] += name in wrong
        sys.stderr.write(f"share {share}: {repeat + 1} of {repeats}\n")
    rules = [summary(rounds, confidence, pairs, made_wrong) for (rounds, confidence), pairs in counts.items()]
    return {"share": share, "made_wrong": made_wrong, "rules": rules, "suspects_by_type": dict(sorted(types.items()))}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", type=Path)
    parser.add_argument("earlier", type=Path)
    parser.add_argument("later", type=Path)
    parser.add_argument("--share", type=float, nargs="+", default=[0.02, 0.05, 0.1], help="Shares made wrong.")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path, help="JSON file to write, too.")
    options = parser.parse_args()
    questions = read_table(options.questions, "questions", QUESTIONS)
    runs = [options.earlier, options.later]
    shares = [measured(questions, runs, share=share, repeats=options.repeats) for share in options.share]
    result = {"questions": len(questions), "repeats": options.repeats, "shares": shares}
    text = json.dumps(result, indent=1) + "\n"
    sys.stdout.write(text)
    if options.out:
        options.out.write_text(text)


def summary(rounds: int, confidence: float, pairs: list[tuple[int, int]], made_wrong: int) -> dict[str, Any]:
    """Precision and recall over all repeats, the interval of the precision over resampled repeats."""
    named, right = np.array(pairs).T
    draws = np.random.default_rng(0).integers(0, len(pairs), (1000, len(pairs)))
    total = named[draws].sum(axis=1)
    precision = (right[draws].sum(axis=1) / np.maximum(total, 1))[total > 0]
    low, high = np.quantile(precision, [0.025, 0.975]) if len(precision) else (None, None)
    return {
        "rounds": rounds,
        "confidence": confidence,
        "named": int(named.sum()),
        "precision": float(right.sum() / named.sum()) if named.sum() else None,
        "low": low,
        "high": high,
        "recall": float(right.sum() / made_wrong),
    }


if __name__ == "__main__":
    main()
