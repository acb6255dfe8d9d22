"""What share of a training step does recording confidence take? The recorder's own section against the whole step.

Usage: uv run python benchmarks/trainer_recorder.py OUT STORE QUESTIONS
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
from trainer_plan import make_model

STEPS, BATCH = 12, 8
SKIPPED = 2  # the first steps read the frames and warm up


def main(out: Path, store: Path, questions: Path) -> None:
    """Print seconds per step and the recorder's share, for the tiny model and for one of 31 million parameters."""
    make_model(out / "model")
    for name, model in (("tiny, 1.4 M parameters", "tiny"), ("31.5 M parameters", out / "model")):
        words = ["qa-trainer", "sft", questions, "--store", store, "--model", model, "--out", out / "run", "--force"]
        words += ["--device", "cpu", "--steps", STEPS, "--batch-size", BATCH, "--save-steps", STEPS]
        subprocess.run(list(map(str, words)), check=True, stderr=subprocess.DEVNULL)
        steps = pl.read_parquet(out / "run/metrics.parquet").filter(pl.col("step") > SKIPPED)
        whole, recorded = steps["step_seconds"], steps["recorder_seconds"]
        sys.stdout.write(
            f"{name}: step {whole.median():.3f} s, recorder {1000 * recorded.median():.2f} ms, "
            f"{recorded.sum() / whole.sum():.2%} (highest step {(recorded / whole).max():.2%})\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
