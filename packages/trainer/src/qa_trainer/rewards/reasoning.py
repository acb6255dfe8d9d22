"""Reward for steps before the answer, in the form that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qa_contract.prompts import read_reasoned

from qa_trainer.rewards.answers import Completion, text_of


def reasoning(completions: Sequence[Completion], **columns: Any) -> list[float | None]:
    """1 for `<think>steps</think><answer>answer</answer>` and nothing else, right or wrong, else 0.

    Examples
    --------
    >>> reasoning(["<think>2 + 2</think> <answer>4</answer>", "<think></think><answer>4</answer>", "4"])
    [1.0, 0.0, 0.0]
    """
    return [float(read_reasoned(text_of(completion)) is not None) for completion in completions]
