"""TRL's GRPOTrainer beside `qa-trainer grpo`: the same completions, losses and gradients, and the time of a step.

Usage: uv run python benchmarks/trainer_grpo_beside.py WORK STORE QUESTIONS [--model tiny] [--steps 6] [--out FILE.json]

Each runs in a process of its own, on one thread, with the same rewards and options: TRL's trainer as its documentation
has it, and the command. Completions are compared in the first step, before weights differ by a rounding.
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

BATCH, GROUP, RATE, SKIPPED = 4, 4, 1e-4, 1
GRADIENTS, FIGURES = "gradients.safetensors", "figures.json"


def settings_of(given: argparse.Namespace) -> Any:
    """Make the settings of both sides."""
    from qa_trainer.settings.grpo import GRPOSettings

    return GRPOSettings(
        steps=given.steps,
        batch_size=BATCH,
        group_size=GROUP,
        learning_rate=RATE,
        beta=0.04,
        max_completion_length=8,
        rewards=("format", "length"),
        device="cpu",
        dtype="float32",
        save_steps=given.steps,
    )


def recorder(folder: Path) -> Any:
    """Make a callback that keeps the gradients of the first step, losses, and the processor time of every step."""
    from safetensors.torch import save_file
    from transformers import TrainerCallback

    class Recorder(TrainerCallback):
        def __init__(self) -> None:
            self.found: dict[str, list[Any]] = {"seconds": [], "loss": [], "reward": [], "length": []}
            self.last = 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.last = time.process_time()

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 0:
                named = kwargs["model"].named_parameters()
                save_file({name: p.grad.clone() for name, p in named if p.grad is not None}, folder / GRADIENTS)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if logs and "reward" in logs:
                now = time.process_time()
                self.found["seconds"].append(now - self.last)
                for name, key in (("loss", "loss"), ("reward", "reward"), ("length", "completions/mean_length")):
                    self.found[name].append(logs[key])
                self.last = now

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            (folder / FIGURES).write_text(json.dumps(self.found), encoding="utf-8")

    return Recorder()


def run_trl(given: argparse.Namespace, folder: Path) -> None:
    """Train with TRL alone."""
    from datasets import Dataset, Image, List
    from qa_trainer.data.questions import load_samples
    from qa_trainer.grpo.train import arguments
    from qa_trainer.models.loading import load_model, resolve_model
    from qa_trainer.rewards import REWARDS
    from trl.trainer.grpo_trainer import GRPOTrainer

    settings, samples = settings_of(given), load_samples(given.questions, given.store)
    rows = samples.examples(list(range(given.steps * BATCH)))
    del rows["completion"]
    rows["options"] = samples.rows["options"][: given.steps * BATCH].to_list()
    data = Dataset.from_dict(rows).cast_column("images", List(Image()))
    model, processor = load_model(resolve_model(given.model))
    options = arguments(settings, folder / "checkpoints", given.steps, use_cpu=True)
    options.save_strategy = "no"
    GRPOTrainer(
        model=model,
        reward_funcs=[REWARDS[name] for name in settings.rewards],
        args=options,
        train_dataset=data,
        processing_class=processor,
        callbacks=[recorder(folder)],
    ).train()


def run_ours(given: argparse.Namespace, folder: Path) -> None:
    """Train with the command's own function."""
    from qa_trainer.grpo.run import GRPOInputs, train_grpo
    from qa_trainer.grpo.trainer import FramesGRPOTrainer

    init = FramesGRPOTrainer.__init__

    def begun(self: Any, *args: Any, callbacks: Any = (), **options: Any) -> None:
        init(self, *args, callbacks=[*callbacks, recorder(folder)], **options)

    FramesGRPOTrainer.__init__ = begun
    inputs = GRPOInputs(model=given.model, questions=given.questions, store=given.store)
    train_grpo(inputs, settings_of(given), folder / "run", force=True)


def main() -> None:
    """Run both sides, compare them, and print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for the runs")
    parser.add_argument("store", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/trainer_grpo_beside.json")
    parser.add_argument("--side", choices=("trl", "ours"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        (given.work / given.side).mkdir(parents=True, exist_ok=True)
        {"trl": run_trl, "ours": run_ours}[given.side](given, given.work / given.side)
        return
    from safetensors.torch import load_file

    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    for side in ("trl", "ours"):
        words = [sys.executable, __file__, *sys.argv[1:], "--side", side]
        subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, check=True)
    trl, ours = (json.loads((given.work / side / FIGURES).read_text(encoding="utf-8")) for side in ("trl", "ours"))
    one, two = (load_file(given.work / side / GRADIENTS) for side in ("trl", "ours"))
    assert one.keys() == two.keys()
    largest = max(float(value.abs().max()) for value in one.values())
    seconds = {side: median(found["seconds"][SKIPPED:]) for side, found in (("trl", trl), ("ours", ours))}
    found = {
        "first_step": {name: [trl[name][0], ours[name][0]] for name in ("loss", "reward", "length")},
        "gradient_difference": max(float((one[name] - two[name]).abs().max()) for name in one) / largest,
        "seconds": seconds,
        "ratio": seconds["ours"] / seconds["trl"],
    }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
