"""Sampler `learnability`: p'(1 - p'), where the learner is neither sure nor lost."""

from __future__ import annotations

from typing import ClassVar

from qa_engine.arrays import Array
from qa_engine.generation.samplers.base import CleanMeans
from qa_engine.generation.samplers.items import Item, ItemSampler
from qa_engine.generation.samplers.signal import SignalSampler


class Learnability(ItemSampler, SignalSampler):
    """A cell weighs its mean of p'(1 - p'), p' the expected score corrected for chance, within its question type.

    Where earlier answers are given, candidates of a cell are compared by the same value, predicted from their knobs.

    References
    ----------
    LILO, arXiv 2502.12272; SFL, arXiv 2408.15099.
    """

    about: ClassVar[str] = "p'(1 - p') per cell and candidate, p' corrected for chance; question types share alike"
    item: ClassVar[Item] = Item("learnability", "most learnable", "learnability {}")

    def value(self, clean: CleanMeans) -> tuple[Array, list[str]]:
        """Take the mean learnability."""
        reasons = [
            f"learnability {v:.3f} (expected score {p:.2f} above chance, {n:.3g} answers, newer rounds count more)"
            for v, p, n in zip(clean.learnability, clean.corrected, clean.n, strict=True)
        ]
        return clean.learnability, reasons
