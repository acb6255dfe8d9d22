"""Reinforcement learning on answers: GRPO with the evaluator's scoring as reward."""
