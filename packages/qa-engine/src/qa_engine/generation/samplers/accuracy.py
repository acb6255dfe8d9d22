"""Sampler `accuracy`: question types that the learner gets wrong."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from qa_engine.arrays import Array
from qa_engine.generation.samplers.base import FLOOR, Past, Sampler

PRIOR_ACCURACY, PRIOR_COUNT = 0.35, 2.0
"""Score that a type is expected to have before it is asked, and how many answers that is worth."""


class Accuracy(Sampler):
    """A question type weighs max(0.05, 1 - a), a its smoothed mean score; cells share alike within a type.

    References
    ----------
    SpatialEvo, arXiv 2604.14144: task weights by historical accuracy with a prior of 0.35 worth two answers.
    """

    about: ClassVar[str] = "max(0.05, 1 - smoothed mean score) per question type; cells alike"

    def weigh(self, past: Past) -> tuple[Array, list[str]]:
        """Weigh by the scores of the model's own answers."""
        n, total = past.scores(self.cells)
        types = self.cells.types
        answers, score = (np.bincount(types, weights=column) for column in (n, total))
        accuracy = (score + PRIOR_ACCURACY * PRIOR_COUNT) / (answers + PRIOR_COUNT)
        raw = np.maximum(FLOOR, 1 - accuracy)
        weights = raw[types] * self.cells.even
        reasons = [f"mean score {a:.2f} of {k:g} answers, smoothed" for a, k in zip(accuracy, answers, strict=True)]
        return weights / weights.sum(), [reasons[k] for k in types]
