"""Does the mean reward rise? Short reinforcement from the tiny base, on rooms made for it; two cores, minutes.

Usage: uv run python benchmarks/trainer_grpo.py OUT
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

TASKS = "object_counting,room_size_estimation"


def run(*words: object) -> None:
    """Run a command of the workspace."""
    subprocess.run(list(map(str, words)), check=True)


def main(out: Path) -> None:
    """Make rooms and questions, warm up by fine-tuning, reinforce, and print the mean reward per tenth of the run."""
    store, questions = out / "store", out / "questions"
    rooms = ("--scenes", 60, "--frames-per-scene", 4, "--size", 128, "--seed", 71)
    run("qa-engine", "ingest", "rooms", "--out", store, *rooms)
    run("qa-engine", "sample-frames", store, "--method", "uniform", "--frames", 4)
    run("qa-engine", "generate", store, "--out", questions, "--tasks", TASKS, "--per-scene", 5, "--seed", 1)
    common = ["--store", store, "--device", "cpu"]
    warm = ["--steps", 25, "--batch-size", 16, "--learning-rate", 3e-4]
    run("qa-trainer", "sft", questions, "--model", "tiny", "--out", out / "sft", *common, *warm)
    reinforce = ["--steps", 60, "--batch-size", 6, "--group-size", 8, "--learning-rate", 1e-4, "--beta", 0]
    reinforce += ["--reward", "mra", "--max-completion-length", 6]
    run("qa-trainer", "grpo", questions, "--model", out / "sft" / "model", "--out", out / "grpo", *common, *reinforce)
    steps = json.loads((out / "grpo" / "rewards.json").read_text())["steps"]
    rewards = np.array([step["reward"] for step in steps])
    tenths = [round(float(part.mean()), 3) for part in np.array_split(rewards, 10)]
    sys.stdout.write(f"mean reward per tenth of {len(rewards)} steps: {tenths}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
