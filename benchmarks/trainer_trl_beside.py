"""Plain TRL beside `qa-trainer sft`: the same rows, the same losses, and the processor time of a step, on one thread.

Usage: uv run python benchmarks/trainer_trl_beside.py WORK STORE QUESTIONS [--model tiny] [--steps 10] [--out FILE.json]

Each runs in a process of its own: TRL's SFTTrainer as its documentation has it, and the command.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

BATCH, RATE, SKIPPED = 16, 3e-4, 2


def clock() -> Any:
    """Make a callback that takes the processor time between the ends of steps."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.steps: list[float] = []
            self.losses: list[float] = []
            self.last = 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.last = time.process_time()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            now = time.process_time()
            self.steps.append(now - self.last)
            self.last = now

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if logs and "loss" in logs:
                self.losses.append(logs["loss"])

    return Clock()


def run_trl(given: argparse.Namespace, micro: int) -> dict[str, Any]:
    """Train with TRL alone."""
    from datasets import Dataset, Image, List
    from qa_trainer.data.questions import load_samples
    from qa_trainer.models.loading import resolve_model
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    samples = load_samples(given.questions, given.store)
    rows = Dataset.from_dict(samples.examples(list(range(given.steps * BATCH)))).cast_column("images", List(Image()))
    timer = clock()
    options = SFTConfig(
        output_dir=str(given.work / "trl"),
        max_steps=given.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=BATCH // micro,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        train_sampling_strategy="sequential",
        max_length=None,
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    folder = str(resolve_model(given.model))
    SFTTrainer(model=folder, args=options, train_dataset=rows, callbacks=[timer]).train()
    return {"seconds": timer.steps, "loss": timer.losses}


def run_ours(given: argparse.Namespace, micro: int) -> dict[str, Any]:
    """Train with the command's own function."""
    from qa_trainer.settings.sft import SFTSettings
    from qa_trainer.sft.run import SFTInputs, train_sft
    from qa_trainer.sft.trainer import RecordingSFTTrainer

    timer, init = clock(), RecordingSFTTrainer.__init__

    def begun(self: Any, *args: Any, callbacks: Any = (), **options: Any) -> None:
        init(self, *args, callbacks=[*callbacks, timer], **options)

    RecordingSFTTrainer.__init__ = begun
    settings = SFTSettings(
        steps=given.steps,
        batch_size=BATCH,
        micro_batch_size=micro,
        learning_rate=RATE,
        device="cpu",
        save_steps=given.steps,
    )
    inputs = SFTInputs(model=given.model, questions=given.questions, store=given.store)
    summary = train_sft(inputs, settings, given.work / "ours", force=True)
    assert summary is not None
    return {"seconds": timer.steps, "loss": summary.loss}


def main() -> None:
    """Run both sides for one and for two micro-batches, and print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for the runs")
    parser.add_argument("store", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/trainer_trl_beside.json")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--micro", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        found = {"trl": run_trl, "ours": run_ours}[given.side](given, given.micro)
        sys.stdout.write("\n" + json.dumps(found) + "\n")
        return
    table: dict[str, Any] = {}
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    for micro in (BATCH, BATCH // 2):
        sides: dict[str, Any] = {}
        for side in ("trl", "ours"):
            words = [sys.executable, __file__, *sys.argv[1:], "--side", side, "--micro", str(micro)]
            ended = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            sides[side] = json.loads(ended.stdout.strip().splitlines()[-1])
        steps = {side: median(one["seconds"][SKIPPED:]) for side, one in sides.items()}
        pairs = zip(sides["trl"]["loss"], sides["ours"]["loss"], strict=True)
        row = {
            "trl_seconds": steps["trl"],
            "ours_seconds": steps["ours"],
            "ratio": steps["ours"] / steps["trl"],
            "loss_difference": [abs(a - b) for a, b in pairs],
        }
        table[f"micro-batch {micro}"] = row
        sys.stdout.write(
            f"micro-batch {micro}: TRL {1000 * row['trl_seconds']:.0f} ms, ours {1000 * row['ours_seconds']:.0f} ms, "
            f"ratio {row['ratio']:.2f}, largest difference of a loss {max(row['loss_difference']):.1e}, "
            f"of the first {row['loss_difference'][0]:.1e}\n"
        )
        sys.stdout.flush()
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
