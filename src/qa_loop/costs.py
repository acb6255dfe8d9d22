"""What a run takes: floating-point operations per question, memory of a step, disk per round, as the trainer says."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from qa_loop.errors import QALoopError
from qa_loop.process import find_program
from qa_loop.sections import LoopConfig, Options
from qa_loop.stage import Stage

ASK_TIMEOUT_S = 300
BACKWARD = 3
"""A training step costs about three forward passes."""

_LOCAL = {"openai": "transformers", "openai-blind": "blind"}
"""A server computes what the local runner would."""

_PLAN_OPTIONS = ("freeze", "lora_rank", "dtype", "micro_batch_size", "activation_checkpointing", "device")


@dataclass(frozen=True)
class Costs:
    """What `qa-trainer plan` estimates.

    Attributes
    ----------
    seen, unseen : float
        Floating-point operations of the forward pass over one question with its frames, and without.
    step_seconds : float
        Of one optimizer step.
    memory_bytes, available_bytes : int
        Of training, and of the device.
    round_bytes : int
        What a round leaves on disk: weights, and the optimizer's two moments.
    """

    seen: float
    unseen: float
    step_seconds: float
    memory_bytes: int
    available_bytes: int
    round_bytes: int

    def flops(self, stage: Stage, rows: int | None) -> float | None:
        """Estimate the operations of a finished stage from its rows; None where it runs no model."""
        if rows is None:
            return None
        if stage.kind == "train":
            return BACKWARD * rows * self.seen
        program, command, words = stage.called
        if (program, command) != ("qa-eval", "run"):
            return None
        runner = words[words.index("--runner") + 1] if "--runner" in words else "transformers"
        per_question = {"transformers": self.seen, "blind": self.unseen}.get(_LOCAL.get(runner, runner))
        return None if per_question is None else rows * per_question


def estimated(config: LoopConfig) -> Costs | None:
    """Estimate the costs of a run; None where the trainer cannot tell."""
    train, frames = config.train, config.frames.frames if config.frames else 0
    return estimate(train.model, train.stages[0].batch_size or 1, train.options, frames=frames, side=config.scenes.size)


def estimate(model: str, batch_size: int, options: Options, *, frames: int, side: int | None) -> Costs | None:
    """Ask the trainer; None where it cannot tell, for example of a model that is not there yet.

    Parameters
    ----------
    model : str
    batch_size : int
        Questions per optimizer step.
    options : mapping
        Further options of `qa-trainer sft`.
    frames : int
        Of a question.
    side : int or None
        Pixels of a frame, where that is known.
    """
    words = ["--batch-size", str(batch_size)]
    words += ["--frame-size", f"{side}x{side}"] if side else []
    for name in _PLAN_OPTIONS:
        value = options.get(name, options.get(name.replace("_", "-")))
        if isinstance(value, bool):
            words += [f"--{name.replace('_', '-')}"] if value else []
        elif value is not None:
            words += [
                f"--{name.replace('_', '-')}",
                ",".join(map(str, value)) if isinstance(value, list) else str(value),
            ]
    seen, unseen = (_ask(["--model", model, "--frames", str(n), *words]) for n in (frames, 0))
    if seen is None or unseen is None:
        return None
    per_step = BACKWARD * batch_size
    return Costs(
        seen["flops"] / per_step,
        unseen["flops"] / per_step,
        seen["seconds"],
        seen["total_bytes"],
        seen["available_bytes"],
        seen["weights_bytes"] + seen["optimizer_bytes"],
    )


def _ask(words: list[str]) -> dict[str, Any] | None:
    try:
        done = subprocess.run(
            [str(find_program("qa-trainer")), "plan", *words, "--json"],
            capture_output=True,
            text=True,
            timeout=ASK_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
        value = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired, QALoopError):
        return None
    return value if isinstance(value, dict) and "flops" in value else None
