"""What a run takes: floating-point operations per question, memory of a step, disk per round, as the trainer says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
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
_GRPO_OPTIONS = ("group_size", "max_completion_length", "beta")


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
    reinforced : tuple of float
        Floating-point operations of a round's k-th stage of training where it is reinforcement, generated answers
        included; 0 for others.
    """

    seen: float
    unseen: float
    step_seconds: float
    memory_bytes: int
    available_bytes: int
    round_bytes: int
    reinforced: tuple[float, ...] = ()

    def flops(self, stage: Stage, rows: int | None) -> float | None:
        """Estimate the operations of a finished stage from its rows; None where it runs no model."""
        if rows is None:
            return None
        if stage.kind == "reinforce":
            name = Path(stage.out).name  # train, or train_K_grpo with K from 1
            return self.reinforced[int(name.split("_")[1]) - 1 if "_" in name else 0]
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
    side = max((one.size for one in config.scenes if one.size), default=None)
    found = estimate(train.model, train.stages[0].batch_size or 1, train.options, frames=frames, side=side)
    if found is None:
        return None
    reinforced = []
    for stage in train.stages:
        words = ["--for", "grpo", *_words(stage.batch_size or 1, stage.options, side, _PLAN_OPTIONS + _GRPO_OPTIONS)]
        told = (
            _ask(["--model", train.model, "--frames", str(frames), *words])
            if stage.method == "grpo"
            else {"flops": 0.0}
        )
        if told is None:
            return None
        reinforced.append((stage.steps or 0) * told["flops"])
    return replace(found, reinforced=tuple(reinforced))


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
    words = _words(batch_size, options, side, _PLAN_OPTIONS)
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


def _words(batch_size: int, options: Options, side: int | None, names: Sequence[str]) -> list[str]:
    """Give the options of a training that the estimate depends on."""
    words = ["--batch-size", str(batch_size)]
    words += ["--frame-size", f"{side}x{side}"] if side else []
    known = {name: options.get(name, options.get(name.replace("_", "-"))) for name in names}
    for name, value in known.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [flag] if value else []
        elif value is not None:
            words += [flag, ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return words


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
