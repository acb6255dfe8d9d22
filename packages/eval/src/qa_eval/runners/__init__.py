"""Runners: what answers the questions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from qa_eval.errors import unknown_name
from qa_eval.runners.base import Answer, Connection, Item, Runner, RunnerConfig
from qa_eval.runners.baselines import MajorityRunner, OracleRunner, RandomRunner
from qa_eval.runners.openai_compatible import OpenAIRunner
from qa_eval.runners.replay import ReplayRunner


@dataclass(frozen=True)
class RunnerKind:
    """How a runner is made and what it needs.

    Attributes
    ----------
    make : callable
        RunnerConfig to Runner; a model is loaded when it is called.
    description : str
    frames : str
        all, middle (one frame) or none: what the runner shows.
    is_model, is_local : bool
        Whether --model is needed, and whether that names a folder or hub id (else the model of a server).
    is_fitted : bool
        Whether it is fitted on reference questions.
    reads_answers : bool
        Whether it takes --answers.
    takes_video : bool
        Whether it can show frames as a video.
    """

    make: Callable[[RunnerConfig], Runner]
    description: str
    frames: str = "none"
    is_model: bool = False
    is_local: bool = False
    is_fitted: bool = False
    reads_answers: bool = False
    takes_video: bool = False


@functools.lru_cache(maxsize=1)
def _transformers(config: RunnerConfig) -> Runner:
    """Load the model; several runs of one process, as over degraded frames, share it."""
    from qa_eval.runners.transformers import TransformersRunner

    return TransformersRunner(config)


def _oracle(config: RunnerConfig) -> Runner:
    return OracleRunner(config) if config.answers is None else ReplayRunner(config)


RUNNERS: dict[str, RunnerKind] = {
    "transformers": RunnerKind(
        _transformers, "a local model, greedy", "all", is_model=True, is_local=True, takes_video=True
    ),
    "blind": RunnerKind(_transformers, "the same model and text without frames", is_model=True, is_local=True),
    "single-frame": RunnerKind(
        _transformers, "the same model with the middle frame alone", "middle", is_model=True, is_local=True
    ),
    "openai": RunnerKind(OpenAIRunner, "a model behind an OpenAI-compatible server (--base-url)", "all", is_model=True),
    "openai-blind": RunnerKind(OpenAIRunner, "the same and text without frames", is_model=True),
    "replay": RunnerKind(ReplayRunner, "stored completions (--answers), scored again", reads_answers=True),
    "oracle": RunnerKind(_oracle, "the ground truth, or an answers file (--answers)", reads_answers=True),
    "majority": RunnerKind(MajorityRunner, "the best constant answer per question type", is_fitted=True),
    "frequency": RunnerKind(MajorityRunner, "VSI-Bench's name for majority", is_fitted=True),
    "random": RunnerKind(RandomRunner, "a uniform option, or a reference ground truth", is_fitted=True),
}
"""Name to runner; add one's own with ``RUNNERS[name] = RunnerKind(...)``."""


def find_runner(name: str) -> RunnerKind:
    """Look up a runner.

    Raises
    ------
    QAEvalError
        The name is unknown; the message suggests the nearest one.

    Examples
    --------
    >>> find_runner("blind").frames
    'none'
    """
    if name not in RUNNERS:
        raise unknown_name("runner", name, RUNNERS)
    return RUNNERS[name]


__all__ = ["RUNNERS", "Answer", "Connection", "Item", "Runner", "RunnerConfig", "RunnerKind", "find_runner"]
