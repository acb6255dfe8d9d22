"""What a loop notices of rooms whose boxes are wrong: suspects, gates, calibration.

    uv run python benchmarks/corrupted_rooms.py --scenes 500 --rounds 5 --count 500
    uv run python benchmarks/corrupted_rooms.py --learner tiny --scenes 600 --rounds 4 --count 600 --out runs/corrupted

A tenth of the rooms get every box stretched and moved. `simulated` answers by the true boxes, as a model does that
looks at the pictures: right with a chance that grows from round to round, differently per question type, and
overconfident. Its commands are the real ones: `generate` on the corrupted store, `signal`, `feedback`, `draw`, `gate`.
`tiny` is a whole `qa-loop run` of profile calibrated that trains the model that ships with the trainer, with the store
spoilt between `ingest` and `observe`. A question is wrong where the true answer would score less than 0.5 against its
ground truth.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from qa_contract.answers import score_choice, score_number
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import OBJECTS, PREDICTIONS, QUESTIONS, SCORES

from qa_loop.report.truth import Found, suspects_found, wrong_questions

TYPES = ("object_size_estimation", "object_abs_distance", "object_counting", "room_size_estimation")
SKILL = dict(zip(TYPES, (0.9, 0.6, 0.75, 0.95), strict=True))
"""Chance to answer by the true boxes once everything is learned."""

CONFIG = """
[run]
name = "corrupted rooms"
seed = {seed}
rounds = {rounds}
[scenes]
dataset = "rooms"
scenes = {scenes}
frames = 2
size = 128
seed = {seed}
split = "train=0.9,val=0.0,test=0.1"
[frames]
frames = 2
[generate]
tasks = {tasks}
workers = 2
[train]
model = "tiny"
steps = {steps}
batch_size = 32
learning_rate = 4e-4
[gates]
offer = 1.1
[confidence]
profile = "calibrated"
panel = {count}
sample = {count}
[eval]
count = 100
batch_size = 64
"""


def call(*words: object, allowed: tuple[int, ...] = (0, 1)) -> None:
    """Run a command of the workspace; 1 says that rows are missing."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name(str(words[0]))), *map(str, words[1:])], capture_output=True
    )
    if done.returncode not in allowed:
        raise SystemExit(f"{' '.join(map(str, words))}:\n{done.stderr.decode()}")


def corrupt(store: Path, share: float, rng: np.random.Generator) -> list[str]:
    """Stretch and move the boxes of a share of the rooms; give their names."""
    objects = read_table(store, "objects", OBJECTS)
    names = objects["scene_name"].unique().sort().to_list()
    bad = sorted(rng.choice(names, round(share * len(names)), replace=False).tolist())
    scale = pl.Series(np.exp(rng.choice([-0.9, 0.9], len(objects))))
    move = pl.Series(rng.normal(0, 0.8, len(objects)))
    here = pl.col("scene_name").is_in(bad)
    size = pl.when(here).then(pl.col("size") * scale).otherwise("size")
    center = pl.when(here).then(pl.col("center") + move).otherwise("center")
    metadata = table_metadata("objects", "corrupted", {"share": share}, 0)
    write_table(objects.with_columns(size=size, center=center), store / "objects.parquet", OBJECTS, metadata)
    return bad


def scored(question: dict, said: str) -> float:
    """Score an answer as the loop does."""
    if question["answer_type"] == "choice":
        return score_choice(said, question["ground_truth"])
    return score_number(said, float(question["ground_truth"]))


