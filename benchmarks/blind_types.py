"""Measure how well each question type is answered without looking, on procedural rooms: `qa_engine.tasks.BLIND`.

uv run python benchmarks/blind_types.py [--scenes 200] [--per-scene 800]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

RESULT = Path(__file__).parents[1] / "packages/qa-engine/src/qa_engine/tasks/blind_scores.json"
FRAMES, SHOWN, PIXELS = 8, 8, 64
FAMILIES = "vsi-bench,sizes,distances,directions,counts,images,motion,pairs,planning"
"""All but those that are answered by JSON, which no predictor guesses."""


def run(*words: object) -> None:
    """Run a command of the engine."""
    command = [str(Path(sys.executable).with_name("qa-engine")), *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Make rooms, ask everything about them, and audit the questions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--per-scene", type=int, default=800, help="of all types together")
    parser.add_argument("--tasks", default=FAMILIES, help="question types and families")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        store, questions, audit = folder / "store", folder / "questions", folder / "audit"
        size = ("--frames-per-scene", FRAMES, "--size", PIXELS)
        run("ingest", "rooms", "--scenes", options.scenes, *size, "--out", store)
        run("observe", store)
        run("sample-frames", store, "--frames", SHOWN)
        run("generate", store, "--tasks", options.tasks, "--per-scene", options.per_scene, "--out", questions)
        run("audit", questions, "--out", audit)
        report = json.loads((audit / "report.json").read_text())
    types = {
        row["question_type"]: {
            "n": row["n"],
            "chance": round(row["chance"], 3),
            "score": round(max(row["forest"], row["category"]), 3),
        }
        for row in report["types"]
    }
    settings = {"scenes": options.scenes, "per_scene": options.per_scene, "frames": FRAMES, "pixels": PIXELS}
    text = json.dumps({"settings": settings | report["settings"], "types": types}, indent=1)
    RESULT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
