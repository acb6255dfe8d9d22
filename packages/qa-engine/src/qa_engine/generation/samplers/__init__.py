"""Samplers: what is asked next; one file and one line each."""

from __future__ import annotations

from qa_engine.errors import unknown_name
from qa_engine.generation.samplers.accuracy import Accuracy
from qa_engine.generation.samplers.base import Cells, Past, Sampler
from qa_engine.generation.samplers.baseline import Baseline
from qa_engine.generation.samplers.headroom import Headroom
from qa_engine.generation.samplers.learnability import Learnability
from qa_engine.generation.samplers.learning import Learning
from qa_engine.generation.samplers.paper import Paper
from qa_engine.generation.samplers.predicted import Predicted
from qa_engine.generation.samplers.progress import Progress
from qa_engine.generation.samplers.shuffled import Shuffled

SAMPLERS: dict[str, type[Sampler]] = {
    "baseline": Baseline,
    "learning": Learning,
    "predicted": Predicted,
    "learnability": Learnability,
    "headroom": Headroom,
    "progress": Progress,
    "accuracy": Accuracy,
    "paper": Paper,
    "shuffled": Shuffled,
}
"""Name to class."""


def get_sampler(name: str) -> type[Sampler]:
    """Look up a sampler.

    Raises
    ------
    QAEngineError
        There is none of that name; the message suggests the closest.

    Examples
    --------
    >>> get_sampler("paper").__name__
    'Paper'
    """
    if name not in SAMPLERS:
        raise unknown_name("sampler", name, SAMPLERS, "See 'qa-engine samplers'.")
    return SAMPLERS[name]


__all__ = ["SAMPLERS", "Cells", "Past", "Sampler", "get_sampler"]