def answers(asked: pl.DataFrame, truth: dict[str, str], number: int, *, looks: bool, out: Path, seed: int) -> None:
    """Write what the learner says, and its scores."""
    rng = np.random.default_rng([seed, number, looks])
    told, scores = [], []
    typical = {kind: rows["ground_truth"].mode().sort()[0] for (kind,), rows in asked.group_by("question_type")}
    for question in asked.sort("question_id").iter_rows(named=True):
        skill = SKILL[question["question_type"]] * (1 - 0.5**number) if looks else 0.0
        knows = rng.random() < skill
        said = (
            truth.get(question["signature"], question["ground_truth"]) if knows else typical[question["question_type"]]
        )
        sure = float(np.clip(rng.normal(0.97 if knows else 0.7, 0.02 if knows else 0.15), 0.05, 0.999))
        key = {name: question[name] for name in ("question_id", "scene_name", "question_type")}
        key |= {"run_id": "r", "model_id": f"m{number}", "runner": "transformers", "round": number}
        key |= {"prompt_id": "vsi-bench"}
        tokens = {"token_logprobs": [float(np.log(sure))], "token_mask": [True], "token_ids": [0]}
        told.append({**key, "phase": "eval", "completion": said, **tokens})
        score = {"benchmark": "questions", "parser": "official", "parsed": said, "score": scored(question, said)}
        scores.append({**key, **score})
    for name, rows, schema in (("predictions", told, PREDICTIONS), ("scores", scores, SCORES)):
        frame = with_every_column(pl.DataFrame(rows, infer_schema_length=None), schema)
        write_table(frame, out / f"{name}.parquet", schema, table_metadata(name, "simulated", {}, 0))


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learner", choices=("simulated", "tiny"), default="simulated")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--count", type=int, default=600, help="of the panel, and of the questions of a round")
    parser.add_argument("--steps", type=int, default=64, help="of 32 questions that the tiny model trains per round")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder to keep; default: none is kept")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--spoil", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.spoil:
        spoil(given.spoil, given.share, given.seed)
        return
    with tempfile.TemporaryDirectory() as folder:
        here = given.out or Path(folder)
        here.mkdir(parents=True, exist_ok=True)
        result = simulated(here, given) if given.learner == "simulated" else trained(here.resolve(), given)
    text = json.dumps(result, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")


def spoil(store: Path, share: float, seed: int) -> list[str]:
    """Keep the true answers beside a store, then corrupt it."""
    call("qa-engine", "generate", store, "--out", store.parent / "true", "--no-screen", "--tasks", ",".join(TYPES))
    return corrupt(store, share, np.random.default_rng(seed))


def trained(here: Path, given: argparse.Namespace) -> dict:
    """Run the loop; its `qa-engine` spoils what it ingests."""
    programs, real = here / "bin", Path(sys.executable).parent
    programs.mkdir(exist_ok=True)
    for name in ("qa-engine", "qa-trainer", "qa-confidence", "qa-eval"):
        words = f"{sys.executable} {Path(__file__).resolve()} --share {given.share} --seed {given.seed} --spoil store"
        after = f'[ "$1" != ingest ] || {words}' if name == "qa-engine" else ":"
        (programs / name).write_text(f'#!/bin/sh\n{real / name} "$@" || exit $?\n{after}\n')
        (programs / name).chmod(0o755)
    config = here / "loop.toml"
    values = {name: getattr(given, name) for name in ("seed", "rounds", "scenes", "steps", "count")}
    config.write_text(CONFIG.format(tasks=json.dumps(TYPES), **values))
    run, environment = here / "run", {**os.environ, "QA_LOOP_BIN": str(programs)}
    subprocess.run([real / "qa-loop", "run", config, "--out", run], env=environment, check=True)
    call("qa-loop", "report", run, "--truth", run / "true")
    truth = read_table(run / "true", "questions", QUESTIONS)
    rounds = []
    for number in range(1, given.rounds + 1):
        found = suspects_found(run, number, run / "true")
        if found is not None:
            rounds.append(figures(run / f"round_{number:02d}", found, truth))
    about = {"learner": "tiny", "scenes": given.scenes, "count": given.count, "steps": given.steps, "seed": given.seed}
    return {**about, "rounds": rounds}


def simulated(here: Path, given: argparse.Namespace) -> dict:
    """Make the rooms, spoil a tenth, and let the loop's commands work on them."""
    scenes, rounds, count, seed = given.scenes, given.rounds, given.count, given.seed
    store, tasks = here / "store", ",".join(TYPES)
    rooms = ("--scenes", scenes, "--frames-per-scene", 0, "--size", 32, "--seed", seed)
    rooms += ("--split", "train=1,val=0,test=0")
    call("qa-engine", "ingest", "rooms", "--out", store, *rooms)
    bad = spoil(store, given.share, seed)
    clean = read_table(here / "true", "questions", QUESTIONS)
    truth = dict(clean.select("signature", "ground_truth").iter_rows())
    call("qa-engine", "generate", store, "--out", here / "panel", "--tasks", tasks, "--count", count, "--seed", seed)
    per_round, earlier, signals, drawn_before = [], [], [], []
    for number in range(1, rounds + 1):
        at = here / f"round_{number}"
        words = ["--tasks", tasks, "--count", count, "--round", number, "--exclude", here / "panel"]
        words += [word for path in earlier for word in ("--exclude", path)]
        if number > 1:
            words += ["--feedback", here / f"round_{number - 1}/feedback", "--sampler", "learnability"]
        call("qa-engine", "generate", store, "--out", at / "candidates", *words)
        again = ["--again", drawn_before[-1], "--doubts", signals[-1]] if number > 1 else []
        whole = ["--whole", here / "panel"]
        call("qa-engine", "draw", at / "candidates", "--out", at / "drawn", "--count", count // 2, *whole, *again)
        asked = read_table(at / "drawn", "questions", QUESTIONS)
        for name, looks in (("clean", True), ("blind", False)):
            answers(asked, truth, number, looks=looks, out=at / name, seed=seed)
        previous = ["--previous", signals[-1]] if number > 1 else []
        words = ["--blind", at / "blind", "--questions", at / "drawn", "--panel", here / "panel"]
        words += [word for path in signals for word in ("--previous", path)]
        call("qa-confidence", "signal", at / "clean", *words, "--out", at / "signal")
        words = ["--questions", at / "drawn", *previous]
        call("qa-confidence", "feedback", at / "signal", *words, "--out", at / "feedback")
        signals.append(at / "signal")
        drawn_before.append(at / "drawn")
        words = [word for path in signals for word in ("--evidence", path)]
        words += [word for path in drawn_before for word in ("--about", path)]
        words += [word for path in earlier for word in ("--exclude", path)]
        call("qa-engine", "gate", at / "candidates", "--out", at / "questions", *words)
        earlier.append(at / "questions")
        labels = pl.read_parquet(at / "signal/confidence.parquet")
        suspects, wrong = {*labels.filter(label="suspect")["question_id"]}, {*wrong_questions(asked, clean)}
        per_round.append(figures(at, Found(len(wrong), len(suspects), len(wrong & suspects)), clean))
    about = {"learner": "simulated", "scenes": scenes, "corrupted": len(bad), "count": count, "seed": seed}
    return {**about, "rounds": per_round}


def figures(at: Path, found: Found, truth: pl.DataFrame) -> dict:
    """Collect suspects, yields and calibration of a round."""
    told = json.loads((at / "signal/signal.json").read_text())
    gates = json.loads((at / "questions/manifest.json").read_text())["gates"]
    kept, offered = (read_table(at / name, "questions", QUESTIONS) for name in ("questions", "candidates"))
    return {
        "answers": told["rows"],
        "ece_before": round(told["calibration"]["all"]["ece_before"], 4),
        "ece_after": round(told["calibration"]["all"]["ece_after"], 4),
        "wrong": found.wrong,
        "suspects": found.suspects,
        "precision": None if found.precision is None else round(found.precision, 3),
        "recall": None if found.recall is None else round(found.recall, 3),
        "suspect_scenes": len(told["suspect_scenes"]),
        "gates": {one["gate"]: [one["seen"], one["judged"], one["refused"]] for one in gates},
        "wrong_of_offered": [len(wrong_questions(offered, truth)), len(offered)],
        "wrong_of_kept": [len(wrong_questions(kept, truth)), len(kept)],
    }


if __name__ == "__main__":
    main()
