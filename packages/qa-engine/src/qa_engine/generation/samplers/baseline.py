"""Sampler `baseline`: the smoothed share of questions at the frontier."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from qa_engine.arrays import Array
from qa_engine.generation.samplers.base import FLOOR, Past, Sampler


class Baseline(Sampler):
    """A cell weighs max(0.05, (n_frontier + 1) / (n + 2)), pooled over all rounds.

    That is the expected share of questions that are neither easy nor hard, with one pseudo-count each way; cells never
    asked have the floor.
    """

    about: ClassVar[str] = "max(0.05, (frontier + 1) / (n + 2)); cells never asked have 0.05"

    def weigh(self, past: Past) -> tuple[Array, list[str]]:
        """Weigh by the counts of all rounds."""
        n, frontier = self.counts[:, 0], self.counts[:, 2]
        raw = np.where(n > 0, np.maximum(FLOOR, (frontier + 1) / (n + 2)), FLOOR)
        reasons = [
            f"({f:g} frontier + 1) / ({total:g} asked + 2)" if total else f"never asked: floor {FLOOR}"
            for total, f in zip(n.tolist(), frontier.tolist(), strict=True)
        ]
        return raw / raw.sum(), reasons
