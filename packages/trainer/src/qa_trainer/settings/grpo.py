"""Settings of `qa-trainer grpo`."""

from __future__ import annotations

from pydantic import model_validator
from qa_contract.cli.settings import setting

from qa_trainer.settings.shared import OPTIMISATION, RUN, RunSettings

LEAST_TOKENS = 320
"""Shortest completion that the reward `reasoning_length` rewards."""
REWARD = "Reward"
COMPLETIONS = "Completions"


class GRPOSettings(RunSettings):
    """What `qa-trainer grpo` does; the words are TRL's.

    Examples
    --------
    >>> GRPOSettings().rewards
    ('mra', 'choice', 'format')
    """

    execution_only = RunSettings.execution_only | {"vllm_server_url"}

    beta: float = setting(0.04, topic=OPTIMISATION, ge=0, allow_inf_nan=False)
    """Weight of the distance to the model at the start."""
    batch_size: int = setting(8, topic=OPTIMISATION, ge=1)
    """Questions per optimizer step."""
    group_size: int = setting(8, topic=COMPLETIONS, ge=2)
    """Completions per question; an advantage is a reward against the group's mean."""
    micro_batch_size: int | None = setting(None, topic=OPTIMISATION, none="all of a step; on a GPU 1", ge=1)
    """Completions per forward pass; gradients are accumulated."""
    rewards: tuple[str, ...] = setting(("mra", "choice", "format"), topic=REWARD, option="--reward", placeholder="NAME")
    """Rewards, added up: mra, choice, format, length, reasoning, reasoning_length, consistency, cognitive_map,
    confidence."""
    reward_weights: tuple[float, ...] | None = setting(None, topic=REWARD, none="1 each")
    """Weights of the rewards, in their order."""
    skip_equal_groups: bool = setting(False, topic=REWARD)
    """Leave out questions whose completions all got the same reward; 'metrics' counts them either way."""
    ask_steps: bool = setting(False, topic=COMPLETIONS)
    """Ask for the steps between <think> and </think> first; rewards then read what stands between <answer> and
    </answer>."""
    round: int | None = setting(None, topic=RUN, none="the questions'", ge=0)
    """Round written into the predictions."""
    temperature: float = setting(1.0, topic=COMPLETIONS, gt=0, allow_inf_nan=False)
    """Of the completions; lower is surer."""
    max_completion_length: int = setting(64, topic=COMPLETIONS, ge=1)
    """Tokens at most."""
    vllm_server_url: str | None = setting(
        None, topic=COMPLETIONS, none="transformers", placeholder="URL", pattern=r"^https?://[^/\s]+/?$"
    )
    """A server of 'trl vllm-serve' that makes the completions."""

    @model_validator(mode="after")
    def _one_weight_each(self) -> GRPOSettings:
        if self.reward_weights is not None and len(self.reward_weights) != len(self.rewards):
            raise ValueError(f"{len(self.reward_weights)} reward_weights for {len(self.rewards)} rewards")
        return self

    @model_validator(mode="after")
    def _shown_to_a_server(self) -> GRPOSettings:
        if self.vllm_server_url is not None and self.frame_input == "video":
            raise ValueError("completions of a server are made of images; frame_input video needs transformers")
        return self

    @model_validator(mode="after")
    def _room_for_steps(self) -> GRPOSettings:
        if {"reasoning", "reasoning_length"} & set(self.rewards) and not self.ask_steps:
            raise ValueError("the rewards reasoning and reasoning_length need ask_steps, or nothing asks for steps")
        if "reasoning_length" in self.rewards and self.max_completion_length < LEAST_TOKENS:
            raise ValueError(
                f"reasoning_length rewards {LEAST_TOKENS} tokens or more, and max_completion_length is "
                f"{self.max_completion_length}"
            )
        if "cognitive_map" in self.rewards and self.ask_steps:
            raise ValueError("cognitive_map asks for a map after the answer, ask_steps for steps before it; take one")
        return self

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> GRPOSettings:
        completions = self.batch_size * self.group_size
        if completions % self.micro_batch:
            raise ValueError(f"{completions} completions are not a multiple of micro_batch_size {self.micro_batch}")
        return self

    @property
    def micro_batch(self) -> int:
        """Completions per forward pass."""
        return self.micro_batch_size or self.batch_size * self.group_size
