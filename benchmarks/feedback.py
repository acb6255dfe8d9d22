"""Share of frontier questions by round, with feedback that chooses the questions and without.

    uv run python benchmarks/feedback.py --learner tiny --seeds 3 --out runs
    uv run python benchmarks/feedback.py --learner simulated --seeds 8 --out runs-simulated

Every round asks `--count` new questions about procedural rooms, teaches the learner with them, labels them easy,
frontier or hard by its confidence in the ground truth (profile `paper`), and passes the labels on to the next round.
What differs between the columns is only how the next questions are chosen. The first round is the same for all.

`tiny` is the model that ships with qa-trainer, really trained (`qa-trainer sft`), optimizer state from round to round.
`simulated` is no model: its confidence is a formula of question type, cell, category and of what it was taught so far.
It costs nothing, so it shows the spread over many seeds; it cannot show that a real model behaves like this.

A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import QUESTIONS
from qa_engine.seeding import scene_rng
from scipy import stats

CHOICES = ("none", "baseline", "learning", "predicted")
"""How the next questions are chosen: by nothing (which is also what the sampler `paper` asks), or by a sampler."""

LABELLED = {"question_id": pl.String, "label": pl.String}

EASY, HARD = 0.9, 0.1
"""Confidence above which a question is easy, and below which it is hard, in profile `paper`."""

BIN = Path(sys.executable).parent


def run(*words: object, log: Path) -> None:
    """Run a command of the workspace; what it says goes to a log."""
    with log.open("a") as file:
        subprocess.run([str(BIN / str(words[0])), *map(str, words[1:])], check=True, stdout=file, stderr=file)


def make_store(out: Path, scenes: int) -> Path:
    """Make the rooms that are asked about."""
    store = out / "store"
    if not (store / "frame_sets.parquet").is_file():
        rooms = ("rooms", "--scenes", scenes, "--frames-per-scene", 2, "--size", 128, "--seed", 7)
        split = ("--split", "train=1.0,val=0.0,test=0.0")
        run("qa-engine", "ingest", *rooms, *split, "--out", store, "--force", log=out / "store.log")
        run("qa-engine", "sample-frames", store, "--method", "uniform", "--frames", 2, log=out / "store.log")
    return store


def ask(store: Path, here: Path, earlier: Sequence[Path], choice: str, options: argparse.Namespace, seed: int) -> None:
    """Generate the questions of a round."""
    words: list[object] = ["--count", options.count, "--seed", seed, "--round", len(earlier) + 1]
    words += [word for before in earlier for word in ("--exclude", before / "questions")]
    if earlier and choice != "none":
        words += ["--feedback", earlier[-1] / "feedback", "--sampler", choice]
    if earlier and choice == "predicted":
        words += [word for before in earlier for word in ("--confidence", before / "confidence")]
    run("qa-engine", "generate", store, "--out", here / "questions", *words, "--force", log=here / "log")


def train(store: Path, here: Path, before: Path | None, options: argparse.Namespace, seed: int) -> None:
    """Train the tiny model on a round and label its questions."""
    words: list[object] = ["--steps", options.count // options.batch_size, "--batch-size", options.batch_size]
    words += ["--learning-rate", options.learning_rate, "--seed", seed]
    words += ["--model", before / "train" / "model" if before else "tiny"]
    words += ["--state-from", before / "train"] if before else []
    run("qa-trainer", "sft", here / "questions", "--store", store, "--out", here / "train", *words, log=here / "log")
    run("qa-confidence", "label", here / "train", "--out", here / "confidence", "--force", log=here / "log")


def simulate(here: Path, earlier: Sequence[Path], seed: int) -> None:
    """Write the confidence of the learner that is a formula.

    Log-odds: a start per question type, an offset per cell and per category, more with the logarithm of the questions
    of that type and cell that were taught before, and an offset of the question's own.
    """
    questions = read_table(here / "questions", "questions", QUESTIONS)
    cells = ["question_type", "cell"]
    taught = [read_table(path / "questions", "questions", QUESTIONS, columns=cells) for path in earlier]
    counted = pl.concat([questions.select(cells).clear(), *taught]).group_by(cells).len("taught")
    n = questions.join(counted, on=cells, how="left", maintain_order="left")["taught"].fill_null(0).to_numpy()
    category = questions["operands"].list.get(0, null_on_oob=True).struct.field("category").fill_null("")
    keys = {
        "type": (2.5, questions["question_type"]),
        "cell": (1.2, questions["question_type"] + questions["cell"]),
        "category": (1.2, category),
        "question": (0.7, questions["signature"]),
    }
    log_odds = 0.5 * np.log1p(n) - 1.5
    for kind, (spread, names) in keys.items():
        log_odds += spread * np.array([scene_rng(seed, name, f"learner/{kind}").standard_normal() for name in names])
    gold = pl.Series("gold_confidence", 1 / (1 + np.exp(-log_odds)))
    label = (
        pl.when(gold > EASY).then(pl.lit("easy")).when(gold < HARD).then(pl.lit("hard")).otherwise(pl.lit("frontier"))
    )
    empty = {name: pl.lit(None, pl.Float64) for name in ("raw_confidence", "confidence", "score")}
    empty |= {name: pl.lit(None, pl.String) for name in ("calibrator_id", "group")}
    table = questions.select("question_id", "scene_name", "question_type", "round", gold).with_columns(
        model_id=pl.lit("simulated"), phase=pl.lit("train"), label=label, profile=pl.lit("paper"), **empty
    )
    metadata = table_metadata("confidence", "benchmarks/feedback.py", {}, seed)
    write_table(table, here / "confidence" / "confidence.parquet", dict(table.schema), metadata)


def play(store: Path, choice: str, seed: int, options: argparse.Namespace) -> list[Path]:
    """Play all rounds of one choice and seed; returns their folders."""
    rounds: list[Path] = []
    for number in range(1, options.rounds + 1):
        shared = "first" if number == 1 else choice
        here = options.out / f"seed_{seed}" / shared / f"round_{number}"
        if not (here / "feedback" / "feedback.parquet").is_file():
            shutil.rmtree(here, ignore_errors=True)
            here.mkdir(parents=True)
            ask(store, here, rounds, choice, options, seed)
            if options.learner == "tiny":
                train(store, here, rounds[-1] if rounds else None, options, seed)
            else:
                simulate(here, rounds, seed)
            words = ("--questions", here / "questions", "--out", here / "feedback", "--force")
            run("qa-confidence", "feedback", here / "confidence", *words, log=here / "log")
        rounds.append(here)
    return rounds


def labels(here: Path) -> dict[str, float]:
    """Share of each label in a round."""
    column = read_table(here / "confidence", "confidence", LABELLED)["label"]
    return {name: len(column.filter(column == name)) / len(column) for name in ("easy", "frontier", "hard")}


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean and half the width of its 95% interval over seeds (Student's t)."""
    n = len(values)
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return {"mean": round(float(np.mean(values)), 4), "half_width": round(half, 4)}


