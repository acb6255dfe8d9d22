"""Rewards of reinforcement learning: plain functions over lists; None means that a reward does not apply to a row.

Every function takes the completions (texts, or conversations as TRL passes them) and, by name, columns of the data;
it ignores what it does not need.
"""

from __future__ import annotations

from collections.abc import Callable

from qa_trainer.rewards.answers import choice, form, mra
from qa_trainer.rewards.cognitive_map import cognitive_map
from qa_trainer.rewards.confidence import confidence
from qa_trainer.rewards.consistency import consistency
from qa_trainer.rewards.length import length
from qa_trainer.rewards.reasoning import reasoning
from qa_trainer.rewards.reasoning_length import reasoning_length

Reward = Callable[..., list[float | None]]

REWARDS: dict[str, Reward] = {
    "mra": mra,
    "choice": choice,
    "format": form,
    "length": length,
    "reasoning": reasoning,
    "reasoning_length": reasoning_length,
    "consistency": consistency,
    "cognitive_map": cognitive_map,
    "confidence": confidence,
}
"""Name to reward function."""
