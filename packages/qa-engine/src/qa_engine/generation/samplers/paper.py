"""Sampler `paper`: feedback chooses exemplars for a model that writes questions, and nothing else."""

from __future__ import annotations

from typing import ClassVar

from qa_engine.arrays import Array
from qa_engine.generation.samplers.base import Past, Sampler


class Paper(Sampler):
    """Weights never change (Ouroboros-Spatial, arXiv 2606.11719)."""

    about: ClassVar[str] = "weights never change; the last round's questions are exemplars for 'propose' only"

    def weigh(self, past: Past) -> tuple[Array, list[str]]:
        """Weigh question types alike, then cells alike."""
        return self.cells.even, ["profile paper: feedback chooses exemplars only"] * len(self.cells)