def summary(found: dict[str, list[list[dict[str, float]]]]) -> list[dict[str, Any]]:
    """Average over seeds; `found` holds per choice and seed the label shares of each round."""
    rows = []
    for choice, seeds in found.items():
        for t in range(len(seeds[0])):
            row: dict[str, Any] = {"choice": choice, "round": t + 1}
            row |= {name: interval([rounds[t][name] for rounds in seeds]) for name in seeds[0][t]}
            pairs = zip(seeds, found.get("none", seeds), strict=True)
            row["frontier_above_none"] = interval([own[t]["frontier"] - none[t]["frontier"] for own, none in pairs])
            rows.append(row)
    return rows


def main() -> None:
    """Play all runs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learner", choices=("tiny", "simulated"), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=CHOICES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--count", type=int, default=384, help="questions per round")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument("--json", type=Path, help="also write the result there")
    options = parser.parse_args()
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    store = make_store(options.out, options.scenes)
    found: dict[str, list[list[dict[str, float]]]] = {choice: [] for choice in options.choices}
    for seed in range(1, options.seeds + 1):
        for choice in options.choices:
            found[choice].append([labels(here) for here in play(store, choice, seed, options)])
            shares = " ".join(f"{100 * share['frontier']:.1f}" for share in found[choice][-1])
            sys.stderr.write(f"seed {seed} {choice}: frontier {shares}\n")
    rows = summary(found)
    for row in rows:
        parts = [f"{name} {100 * row[name]['mean']:5.1f} ± {100 * row[name]['half_width']:4.1f}" for name in
                 ("easy", "frontier", "hard", "frontier_above_none")]  # fmt: skip
        sys.stdout.write(f"{row['choice']:10} round {row['round']}: {'  '.join(parts)}\n")
    if options.json:
        config = {name: getattr(options, name) for name in ("learner", "seeds", "rounds", "scenes", "count")}
        if options.learner == "tiny":
            config |= {"batch_size": options.batch_size, "learning_rate": options.learning_rate}
        options.json.write_text(json.dumps(config | {"results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
