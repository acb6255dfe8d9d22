"""Where does the processor time of one training step go? By part, on one thread, so that other work does not matter.

Usage: uv run python benchmarks/trainer_step.py WORK STORE QUESTIONS [--model tiny] [--batch-size 32] [--freeze vision]
       [--out FILE.json]

To compare with another version, run this file with PYTHONPATH set to its packages/trainer/src; the losses of both are
printed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from qa_contract.files import write_json
from qa_trainer.data.collator import SFTCollator
from qa_trainer.models import loading
from qa_trainer.settings.sft import SFTSettings
from qa_trainer.sft import train as sft_train
from qa_trainer.sft.run import SFTInputs, train_sft
from qa_trainer.sft.trainer import RecordingSFTTrainer
from transformers import TrainerCallback

SKIPPED = 3  # the first steps read files and warm up
PARTS = ("data", "vision", "language", "head", "head back", "language back", "vision back", "optimizer", "rest")


class Clock(TrainerCallback):
    """Adds up processor time by part; what is between two marks belongs to the later one."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.last = self.begun = time.process_time()

    def mark(self, part: str) -> None:
        """Give the time since the last mark to a part."""
        now = time.process_time()
        self.spent[part] += now - self.last
        self.last = now

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Time between steps belongs to the step that begins."""
        self.mark("rest")

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the backward pass."""
        self.mark("rest")

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the update."""
        self.mark("optimizer")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the step."""
        self.mark("rest")
        self.steps.append(dict(self.spent) | {"step": self.last - self.begun})
        self.spent.clear()
        self.begun = self.last


def listen(model: Any, clock: Clock) -> None:
    """Put marks where the parts of a forward and a backward pass meet."""
    visual, language = model.model.visual, model.model.language_model
    visual.register_forward_pre_hook(lambda *_: clock.mark("rest"))
    language.register_forward_pre_hook(lambda *_: clock.mark("rest"))

    def seen(module: Any, given: Any, output: Any) -> None:
        clock.mark("vision")
        if output.pooler_output.requires_grad:
            output.pooler_output.register_hook(lambda _: clock.mark("language back"))

    def read(module: Any, given: Any, output: Any) -> None:
        clock.mark("language")
        output.last_hidden_state.register_hook(lambda _: clock.mark("head back"))

    visual.register_forward_hook(seen)
    language.register_forward_hook(read)


def main(words: list[str]) -> None:
    """Train a few steps, and print and write the median of each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for the run")
    parser.add_argument("store", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--freeze", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    clock = Clock()

    init, call, loss, step = (
        *(RecordingSFTTrainer.__init__, SFTCollator.torch_call),
        *(RecordingSFTTrainer.compute_loss, RecordingSFTTrainer.training_step),
    )

    def started(self: Any, *args: Any, callbacks: Any = (), **options: Any) -> None:
        init(self, *args, callbacks=[*callbacks, clock], **options)

    def collated(self: Any, examples: Any) -> Any:
        clock.mark("rest")
        batch = call(self, examples)
        clock.mark("data")
        return batch

    def lost(self: Any, *args: Any, **options: Any) -> Any:
        found = loss(self, *args, **options)
        clock.mark("head")
        return found

    def stepped(self: Any, *args: Any, **options: Any) -> Any:
        found = step(self, *args, **options)
        clock.mark("vision back" if "language back" in clock.spent else "language back")
        return found

    def loaded(folder: Path, *args: Any, **options: Any) -> Any:
        model, processor = loading.load_model(folder, *args, **options)
        listen(model, clock)
        return model, processor

    sft_train.load_model = loaded
    RecordingSFTTrainer.__init__ = started
    RecordingSFTTrainer.compute_loss = lost
    RecordingSFTTrainer.training_step = stepped
    SFTCollator.torch_call = collated
    settings = SFTSettings(
        steps=given.steps,
        batch_size=given.batch_size,
        learning_rate=4e-4,
        device="cpu",
        save_steps=given.steps,
        freeze=tuple(given.freeze),
    )
    inputs = SFTInputs(model=given.model, questions=given.questions, store=given.store)
    summary = train_sft(inputs, settings, given.work / "run", force=True)
    assert summary is not None
    kept = clock.steps[SKIPPED:]
    found = {part: median(one.get(part, 0.0) for one in kept) for part in (*PARTS, "step")}
    for part, seconds in found.items():
        sys.stdout.write(f"{part:14} {1000 * seconds:7.1f} ms {seconds / found['step']:6.1%}\n")
    sys.stdout.write(f"losses {summary.loss}\n")
    if given.out:
        write_json(given.out, found | {"loss": summary.loss})


if __name__ == "__main__":
    main(sys.argv[1:])
