"""Reward for a right answer after steps that are neither short nor endless."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qa_trainer.rewards.answers import Completion, scores
from qa_trainer.settings.grpo import LEAST_TOKENS

MOST_TOKENS = 512
"""As `LEAST_TOKENS`, of Video-R1 (arXiv 2503.21776), which weighs this reward 0.2."""


def reasoning_length(
    completions: Sequence[Completion],
    completion_ids: Sequence[Sequence[int]],
    ground_truth: Sequence[str],
    options: Sequence[Sequence[str] | None],
    reasons: Sequence[bool] | None = None,
    **columns: Any,
) -> list[float | None]:
    """1 for an answer with a score above 0 in `LEAST_TOKENS` to `MOST_TOKENS` tokens, steps included, else 0.

    Examples
    --------
    >>> ids = [[1] * 400, [1] * 400, [1] * 20]
    >>> reasoning_length(["4", "9", "4"], ids, ["4"] * 3, [None] * 3)
    [1.0, 0.0, 0.0]
    """
    right = scores(completions, ground_truth, options, reasons)
    lengths = [LEAST_TOKENS <= len(ids) <= MOST_TOKENS for ids in completion_ids]
    return [float(bool(score) and fits) for score, fits in zip(right, lengths, strict=True)]
