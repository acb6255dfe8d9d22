"""Is the memory that `qa-trainer plan` says the memory that a run takes? Peak of the process on a CPU, three settings.

Usage: uv run python benchmarks/trainer_plan.py WORK STORE QUESTIONS [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from qa_contract.files import write_json

WIDE = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8, "num_attention_heads": 8}
CASES = {"full": [], "vision frozen": ["--freeze", "vision"], "adapters": ["--lora-rank", 16]}
COMMON = ["--device", "cpu", "--batch-size", 8]


def make_model(folder: Path) -> None:
    """Save a random model of the tiny recipe, wide enough that the process itself is the smaller part."""
    import torch
    from qa_trainer.tiny.model import build_model, build_processor
    from transformers import Qwen3VLForConditionalGeneration

    processor = build_processor()
    config: Any = build_model(processor, seed=0).config
    for name, value in {**WIDE, "head_dim": 64}.items():
        setattr(config.text_config, name, value)
    config.text_config.rope_parameters["mrope_section"] = [16, 8, 8]
    config.vision_config.out_hidden_size = WIDE["hidden_size"]
    torch.manual_seed(0)
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)


def peak_bytes(*words: object) -> int:
    """Run a command and give the most memory that its process had."""
    child = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{words}: exit status {status}")
    return usage.ru_maxrss * 1024


def main(work: Path, store: Path, questions: Path, out: Path) -> None:
    """Write estimate and measurement per case; the estimate adds what a run of the tiny model takes."""
    make_model(work / "model")
    words = ["qa-trainer", "sft", questions, "--store", store, "--steps", 2, "--force"]
    idle = peak_bytes(
        *words, "--model", "tiny", "--out", work / "idle", "--device", "cpu", "--batch-size", 1, "--image-cache-mb", 0
    )
    found: dict[str, Any] = {"process_bytes": idle, "cases": {}}
    sys.stdout.write(f"the process with the tiny model: {idle / 1e9:.2f} GB\n")
    for name, options in CASES.items():
        plan = ["qa-trainer", "plan", "--model", work / "model", "--frames", 4, "--frame-size", "128x128", "--json"]
        text = subprocess.run(
            list(map(str, [*plan, *COMMON, *options])), capture_output=True, text=True, check=True
        ).stdout
        estimate = json.loads(text)["total_bytes"] + idle
        measured = peak_bytes(*words, "--model", work / "model", "--out", work / "run", *COMMON, *options)
        found["cases"][name] = {"estimated_bytes": estimate, "measured_bytes": measured}
        figures = f"estimated {estimate / 1e9:.2f} GB, measured {measured / 1e9:.2f} GB"
        sys.stdout.write(f"{name}: {figures}, {estimate / measured - 1:+.0%}\n")
        sys.stdout.flush()
    write_json(out, found)


def arguments(about: str | None, default: str) -> argparse.Namespace:
    """Read the command line that this script shares with `trainer_recorder.py`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for models and runs")
    parser.add_argument("store", type=Path, help="store with 4 frames of 128x128 per question")
    parser.add_argument("questions", type=Path, help="table 'questions'")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / default)
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments(__doc__, "trainer_plan.json")
    main(given.work, given.store, given.questions, given.out)
