"""Sampler `headroom`: where looking at the frames is worth most."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from qa_engine.arrays import Array
from qa_engine.generation.samplers.base import CleanMeans
from qa_engine.generation.samplers.items import Item, ItemSampler
from qa_engine.generation.samplers.signal import SignalSampler

MASTERED = 0.9
"""Corrected expected score above which a cell is easy: nothing is left to be learned, whatever looking is worth."""


class Headroom(ItemSampler, SignalSampler):
    """A cell weighs its mean of p' - p'_blind within its question type, both corrected for chance; easy cells nothing.

    References
    ----------
    Likelihood gained from the image as a rule of selection: MAGIC, arXiv 2605.26004; CVS, arXiv 2603.09715.
    """

    about: ClassVar[str] = "p' - p' without frames per cell and candidate, easy cells excepted; types share alike"
    item: ClassVar[Item] = Item("headroom", "most to be gained by looking", "headroom {}")

    def value(self, clean: CleanMeans) -> tuple[Array, list[str]]:
        """Take the mean headroom, not below 0."""
        easy = clean.corrected > MASTERED
        reasons = [
            f"headroom {h:.2f} (expected score {p:.2f} above chance, {b:.2f} without frames, {n:.3g} answers)"
            + (", easy: nothing left to learn" if done else "")
            for h, p, b, n, done in zip(clean.headroom, clean.corrected, clean.blind, clean.n, easy, strict=True)
        ]
        return np.where(easy, 0.0, np.maximum(clean.headroom, 0.0)), reasons
