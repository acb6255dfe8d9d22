"""Is the memory that `qa-trainer plan` says the memory that a run takes? Peak of the process on a CPU, three settings.

Usage: uv run python benchmarks/trainer_plan.py OUT STORE QUESTIONS
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def main(out: Path, store: Path, questions: Path) -> None:
    """Print estimate and measurement per case; the estimate adds what a run of the tiny model takes."""
    make_model(out / "model")
    words = ["qa-trainer", "sft", questions, "--store", store, "--steps", 2, "--force"]
    idle = peak_bytes(
        *words, "--model", "tiny", "--out", out / "idle", "--device", "cpu", "--batch-size", 1, "--image-cache-mb", 0
    )
    sys.stdout.write(f"the process with the tiny model: {idle / 1e9:.2f} GB\n")
    for name, options in CASES.items():
        plan = ["qa-trainer", "plan", "--model", out / "model", "--frames", 4, "--frame-size", "128x128", "--json"]
        text = subprocess.run(
            list(map(str, [*plan, *COMMON, *options])), capture_output=True, text=True, check=True
        ).stdout
        estimate = json.loads(text)["total_bytes"] + idle
        measured = peak_bytes(*words, "--model", out / "model", "--out", out / "run", *COMMON, *options)
        figures = f"estimated {estimate / 1e9:.2f} GB, measured {measured / 1e9:.2f} GB"
        sys.stdout.write(f"{name}: {figures}, {estimate / measured - 1:+.0%}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
