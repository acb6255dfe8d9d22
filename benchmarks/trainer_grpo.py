"""Does the mean reward rise? Short reinforcement from the tiny base, on rooms made for it; two cores, minutes.

Usage: uv run python benchmarks/trainer_grpo.py WORK [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from qa_contract.files import write_json

RESULTS = Path(__file__).parent / "results"
TASKS = "object_counting,room_size_estimation"


def run(*words: object) -> None:
    """Run a command of the workspace."""
    subprocess.run(list(map(str, words)), check=True)


def main(work: Path, out: Path) -> None:
    """Make rooms and questions, warm up by fine-tuning, reinforce, and write the mean reward per tenth of the run."""
    store, questions = work / "store", work / "questions"
    rooms = ["--scenes", 60, "--frames-per-scene", 4, "--size", 128, "--seed", 71]
    run("qa-engine", "ingest", "rooms", "--out", store, *rooms)
    run("qa-engine", "sample-frames", store, "--method", "uniform", "--frames", 4)
    run("qa-engine", "generate", store, "--out", questions, "--tasks", TASKS, "--per-scene", 5, "--seed", 1)
    common = ["--store", store, "--device", "cpu"]
    warm = ["--steps", 25, "--batch-size", 16, "--learning-rate", 3e-4]
    run("qa-trainer", "sft", questions, "--model", "tiny", "--out", work / "sft", *common, *warm)
    reinforce = ["--steps", 60, "--batch-size", 6, "--group-size", 8, "--learning-rate", 1e-4, "--beta", 0]
    reinforce += ["--reward", "mra", "--max-completion-length", 6]
    run("qa-trainer", "grpo", questions, "--model", work / "sft" / "model", "--out", work / "grpo", *common, *reinforce)
    steps = json.loads((work / "grpo" / "rewards.json").read_text())["steps"]
    rewards = np.array([step["reward"] for step in steps])
    tenths = [round(float(part.mean()), 3) for part in np.array_split(rewards, 10)]
    thirds = [round(float(part.mean()), 3) for part in np.array_split(rewards, 3)]
    write_json(out, {"steps": len(rewards), "mean_reward_per_tenth": tenths, "mean_reward_per_third": thirds})
    sys.stdout.write(f"mean reward per tenth of {len(rewards)} steps: {tenths}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for rooms, questions and runs")
    parser.add_argument("--out", type=Path, default=RESULTS / "trainer_grpo.json")
    given = parser.parse_args()
    main(given.work, given.out)
