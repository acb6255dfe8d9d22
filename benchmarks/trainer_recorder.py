"""What share of a training step does recording confidence take? The recorder's own section against the whole step.

Usage: uv run python benchmarks/trainer_recorder.py WORK STORE QUESTIONS [--out FILE.json]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
from qa_contract.files import write_json
from trainer_plan import arguments, make_model

STEPS, BATCH = 12, 8
SKIPPED = 2  # the first steps read the frames and warm up


def main(work: Path, store: Path, questions: Path, out: Path) -> None:
    """Write seconds per step and the recorder's share, for the tiny model and for one of 31 million parameters."""
    make_model(work / "model")
    found = {}
    for name, model in (("tiny, 1.2 M parameters", "tiny"), ("31.5 M parameters", work / "model")):
        words = ["qa-trainer", "sft", questions, "--store", store, "--model", model, "--out", work / "run", "--force"]
        words += ["--device", "cpu", "--steps", STEPS, "--batch-size", BATCH, "--save-steps", STEPS]
        subprocess.run(list(map(str, words)), check=True, stderr=subprocess.DEVNULL)
        steps = pl.read_parquet(work / "run/metrics.parquet").filter(pl.col("step") > SKIPPED)
        whole, recorded = steps["step_seconds"], steps["recorder_seconds"]
        found[name] = {
            "step_seconds": whole.median(),
            "recorder_seconds": recorded.median(),
            "share": recorded.sum() / whole.sum(),
            "highest_share": (recorded / whole).max(),
        }
        sys.stdout.write(
            f"{name}: step {whole.median():.3f} s, recorder {1000 * recorded.median():.2f} ms, "
            f"{recorded.sum() / whole.sum():.2%} (highest step {(recorded / whole).max():.2%})\n"
        )
        sys.stdout.flush()
    write_json(out, found)


if __name__ == "__main__":
    given = arguments(__doc__, "trainer_recorder.json")
    main(given.work, given.store, given.questions, given.out)
