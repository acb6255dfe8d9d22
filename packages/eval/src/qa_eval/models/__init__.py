"""Runners: what answers the questions."""

from __future__ import annotations

from collections.abc import Callable

from qa_eval.errors import unknown_name
from qa_eval.models.base import Answer, Item, Runner, RunnerConfig
from qa_eval.models.baselines import MajorityRunner, OracleRunner


def _transformers(config: RunnerConfig) -> Runner:
    from qa_eval.models.transformers import TransformersRunner

    return TransformersRunner(config, with_frames=True)


def _blind(config: RunnerConfig) -> Runner:
    from qa_eval.models.transformers import TransformersRunner

    return TransformersRunner(config, with_frames=False)


RUNNERS: dict[str, Callable[[RunnerConfig], Runner]] = {
    "transformers": _transformers,
    "blind": _blind,
    "majority": MajorityRunner,
    "oracle": OracleRunner,
}
"""Name to the function that makes the runner; models are loaded when it is called."""

NEEDS_MODEL = ("transformers", "blind")
"""Runners that need --model."""


def find_runner(name: str) -> Callable[[RunnerConfig], Runner]:
    """Look up a runner.

    Raises
    ------
    QAEvalError
        The name is unknown; the message suggests the nearest one.

    Examples
    --------
    >>> find_runner("oracle").__name__
    'OracleRunner'
    """
    if name not in RUNNERS:
        raise unknown_name("runner", name, RUNNERS)
    return RUNNERS[name]


__all__ = ["NEEDS_MODEL", "RUNNERS", "Answer", "Item", "Runner", "RunnerConfig", "find_runner"]
